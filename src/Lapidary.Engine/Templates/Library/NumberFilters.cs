using System.Globalization;
using System.Numerics;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>int, float, abs, round, filesizeformat.</summary>
internal static class NumberFilters
{
    public static readonly Builtin[] All =
    [
        new("int", ["default?", "base?"], ToInteger),
        new("float", ["default?"], ToFloat),
        new("abs", [], Absolute),
        new("round", ["precision?", "method?"], Round),
        new("filesizeformat", ["binary?"], FileSize),
    ];

    private static TemplateValue ToInteger(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is UndefinedValue undefined) throw undefined.Fault();
        if (value.Integer is { } integer) return new IntValue(integer);
        ChargeDigits(value, context);
        if (value is StringValue text && NumberReading.Integer(text.Text, arguments.Integer(1, 10)) is { } parsed) return new IntValue(parsed);
        double? real = value switch
        {
            FloatValue number => number.Value,
            StringValue digits => NumberReading.Float(digits.Text),
            _ => null,
        };
        // int(nan) is a ValueError, which the filter catches; int(inf) is an OverflowError, which it does not.
        if (real is null or double.NaN) return arguments[0] ?? new IntValue(0);
        if (double.IsInfinity(real.Value)) throw new TemplateFault("infinity cannot be an integer");
        return new IntValue(new BigInteger(real.Value));
    }

    /// <summary>Reading digits takes time with the square of their number, of which there may be 4,300.</summary>
    private static void ChargeDigits(TemplateValue value, RenderContext context)
    {
        long length = value.AsText?.Length ?? 0, digits = Math.Min(length, IntValue.MaxDigits);
        context.Charge((length >> 4) + (digits * digits >> 10));
    }

    private static TemplateValue ToFloat(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is UndefinedValue undefined) throw undefined.Fault();
        ChargeDigits(value, context);
        double? real = value is StringValue text ? NumberReading.Float(text.Text) : Arithmetic.Float(value);
        return real is { } number ? new FloatValue(number) : arguments[0] ?? new FloatValue(0);
    }

    private static TemplateValue Absolute(RenderContext context, TemplateValue value, BoundArguments arguments) => value switch
    {
        { Integer: { } integer } => new IntValue(BigInteger.Abs(integer)),
        FloatValue real => new FloatValue(Math.Abs(real.Value)),
        _ => throw new TemplateFault($"a value of type {value.TypeName} has no absolute value"),
    };

    private static TemplateValue Round(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        string method = arguments.TextOrNull(1) ?? "common";
        int precision = arguments[0] is NoneValue ? 0 : arguments.Integer(0, 0);
        if (value is UndefinedValue undefined) throw undefined.Fault();
        if (Arithmetic.Float(value) is not { } real) throw new TemplateFault($"a value of type {value.TypeName} cannot be rounded");
        context.Charge(FormatSpec.FloatSteps);
        if (precision < 0) context.ChargeProduct(4L * Math.Min(-precision, 2 * IntValue.MaxDigits), 4L * Math.Min(-precision, 2 * IntValue.MaxDigits));
        switch (method)
        {
            case "common":
                if (arguments[0] is NoneValue) return Whole(value);
                return value.Integer is { } integer ? new IntValue(RoundInteger(integer, precision)) : new FloatValue(Finite(PythonFloat.Round(real, precision), real));
            case "ceil" or "floor":
                if (Math.Abs(precision) > 308) throw new TemplateFault($"round cannot scale by 10 ** {precision}");
                double scale = Math.Pow(10, Math.Abs(precision));
                double scaled = precision < 0 ? real / scale : real * scale;
                if (!double.IsFinite(scaled)) throw new TemplateFault("a number that is not finite cannot be rounded");
                double whole = method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled);
                return new FloatValue(precision < 0 ? whole * scale : whole / scale + 0.0);
            default:
                throw new TemplateFault($"round works by \"common\", \"ceil\" or \"floor\", not by \"{method}\"");
        }
    }

    private static IntValue Whole(TemplateValue value)
    {
        if (value.Integer is { } integer) return new IntValue(integer);
        double real = ((FloatValue)value).Value;
        return double.IsFinite(real) ? new IntValue(new BigInteger(PythonFloat.Round(real, 0))) : throw new TemplateFault("a number that is not finite cannot be an integer");
    }

    private static double Finite(double rounded, double original)
        => double.IsFinite(rounded) || !double.IsFinite(original) ? rounded : throw new TemplateFault("the rounded number is too large for a float");

    private static BigInteger RoundInteger(BigInteger value, int precision)
    {
        if (precision >= 0) return value;
        if (-precision > IntValue.MaxDigits * 2) return BigInteger.Zero;
        BigInteger unit = BigInteger.Pow(10, -precision);
        BigInteger quotient = BigInteger.DivRem(BigInteger.Abs(value), unit, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(unit);
        if (half > 0 || (half == 0 && !quotient.IsEven)) quotient++;
        return quotient * unit * value.Sign;
    }

    private static StringValue FileSize(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        ChargeDigits(value, context);
        double? size = value is StringValue text ? NumberReading.Float(text.Text) : Arithmetic.Float(value);
        if (size is not { } bytes || !double.IsFinite(bytes)) throw new TemplateFault($"filesizeformat needs a number, got {value.TypeName}");
        int unit = arguments.IsTrue(0) ? 1024 : 1000;
        if (bytes == 1) return new StringValue("1 Byte");
        if (bytes < unit) return new StringValue(((long)bytes).ToString(CultureInfo.InvariantCulture) + " Bytes");
        string[] prefixes = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
        int step = 0;
        double limit = (double)unit * unit;
        while (step < prefixes.Length - 1 && bytes >= limit) (step, limit) = (step + 1, limit * unit);
        string prefix = unit == 1024 ? prefixes[step].ToUpperInvariant() + "iB" : prefixes[step] + "B";
        return new StringValue($"{PythonFloat.Fixed(unit * bytes / limit, 1)} {prefix}");
    }
}
