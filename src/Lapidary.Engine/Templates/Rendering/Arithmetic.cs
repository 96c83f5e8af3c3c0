using System.Numerics;
using Lapidary.Templates.Library;
using Lapidary.Templates.Syntax;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Rendering;

/// <summary>Python's arithmetic operators on numbers, strings, lists and tuples.</summary>
internal static class Arithmetic
{
    public static TemplateValue Apply(BinaryOperator kind, TemplateValue left, TemplateValue right, RenderContext context)
    {
        if (left is UndefinedValue undefinedLeft) throw undefinedLeft.Fault();
        // 'text' % undefined formats the undefined value; every other operator refuses it.
        if (right is UndefinedValue undefinedRight && !(kind == BinaryOperator.Modulo && left is StringValue)) throw undefinedRight.Fault();
        if (left.Integer is { } a && right.Integer is { } b) return Integers(kind, a, b, context);
        if (Float(left) is { } x && Float(right) is { } y) return new FloatValue(Floats(kind, x, y));
        return kind switch
        {
            BinaryOperator.Add => Add(left, right, context),
            BinaryOperator.Multiply => Repeat(left, right, context),
            BinaryOperator.Modulo when left is StringValue format => PrintfFormat.Format(format, right, context),
            _ => null,
        } ?? throw new TemplateFault($"{left.TypeName} {Symbol(kind)} {right.TypeName} is not possible");
    }

    private static string Symbol(BinaryOperator kind) => kind switch
    {
        BinaryOperator.Add => "+",
        BinaryOperator.Subtract => "-",
        BinaryOperator.Multiply => "*",
        BinaryOperator.Divide => "/",
        BinaryOperator.FloorDivide => "//",
        BinaryOperator.Modulo => "%",
        _ => "**",
    };

    private static bool IsDivision(BinaryOperator kind) => kind is BinaryOperator.Divide or BinaryOperator.FloorDivide or BinaryOperator.Modulo;

    /// <summary>The number as a float; null for what is no number.</summary>
    public static double? Float(TemplateValue value)
    {
        if (value is FloatValue real) return real.Value;
        if (value.Integer is not { } integer) return null;
        double converted = (double)integer;
        return double.IsFinite(converted) ? converted : throw new TemplateFault("an integer is too large for a float");
    }

    private static TemplateValue Integers(BinaryOperator kind, BigInteger a, BigInteger b, RenderContext context)
    {
        if (b.IsZero && IsDivision(kind)) throw new TemplateFault("division by zero");
        if (kind is not (BinaryOperator.Add or BinaryOperator.Subtract)) context.ChargeProduct(a.GetBitLength(), b.GetBitLength());
        return kind switch
        {
            BinaryOperator.Add => Integer(a + b, context),
            BinaryOperator.Subtract => Integer(a - b, context),
            BinaryOperator.Multiply => Integer(a * b, context),
            BinaryOperator.Divide => new FloatValue(Quotient(a, b)),
            BinaryOperator.FloorDivide => Integer(FloorQuotient(a, b), context),
            BinaryOperator.Modulo => Integer(a - FloorQuotient(a, b) * b, context),
            _ => Power(a, b, context),
        };
    }

    private static IntValue Integer(BigInteger value, RenderContext context)
    {
        long bits = value.GetBitLength();
        if (bits > context.Limits.IntegerBits) throw new TemplateFault($"an integer of {bits} bits is larger than the {context.Limits.IntegerBits} allowed");
        context.Charge(bits >> 6);
        return new IntValue(value);
    }

    /// <summary>a / b as the nearest float, also where a or b alone would not fit one.</summary>
    private static double Quotient(BigInteger a, BigInteger b)
    {
        const long Exact = 1L << 53;
        if (BigInteger.Abs(a) <= Exact && BigInteger.Abs(b) <= Exact) return (double)a / (double)b;
        // Scale to a quotient of at least 66 bits, keep a sticky bit for the remainder, and let the conversion round once.
        int shift = (int)Math.Max(0, 66 - (BigInteger.Abs(a).GetBitLength() - BigInteger.Abs(b).GetBitLength()));
        BigInteger scaled = BigInteger.DivRem(BigInteger.Abs(a) << shift, BigInteger.Abs(b), out BigInteger remainder);
        if (!remainder.IsZero) scaled |= BigInteger.One;
        double value = Math.ScaleB(Nearest(scaled, out int exponent), exponent - shift);
        if (double.IsInfinity(value)) throw new TemplateFault("the quotient is too large for a float");
        return a.Sign * b.Sign < 0 ? -value : value;
    }

    /// <summary>The 53 leading bits, rounded half to even, and the power of two to scale them with.</summary>
    private static double Nearest(BigInteger value, out int exponent)
    {
        exponent = (int)Math.Max(0, value.GetBitLength() - 53);
        BigInteger leading = value >> exponent, rest = value - (leading << exponent);
        int half = exponent == 0 ? -1 : (rest << 1).CompareTo(BigInteger.One << exponent);
        if (half > 0 || (half == 0 && !leading.IsEven)) leading++;
        return (double)leading;
    }

    private static BigInteger FloorQuotient(BigInteger a, BigInteger b)
    {
        BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger remainder);
        return !remainder.IsZero && remainder.Sign != b.Sign ? quotient - 1 : quotient;
    }

    private static TemplateValue Power(BigInteger a, BigInteger b, RenderContext context)
    {
        if (b.Sign < 0) return new FloatValue(Floats(BinaryOperator.Power, (double)a, (double)b));
        if (a.IsZero || a.IsOne || a == BigInteger.MinusOne) return new IntValue(b.IsZero || (!a.IsZero && b.IsEven) ? BigInteger.One : a);
        BigInteger bits = (BigInteger.Abs(a).GetBitLength() - 1) * b;
        if (bits > context.Limits.IntegerBits) throw new TemplateFault($"** makes an integer of more than the {context.Limits.IntegerBits} bits allowed");
        return Integer(BigInteger.Pow(a, (int)b), context);
    }

    private static double Floats(BinaryOperator kind, double x, double y)
    {
        if (y == 0 && IsDivision(kind)) throw new TemplateFault("division by zero");
        return kind switch
        {
            BinaryOperator.Add => x + y,
            BinaryOperator.Subtract => x - y,
            BinaryOperator.Multiply => x * y,
            BinaryOperator.Divide => x / y,
            BinaryOperator.FloorDivide => DivMod(x, y).Quotient,
            BinaryOperator.Modulo => DivMod(x, y).Remainder,
            _ => FloatPower(x, y),
        };
    }

    /// <summary>Python's float divmod: the remainder has the divisor's sign, the quotient is a whole number.</summary>
    private static (double Quotient, double Remainder) DivMod(double x, double y)
    {
        double remainder = x % y;
        double quotient = (x - remainder) / y;
        if (remainder == 0) remainder = Math.CopySign(0, y);
        else if (y < 0 != remainder < 0)
        {
            remainder += y;
            quotient -= 1;
        }
        if (quotient == 0) return (Math.CopySign(0, x / y), remainder);
        double floor = Math.Floor(quotient);
        return (quotient - floor > 0.5 ? floor + 1 : floor, remainder);
    }

    private static double FloatPower(double x, double y)
    {
        if (x == 0 && y < 0) throw new TemplateFault("zero cannot be raised to a negative power");
        if (x < 0 && double.IsFinite(x) && double.IsFinite(y) && y != Math.Floor(y)) throw new TemplateFault("a negative number cannot be raised to a fractional power");
        double value = Math.Pow(x, y);
        if (double.IsInfinity(value) && double.IsFinite(x) && double.IsFinite(y)) throw new TemplateFault("the result of ** is too large for a float");
        return value;
    }

    private static TemplateValue? Add(TemplateValue left, TemplateValue right, RenderContext context)
    {
        switch (left, right)
        {
            case (StringValue a, StringValue b):
                if (a.IsMarkup || b.IsMarkup) return StringValue.Markup(Add(Html.Escape(a, context).Text, Html.Escape(b, context).Text, context));
                return new StringValue(Add(a.Text, b.Text, context));
            case (SequenceValue a, SequenceValue b) when a.GetType() == b.GetType():
                context.ChargeElements((long)a.Items.Count + b.Items.Count);
                return a.With([.. a.Items, .. b.Items]);
            default:
                return null;
        }
    }

    private static string Add(string a, string b, RenderContext context)
    {
        context.ChargeText((long)a.Length + b.Length);
        return a + b;
    }

    private static TemplateValue? Repeat(TemplateValue left, TemplateValue right, RenderContext context)
    {
        if (left.Integer is not null) (left, right) = (right, left);
        if (right.Integer is not { } times || left is not (StringValue or SequenceValue)) return null;
        if (times.Sign < 0) times = 0;
        long length = left is StringValue text ? text.Text.Length : left.Length!.Value;
        // Refused before the product is made; the clamp only keeps it in a long.
        long total = length * (long)BigInteger.Min(times, int.MaxValue);
        if (left is StringValue repeated)
        {
            context.ChargeText(total);
            return repeated.With(total == 0 ? "" : string.Concat(Enumerable.Repeat(repeated.Text, (int)times)));
        }
        context.ChargeElements(total);
        SequenceValue sequence = (SequenceValue)left;
        return sequence.With(total == 0 ? [] : [.. Enumerable.Repeat(sequence.Items, (int)times).SelectMany(items => items)]);
    }

    public static TemplateValue Sign(TemplateValue value, bool isNegative) => value switch
    {
        { Integer: { } integer } => new IntValue(isNegative ? -integer : integer),
        FloatValue real => new FloatValue(isNegative ? -real.Value : real.Value),
        UndefinedValue undefined => throw undefined.Fault(),
        _ => throw new TemplateFault($"a value of type {value.TypeName} has no sign"),
    };
}
