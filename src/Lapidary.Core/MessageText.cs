using System.Globalization;
using System.Text;

namespace Lapidary;

/// <summary>Text from files made safe to show in a one-line message.</summary>
internal static class MessageText
{
    private const int Longest = 120;

    /// <summary>
    /// The text in double quotes: control, bidi, line-separating and unpaired characters as \uXXXX, and cut after 120
    /// characters, so that a hostile name can neither forge a line of output nor fill the terminal.
    /// </summary>
    public static string Quote(ReadOnlySpan<char> text)
    {
        StringBuilder shown = new("\"");
        int used = 0;
        while (used < text.Length)
        {
            if (used >= Longest) return shown.Append(CultureInfo.InvariantCulture, $"…\" ({text.Length} characters)").ToString();
            bool paired = Rune.DecodeFromUtf16(text[used..], out Rune rune, out int width) == System.Buffers.OperationStatus.Done;
            if (!paired || IsInvisible(rune))
                foreach (char unit in text.Slice(used, width)) shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
            else if (rune.Value is '"' or '\\')
                shown.Append('\\').Append((char)rune.Value);
            else
                shown.Append(text.Slice(used, width));
            used += width;
        }
        return shown.Append('"').ToString();
    }

    /// <summary>The first few of many, sorted: "a, b, c and 7 more".</summary>
    public static string Some(IEnumerable<string> names, int count)
    {
        string[] sorted = [.. names.Order(StringComparer.Ordinal)];
        string listed = string.Join(", ", sorted.Take(count).Select(name => Quote(name)));
        return sorted.Length > count ? $"{listed} and {sorted.Length - count} more" : listed;
    }

    private static bool IsInvisible(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
