using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

internal enum BinaryOperator { Add, Subtract, Multiply, Divide, FloorDivide, Modulo, Power }

internal enum ComparisonOperator { Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, In, NotIn }

internal sealed record BinaryExpression(BinaryOperator Operator, Expression Left, Expression Right, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue left = Left.Evaluate(frame), right = Right.Evaluate(frame);
        frame.Context.Line = Line;
        return Arithmetic.Apply(Operator, left, right, frame.Context);
    }
}

internal sealed record SignExpression(Expression Operand, bool IsNegative, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame) => Arithmetic.Sign(Operand.Evaluate(frame), IsNegative);
}

internal sealed record NotExpression(Expression Operand, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame) => BoolValue.Of(!Operand.Evaluate(frame).IsTrue);
}

internal sealed record AndExpression(Expression Left, Expression Right, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue left = Left.Evaluate(frame);
        return left.IsTrue ? Right.Evaluate(frame) : left;
    }
}

internal sealed record OrExpression(Expression Left, Expression Right, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue left = Left.Evaluate(frame);
        return left.IsTrue ? left : Right.Evaluate(frame);
    }
}

/// <summary>a ~ b ~ c: the texts of all of them, joined.</summary>
internal sealed record ConcatenationExpression(Expression[] Items, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        string[] texts = [.. ListExpression.EvaluateAll(Items, frame).Select(value => PythonText.Str(value, frame.Context))];
        frame.Context.ChargeText(texts.Sum(text => (long)text.Length));
        return new StringValue(string.Concat(texts));
    }
}

/// <summary>a &lt; b == c …: every neighbouring pair must hold; later operands are evaluated only while it does.</summary>
internal sealed record ComparisonExpression(
    Expression First, (ComparisonOperator Operator, Expression Operand)[] Rest, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue left = First.Evaluate(frame);
        foreach (var (comparison, operand) in Rest)
        {
            TemplateValue right = operand.Evaluate(frame);
            frame.Context.Line = Line;
            if (!Comparison.Holds(comparison, left, right, frame.Context)) return BoolValue.False;
            left = right;
        }
        return BoolValue.True;
    }
}
