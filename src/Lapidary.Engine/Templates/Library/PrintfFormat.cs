using System.Globalization;
using System.Numerics;
using System.Text;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Python's "text" % values.</summary>
internal sealed class PrintfFormat
{
    private readonly string _format;
    private readonly bool _escape;
    private readonly TemplateValue _values;
    private readonly RenderContext _context;
    private int _position;
    private int _taken;

    private PrintfFormat(StringValue format, TemplateValue values, RenderContext context)
        => (_format, _escape, _values, _context) = (format.Text, format.IsMarkup, values, context);

    public static StringValue Format(StringValue format, TemplateValue values, RenderContext context)
        => format.With(new PrintfFormat(format, values, context).Expand());

    private readonly record struct Conversion(bool Left, bool Plus, bool Space, bool Zero, bool Alternate, int Width, int? Precision, char Type);

    private string Expand()
    {
        OutputBuffer text = new(_context);
        for (; _position < _format.Length; _position++)
        {
            int place = _format.IndexOf('%', _position);
            text.Append(place < 0 ? _format[_position..] : _format[_position..place]);
            if (place < 0) break;
            _position = place + 1;
            text.Append(Field());
        }
        int given = _values is TupleValue tuple ? tuple.Items.Count : 1;
        // A single dict or list may stay unused: it could have been a mapping.
        if (_taken < given && _values is TupleValue or StringValue or NoneValue or IntValue or FloatValue or BoolValue or UndefinedValue && _taken < given)
            throw new TemplateFault("a % format has more values than places");
        return text.ToString();
    }

    private string Field()
    {
        TemplateValue? named = Named();
        Conversion conversion = ReadConversion();
        if (conversion.Type == '%') return "%";
        TemplateValue value = named ?? Next();
        if (conversion.Width > _context.Limits.TextCharacters) _context.ChargeText(conversion.Width);
        return conversion.Type switch
        {
            's' => Padded("", Cut(PythonText.Str(value, _context), conversion.Precision, value), conversion with { Zero = false }),
            'r' => Padded("", Cut(PythonText.Repr(value, _context), conversion.Precision, value), conversion with { Zero = false }),
            'a' => Padded("", Cut(AsciiRepr(value, _context), conversion.Precision, value), conversion with { Zero = false }),
            'c' => Padded("", Character(value), conversion with { Zero = false }),
            'd' or 'i' or 'u' or 'x' or 'X' or 'o' => Integer(value, conversion),
            'e' or 'E' or 'f' or 'F' or 'g' or 'G' => Float(value, conversion),
            var other => throw new TemplateFault($"\"%{other}\" is not a place of a % format"),
        };
    }

    private TemplateValue? Named()
    {
        if (_position >= _format.Length || _format[_position] != '(') return null;
        int open = 1, start = ++_position;
        for (; _position < _format.Length; _position++)
        {
            open += _format[_position] switch { '(' => 1, ')' => -1, _ => 0 };
            if (open == 0) break;
        }
        if (_position >= _format.Length) throw new TemplateFault("a % format has a \"(\" without its \")\"");
        string name = _format[start.._position++];
        if (_values is not DictValue dict) throw new TemplateFault("a % format with names needs a dict");
        _taken = int.MaxValue;
        return dict.Find(name) ?? throw new TemplateFault($"a % format names \"{name}\", which was not given");
    }

    private TemplateValue Next()
    {
        if (_values is not TupleValue tuple) return _taken++ == 0 ? _values : throw Missing();
        return _taken < tuple.Items.Count ? tuple.Items[_taken++] : throw Missing();
    }

    private static TemplateFault Missing() => new("a % format has more places than values");

    private Conversion ReadConversion()
    {
        bool left = false, plus = false, space = false, zero = false, alternate = false;
        for (; _position < _format.Length; _position++)
        {
            char c = _format[_position];
            if (c == '-') left = true;
            else if (c == '+') plus = true;
            else if (c == ' ') space = true;
            else if (c == '0') zero = true;
            else if (c == '#') alternate = true;
            else break;
        }
        int width = Number() ?? 0;
        if (width < 0) (left, width) = (true, -width);
        int? precision = null;
        if (_position < _format.Length && _format[_position] == '.')
        {
            _position++;
            precision = Math.Max(0, Number() ?? 0);
            if (precision > FormatSpec.MaxPrecision) throw new TemplateFault($"a precision of {precision} is more than {FormatSpec.MaxPrecision}");
        }
        if (_position < _format.Length && _format[_position] is 'h' or 'l' or 'L') _position++;
        if (_position >= _format.Length) throw new TemplateFault("a % format ends in the middle of a place");
        return new Conversion(left, plus, space, zero, alternate, width, precision, _format[_position]);
    }

    private int? Number()
    {
        if (_position < _format.Length && _format[_position] == '*')
        {
            _position++;
            return Next().Integer is { } given ? (int)BigInteger.Clamp(given, -int.MaxValue, int.MaxValue) : throw new TemplateFault("\"*\" in a % format needs an integer");
        }
        int start = _position;
        while (_position < _format.Length && char.IsAsciiDigit(_format[_position])) _position++;
        if (start == _position) return null;
        return int.TryParse(_format.AsSpan(start, _position - start), NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value : throw new TemplateFault("a number in a % format is too large");
    }

    private string Cut(string text, int? precision, TemplateValue value)
    {
        if (_escape && value is not StringValue { IsMarkup: true }) text = Html.Escape(text, _context);
        StringValue whole = new(text);
        return precision < whole.Length ? whole.Substring(0, precision.Value) : text;
    }

    private static string Character(TemplateValue value) => value switch
    {
        StringValue { Length: 1 } text => text.Text,
        { Integer: { } code } when code >= 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) => char.ConvertFromUtf32((int)code),
        _ => throw new TemplateFault("%c needs a single character or its code"),
    };

    private string Integer(TemplateValue value, Conversion conversion)
    {
        BigInteger integer = value switch
        {
            { Integer: { } number } => number,
            FloatValue real when conversion.Type is 'd' or 'i' or 'u' && double.IsFinite(real.Value) => new BigInteger(real.Value),
            _ => throw new TemplateFault($"%{conversion.Type} needs an integer, got {value.TypeName}"),
        };
        _context.ChargeProduct(integer.GetBitLength(), integer.GetBitLength());
        (int radix, string prefix) = conversion.Type switch { 'x' => (16, "0x"), 'X' => (16, "0X"), 'o' => (8, "0o"), _ => (10, "") };
        string digits = FormatSpec.Digits(BigInteger.Abs(integer), radix).PadLeft(conversion.Precision ?? 0, '0');
        if (conversion.Type == 'X') digits = digits.ToUpperInvariant();
        return Padded(Sign(integer.Sign < 0, conversion) + (conversion.Alternate ? prefix : ""), digits, conversion);
    }

    private string Float(TemplateValue value, Conversion conversion)
    {
        _context.Charge(FormatSpec.FloatSteps);
        if (value is UndefinedValue undefined) throw undefined.Fault();
        double real = Arithmetic.Float(value) ?? throw new TemplateFault($"%{conversion.Type} needs a number, got {value.TypeName}");
        return Padded(Sign(double.IsNegative(real), conversion), FormatSpec.FloatText(real, conversion.Type, conversion.Precision, conversion.Alternate), conversion);
    }

    private static string Sign(bool negative, Conversion conversion) => negative ? "-" : conversion.Plus ? "+" : conversion.Space ? " " : "";

    private static string Padded(string sign, string body, Conversion conversion)
    {
        int missing = conversion.Width - sign.Length - new StringValue(body).Length!.Value;
        if (missing <= 0) return sign + body;
        if (conversion.Left) return sign + body + new string(' ', missing);
        return conversion.Zero ? sign + new string('0', missing) + body : new string(' ', missing) + sign + body;
    }

    /// <summary>Python's ascii(value): repr with everything beyond ASCII escaped.</summary>
    public static string AsciiRepr(TemplateValue value, RenderContext context)
    {
        StringBuilder ascii = new();
        foreach (Rune rune in PythonText.Repr(value, context).EnumerateRunes())
        {
            if (rune.IsAscii) ascii.Append((char)rune.Value);
            else ascii.AppendFormat(CultureInfo.InvariantCulture, rune.Value <= 0xff ? "\\x{0:x2}" : rune.IsBmp ? "\\u{0:x4}" : "\\U{0:x8}", rune.Value);
        }
        return ascii.ToString();
    }
}
