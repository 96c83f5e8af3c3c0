using System.Globalization;
using System.Numerics;
using System.Text;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Python's format specification: [[fill]align][sign][#][0][width][grouping][.precision][type].</summary>
internal sealed record FormatSpec(
    string Fill, char Align, char Sign, bool Alternate, bool Zero, int Width, char Grouping, int? Precision, char Type)
{
    /// <summary>More digits than any float has; a larger precision is refused.</summary>
    public const int MaxPrecision = 1100;

    /// <summary>What it takes to write a float exactly, in steps.</summary>
    public const int FloatSteps = 512;

    public static FormatSpec Parse(string text)
    {
        int i = 0;
        string? fill = null;
        char align = '\0', sign = '-', grouping = '\0';
        int fillLength = text.Length > 1 && char.IsSurrogatePair(text, 0) ? 2 : 1;
        if (text.Length > fillLength && text[fillLength] is '<' or '>' or '=' or '^')
        {
            fill = text[..fillLength];
            align = text[fillLength];
            i = fillLength + 1;
        }
        else if (text.Length > 0 && text[0] is '<' or '>' or '=' or '^') align = text[i++];
        if (i < text.Length && text[i] is '+' or '-' or ' ') sign = text[i++];
        bool alternate = Take(text, ref i, '#');
        bool zero = Take(text, ref i, '0');
        int width = Number(text, ref i) ?? 0;
        if (i < text.Length && text[i] is ',' or '_') grouping = text[i++];
        int? precision = null;
        if (Take(text, ref i, '.')) precision = Number(text, ref i) ?? throw new TemplateFault("a format has a \".\" without a precision");
        char type = i < text.Length ? text[i++] : '\0';
        if (i < text.Length) throw new TemplateFault($"\"{text}\" is not a format");
        return new FormatSpec(fill ?? (zero ? "0" : " "), align, sign, alternate, zero, width, grouping, precision, type);
    }

    private static bool Take(string text, ref int i, char wanted)
    {
        if (i >= text.Length || text[i] != wanted) return false;
        i++;
        return true;
    }

    private static int? Number(string text, ref int i)
    {
        int start = i;
        while (i < text.Length && char.IsAsciiDigit(text[i])) i++;
        if (i == start) return null;
        return int.TryParse(text.AsSpan(start, i - start), NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value : throw new TemplateFault("a number in a format is too large");
    }

    /// <summary>format(value, spec)</summary>
    public string Apply(TemplateValue value, RenderContext context)
    {
        context.ChargeText(Width);
        context.Charge(Type == '\0' && Precision is null ? 1 : FloatSteps);
        if (Precision > MaxPrecision && value is not StringValue) throw new TemplateFault($"a precision of {Precision} is more than {MaxPrecision}");
        return value switch
        {
            StringValue text => Text(text),
            BoolValue when Type is '\0' or 's' && this != Parse("") && Type == 's' => throw Refused(value),
            BoolValue when Type == '\0' => Aligned("", PythonText.Str(value, context), '<'),
            { Integer: { } integer } when Type is '\0' or 'd' or 'b' or 'o' or 'x' or 'X' or 'c' or 'n' => Integer(integer, context),
            { Integer: not null } or FloatValue => Float(Arithmetic.Float(value)!.Value),
            _ => throw new TemplateFault($"a value of type {value.TypeName} takes no format"),
        };
    }

    private string Text(StringValue text)
    {
        if (Type is not ('\0' or 's') || Align == '=' || Sign != '-' || Alternate || Grouping != '\0') throw Refused(text);
        string kept = Precision < text.Length ? text.Substring(0, Precision.Value) : text.Text;
        return Aligned("", kept, '<');
    }

    private static TemplateFault Refused(TemplateValue value) => new($"a value of type {value.TypeName} does not take this format");

    private string Integer(BigInteger value, RenderContext context)
    {
        context.ChargeProduct(value.GetBitLength(), value.GetBitLength());
        if (Precision is not null) throw new TemplateFault("an integer takes no precision in a format");
        if (Type == 'c') return Aligned("", value >= 0 && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff) ? char.ConvertFromUtf32((int)value) : throw new TemplateFault($"{value} is not a character"), '<');
        (int radix, string prefix) = Type switch { 'b' => (2, "0b"), 'o' => (8, "0o"), 'x' => (16, "0x"), 'X' => (16, "0X"), _ => (10, "") };
        string digits = Digits(BigInteger.Abs(value), radix);
        if (Type == 'X') digits = digits.ToUpperInvariant();
        if (Grouping == ',' && radix != 10) throw new TemplateFault("\",\" groups decimal digits only");
        return Number(value.Sign < 0, Alternate ? prefix : "", digits, "", radix == 10 ? 3 : 4);
    }

    public static string Digits(BigInteger value, int radix)
    {
        if (radix == 10) return value.ToString(CultureInfo.InvariantCulture);
        if (value.IsZero) return "0";
        int bits = BitOperations.Log2((uint)radix);
        string binary = value.ToString("b", CultureInfo.InvariantCulture).TrimStart('0');
        binary = binary.PadLeft((binary.Length + bits - 1) / bits * bits, '0');
        return string.Concat(binary.Chunk(bits).Select(digit => Convert.ToInt32(new string(digit), 2).ToString("x", CultureInfo.InvariantCulture)));
    }

    private string Float(double value)
    {
        string text = FloatText(Type == '%' ? value * 100 : value, Type, Precision, Alternate);
        int split = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        // nan and inf have no digits to group.
        if (split < 0 || !char.IsAsciiDigit(text[0])) split = text.Length;
        return Number(double.IsNegative(value), "", text[..split], text[split..] + (Type == '%' ? "%" : ""), 3);
    }

    /// <summary>|value| in the notation of a type letter.</summary>
    public static string FloatText(double value, char type, int? precision, bool alternate)
    {
        if (!double.IsFinite(value)) return PythonFloat.NotFinite(Math.Abs(value)) is var text && char.IsUpper(type) ? text.ToUpperInvariant() : text;
        string digits = type switch
        {
            'f' or 'F' or '%' => PythonFloat.Fixed(value, precision ?? 6),
            'e' or 'E' => PythonFloat.Exponential(value, precision ?? 6),
            'g' or 'G' or 'n' => PythonFloat.General(value, precision ?? 6),
            '\0' when precision is null => PythonFloat.Repr(Math.Abs(value)),
            '\0' => WithPoint(PythonFloat.General(value, precision!.Value), precision.Value),
            _ => throw new TemplateFault($"\"{type}\" is not a format for numbers"),
        };
        if (alternate && !digits.Contains('.', StringComparison.Ordinal)) digits += ".";
        return char.IsUpper(type) ? digits.ToUpperInvariant() : digits;
    }

    // Without a type letter a float keeps a digit after its point.
    private static string WithPoint(string digits, int precision)
        => digits.AsSpan().IndexOfAny('.', 'e') >= 0 || digits.Length >= precision && digits.Length > 1 && precision == digits.Length ? digits : digits + ".0";

    private string Number(bool negative, string prefix, string digits, string rest, int group)
    {
        string sign = negative ? "-" : Sign is '+' or ' ' ? Sign.ToString() : "";
        if (Grouping != '\0') digits = Grouped(digits, group, Fill == "0" && Align is '=' or '\0' ? Width - sign.Length - prefix.Length - rest.Length : 0);
        return Aligned(sign + prefix, digits + rest, Zero ? '=' : '>');
    }

    private string Grouped(string digits, int group, int width)
    {
        // Zeros that fill the width are grouped too; a separator comes before another digit, never first.
        if (width > 0) digits = digits.PadLeft(width / (group + 1) * group + Math.Max(1, width % (group + 1)), '0');
        StringBuilder grouped = new(digits.Length + digits.Length / group);
        for (int i = 0; i < digits.Length; i++)
        {
            if (i > 0 && (digits.Length - i) % group == 0) grouped.Append(Grouping);
            grouped.Append(digits[i]);
        }
        return grouped.ToString();
    }

    private string Aligned(string sign, string body, char otherwise)
    {
        int missing = Width - sign.Length - new StringValue(body).Length!.Value;
        if (missing <= 0) return sign + body;
        string Filling(int count) => Fill.Length == 1 ? new string(Fill[0], count) : string.Concat(Enumerable.Repeat(Fill, count));
        return (Align == '\0' ? otherwise : Align) switch
        {
            '<' => sign + body + Filling(missing),
            '^' => Filling(missing / 2) + sign + body + Filling(missing - missing / 2),
            '=' => sign + Filling(missing) + body,
            _ => Filling(missing) + sign + body,
        };
    }
}
