using System.Globalization;
using System.Numerics;
using System.Text;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>Tokens inside {{ … }} and {% … %}: names, literals and operators.</summary>
internal sealed class TagLexer(string source, string template, List<Token> tokens)
{
    private const string TwoCharacterOperators = "// ** == != >= <=";
    private readonly Stack<char> _open = new();

    /// <summary>False inside brackets, where the tag's end marker counts as operators.</summary>
    public bool IsBalanced => _open.Count == 0;

    /// <summary>Adds the token that starts here and returns the position after it.</summary>
    public int Next(int start, int line)
    {
        char c = source[start];
        if (char.IsAsciiDigit(c)) return Number(start, line);
        if (IsNamePart(c)) return Name(start, line);
        return c is '\'' or '"' ? String(start, line) : Operator(start, line);
    }

    private int Name(int start, int line)
    {
        int end = start + 1;
        while (end < source.Length && IsNamePart(source[end])) end++;
        if (!char.IsLetter(source[start]) && source[start] != '_') throw Error(line, $"a name cannot start with '{source[start]}'");
        tokens.Add(new Token(TokenKind.Name, source[start..end], line));
        return end;
    }

    private static bool IsNamePart(char c) => c == '_' || char.IsLetterOrDigit(c)
        || (c > 0x7f && char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.LetterNumber);

    private int Number(int start, int line)
    {
        int end = Digits(start);
        bool afterDot = start > 0 && source[start - 1] == '.';
        bool isFloat = false;
        int floatEnd = end;
        if (!afterDot && DigitAt(end + 1) && source[end] == '.')
        {
            floatEnd = Digits(end + 1);
            isFloat = true;
        }
        if (!afterDot && floatEnd < source.Length && source[floatEnd] is 'e' or 'E')
        {
            int exponent = floatEnd + 1 < source.Length && source[floatEnd + 1] is '+' or '-' ? floatEnd + 2 : floatEnd + 1;
            if (DigitAt(exponent))
            {
                floatEnd = Digits(exponent);
                isFloat = true;
            }
        }
        if (!isFloat) return Integer(start, end, line);
        string text = source[start..floatEnd];
        double value = double.Parse(text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        tokens.Add(new Token(TokenKind.Float, text, line, new FloatValue(value)));
        return floatEnd;
    }

    private bool DigitAt(int position) => position < source.Length && char.IsAsciiDigit(source[position]);

    /// <summary>End of digits that single underscores may part.</summary>
    private int Digits(int position)
    {
        while (DigitAt(position) || (position < source.Length && source[position] == '_' && DigitAt(position + 1))) position++;
        return position;
    }

    private int Integer(int start, int end, int line)
    {
        BigInteger value;
        if (source[start] == '0' && start + 1 < source.Length && RadixOf(source[start + 1]) is > 0 and var radix
            && RadixDigits(start + 2, radix, out BigInteger prefixed) is > 0 and var radixEnd)
        {
            (value, end) = (prefixed, radixEnd);
        }
        else if (source[start] == '0')
        {
            // "007" is not an integer in Python: the zeros end the token and the parser refuses what follows.
            end = start + 1;
            while (end < source.Length && (source[end] == '0' || (source[end] == '_' && end + 1 < source.Length && source[end + 1] == '0'))) end++;
            value = BigInteger.Zero;
        }
        else
        {
            if (end - start > IntValue.MaxDigits) throw Error(line, $"an integer of more than {IntValue.MaxDigits} digits");
            value = BigInteger.Parse(source[start..end].Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        }
        tokens.Add(new Token(TokenKind.Integer, source[start..end], line, new IntValue(value)));
        return end;
    }

    private static int RadixOf(char c) => char.ToLowerInvariant(c) switch { 'b' => 2, 'o' => 8, 'x' => 16, _ => 0 };

    private int RadixDigits(int position, int radix, out BigInteger value)
    {
        value = BigInteger.Zero;
        int start = position;
        while (position < source.Length)
        {
            int digit = position + (source[position] == '_' ? 1 : 0);
            if (digit >= source.Length || !char.IsAsciiHexDigit(source[digit])) break;
            int number = Convert.ToInt32(source[digit].ToString(), 16);
            if (number >= radix || position - start > IntValue.MaxDigits) break;
            value = value * radix + number;
            position = digit + 1;
        }
        return position > start ? position : 0;
    }

    private int String(int start, int line)
    {
        int end = start + 1;
        while (end < source.Length && source[end] != source[start]) end += source[end] == '\\' ? 2 : 1;
        if (end >= source.Length) throw Error(line, "a string is not closed");
        string text = Unescape(source[(start + 1)..end], line);
        tokens.Add(new Token(TokenKind.String, text, line, new StringValue(text)));
        return end + 1;
    }

    /// <summary>Python's escapes; an unknown one stays as it is written.</summary>
    private string Unescape(string text, int line)
    {
        if (!text.Contains('\\', StringComparison.Ordinal)) return text;
        StringBuilder result = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\') { result.Append(text[i]); continue; }
            char c = text[++i];
            switch (c)
            {
                case '\n': break;
                case 'x': i = HexEscape(text, i, 2, result, line); break;
                case 'u': i = HexEscape(text, i, 4, result, line); break;
                case 'U': i = HexEscape(text, i, 8, result, line); break;
                case >= '0' and <= '7': i = OctalEscape(text, i, result); break;
                case 'N': throw Error(line, "\\N{…} escapes are not supported: write the character itself");
                // Jinja writes other characters as escapes first, which a backslash before them then undoes.
                case > '\x7f': result.Append('\\').Append(c <= 0xff ? "x" : "u").Append(((int)c).ToString(c <= 0xff ? "x2" : "x4", CultureInfo.InvariantCulture)); break;
                default:
                    int known = "\\'\"abfnrtv".IndexOf(c, StringComparison.Ordinal);
                    if (known >= 0) result.Append("\\'\"\a\b\f\n\r\t\v"[known]);
                    else result.Append('\\').Append(c);
                    break;
            }
        }
        return result.ToString();
    }

    private int HexEscape(string text, int at, int digits, StringBuilder result, int line)
    {
        if (at + digits >= text.Length || !uint.TryParse(text.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code))
            throw Error(line, $"\\{text[at]} needs {digits} hexadecimal digits");
        if (code > 0x10ffff) throw Error(line, $"\\U{code:x8} is beyond Unicode");
        if (code > 0xffff) result.Append(char.ConvertFromUtf32((int)code));
        else result.Append((char)code);
        return at + digits;
    }

    private static int OctalEscape(string text, int at, StringBuilder result)
    {
        int code = 0, end = at;
        for (; end < text.Length && end < at + 3 && text[end] is >= '0' and <= '7'; end++) code = code * 8 + (text[end] - '0');
        result.Append((char)code);
        return end - 1;
    }

    private int Operator(int start, int line)
    {
        string text = start + 1 < source.Length && TwoCharacterOperators.Contains(source.Substring(start, 2), StringComparison.Ordinal)
            && !char.IsWhiteSpace(source[start]) && !char.IsWhiteSpace(source[start + 1])
            ? source.Substring(start, 2) : source.Substring(start, 1);
        if (KindOf(text) is not { } kind) throw Error(line, $"unexpected character '{text}'");
        if (text is "(" or "[" or "{") _open.Push(text[0] switch { '(' => ')', '[' => ']', _ => '}' });
        else if (text is ")" or "]" or "}" && (_open.Count == 0 || _open.Pop() != text[0])) throw Error(line, $"unexpected \"{text}\"");
        tokens.Add(new Token(kind, text, line));
        return start + text.Length;
    }

    private static TokenKind? KindOf(string text) => text switch
    {
        "+" => TokenKind.Add,
        "-" => TokenKind.Subtract,
        "/" => TokenKind.Divide,
        "//" => TokenKind.FloorDivide,
        "*" => TokenKind.Multiply,
        "%" => TokenKind.Modulo,
        "**" => TokenKind.Power,
        "~" => TokenKind.Tilde,
        "[" => TokenKind.LeftBracket,
        "]" => TokenKind.RightBracket,
        "(" => TokenKind.LeftParenthesis,
        ")" => TokenKind.RightParenthesis,
        "{" => TokenKind.LeftBrace,
        "}" => TokenKind.RightBrace,
        "==" => TokenKind.Equal,
        "!=" => TokenKind.NotEqual,
        ">" => TokenKind.Greater,
        ">=" => TokenKind.GreaterOrEqual,
        "<" => TokenKind.Less,
        "<=" => TokenKind.LessOrEqual,
        "=" => TokenKind.Assign,
        "." => TokenKind.Dot,
        ":" => TokenKind.Colon,
        "|" => TokenKind.Pipe,
        "," => TokenKind.Comma,
        ";" => TokenKind.Semicolon,
        _ => null,
    };

    private TemplateException Error(int line, string message) => TemplateError.At(template, line, message);
}
