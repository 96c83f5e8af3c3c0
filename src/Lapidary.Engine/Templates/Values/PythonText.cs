using System.Globalization;
using System.Text;
using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>Python's str() and repr(), and its notions of white space and of lines.</summary>
internal static class PythonText
{
    /// <summary>str(value): what {{ value }} prints.</summary>
    public static string Str(TemplateValue value, RenderContext context) => value switch
    {
        StringValue text => text.Text,
        UndefinedValue => "",
        _ => Repr(value, context),
    };

    public static string Repr(TemplateValue value, RenderContext context)
    {
        ReprWriter writer = new(context);
        writer.AppendValue(value);
        return writer.ToString();
    }

    /// <summary>A string literal as Python writes it: single quotes unless only those occur inside; unprintable characters escaped.</summary>
    public static void AppendQuoted(ReprWriter writer, string text)
    {
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        StringBuilder quoted = new(text.Length + 2);
        quoted.Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text, i)) AppendRune(quoted, char.ConvertToUtf32(text, i++));
            else AppendChar(quoted, text[i], quote);
        }
        quoted.Append(quote);
        writer.Append(quoted.ToString());
    }

    private static void AppendChar(StringBuilder quoted, char c, char quote)
    {
        if (c == quote || c == '\\') quoted.Append('\\').Append(c);
        else if (c == '\n') quoted.Append("\\n");
        else if (c == '\r') quoted.Append("\\r");
        else if (c == '\t') quoted.Append("\\t");
        else AppendRune(quoted, c);
    }

    private static void AppendRune(StringBuilder quoted, int codePoint)
    {
        if (codePoint is >= ' ' and < 0x7f || (codePoint > 0xa0 && IsPrintable(codePoint)))
        {
            if (codePoint > 0xffff) quoted.Append(char.ConvertFromUtf32(codePoint));
            else quoted.Append((char)codePoint);
            return;
        }
        string format = codePoint switch { <= 0xff => "\\x{0:x2}", <= 0xffff => "\\u{0:x4}", _ => "\\U{0:x8}" };
        quoted.AppendFormat(CultureInfo.InvariantCulture, format, codePoint);
    }

    /// <summary>str.isprintable for one code point: no control, format, surrogate, private, unassigned or separator, but the space is.</summary>
    public static bool IsPrintable(int codePoint) => codePoint == ' ' || CharUnicodeInfo.GetUnicodeCategory(codePoint) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    /// <summary>str.isspace for one character; unlike .NET it counts the separators U+001C to U+001F.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    public static string TrimStart(string text)
    {
        int start = 0;
        while (start < text.Length && IsSpace(text[start])) start++;
        return text[start..];
    }

    public static string TrimEnd(string text)
    {
        int end = text.Length;
        while (end > 0 && IsSpace(text[end - 1])) end--;
        return text[..end];
    }

    public static string Trim(string text) => TrimStart(TrimEnd(text));

    /// <summary>str.splitlines; a last line without its end counts, an empty one does not.</summary>
    public static List<string> Lines(string text, bool keepEnds = false)
    {
        List<string> lines = [];
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (!IsLineEnd(text[i])) continue;
            int end = i;
            if (text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n') i++;
            lines.Add(text[start..(keepEnds ? i + 1 : end)]);
            start = i + 1;
        }
        if (start < text.Length) lines.Add(text[start..]);
        return lines;
    }

    private static bool IsLineEnd(char c) => c is '\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029';
}
