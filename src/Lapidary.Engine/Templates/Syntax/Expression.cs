using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

internal abstract record Expression(int Line)
{
    public TemplateValue Evaluate(Frame frame)
    {
        frame.Context.Charge();
        RenderContext.EnsureStack();
        return Compute(frame);
    }

    protected abstract TemplateValue Compute(Frame frame);
}

/// <summary>When an unknown filter or test is reported: Jinja lets one pass inside an "if" until it is reached.</summary>
internal enum NameCheck { AtCompileTime, WhenReached }

/// <summary>
/// An expression as it stands in a statement, with the names it reads and the filters and tests it uses, which have to be
/// bound before it can be evaluated.
/// </summary>
internal sealed record Formula(Expression Root, NameExpression[] Names, NamedUse[] Uses)
{
    public int Line => Root.Line;

    public void Declare(Symbols symbols)
    {
        foreach (NameExpression name in Names) symbols.Load(name.Name);
    }

    public void Bind(Symbols symbols, NameCheck check)
    {
        foreach (NameExpression name in Names) name.Reference = symbols.Find(name.Name);
        if (check == NameCheck.WhenReached) return;
        foreach (NamedUse use in Uses)
            if (!use.IsConditional) use.Resolve();
    }

    public TemplateValue Evaluate(Frame frame)
    {
        frame.Context.Line = Root.Line;
        return Root.Evaluate(frame);
    }
}

internal sealed record ConstantExpression(TemplateValue Value, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame) => Value;
}

internal sealed record NameExpression(string Name, int Line) : Expression(Line)
{
    public Reference Reference { get; set; }

    protected override TemplateValue Compute(Frame frame) => frame[Reference] ?? UndefinedValue.Variable(Name);
}

internal sealed record TupleExpression(Expression[] Items, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame) => new TupleValue(ListExpression.EvaluateAll(Items, frame));
}

internal sealed record ListExpression(Expression[] Items, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame) => new ListValue(EvaluateAll(Items, frame));

    public static List<TemplateValue> EvaluateAll(Expression[] items, Frame frame)
    {
        List<TemplateValue> values = new(items.Length);
        foreach (Expression item in items) values.Add(item.Evaluate(frame));
        return values;
    }
}

internal sealed record DictExpression(KeyValuePair<Expression, Expression>[] Members, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        DictValue dict = new(frame.Context);
        foreach (var (key, value) in Members) dict.Set(key.Evaluate(frame), value.Evaluate(frame));
        return dict;
    }
}

/// <summary>"a if test else b"; without "else" it is undefined when the test is false.</summary>
internal sealed record ConditionalExpression(Expression Test, Expression WhenTrue, Expression? Otherwise, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        if (Test.Evaluate(frame).IsTrue) return WhenTrue.Evaluate(frame);
        return Otherwise?.Evaluate(frame)
            ?? new UndefinedValue($"the inline \"if\" on line {Line} was false and has no \"else\"");
    }
}

/// <summary>owner.name: attributes and methods first, then items.</summary>
internal sealed record AttributeExpression(Expression Owner, string Name, int Line) : Expression(Line)
{
    private readonly StringValue _key = new(Name);

    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue owner = Owner.Evaluate(frame);
        frame.Context.Line = Line;
        return Access.Attribute(owner, _key, frame.Context);
    }
}

/// <summary>owner[key]: items first, then, for strings, attributes and methods.</summary>
internal sealed record ItemExpression(Expression Owner, Expression Key, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue owner = Owner.Evaluate(frame), key = Key.Evaluate(frame);
        frame.Context.Line = Line;
        return Access.Item(owner, key, frame.Context);
    }
}

internal sealed record SliceExpression(Expression Owner, Expression? Start, Expression? Stop, Expression? Step, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue owner = Owner.Evaluate(frame);
        TemplateValue? start = Start?.Evaluate(frame), stop = Stop?.Evaluate(frame), step = Step?.Evaluate(frame);
        frame.Context.Line = Line;
        return Slicing.Slice(owner, start, stop, step, frame.Context);
    }
}
