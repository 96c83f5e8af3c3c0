using System.Globalization;
using System.Text;

namespace Lapidary;

/// <summary>Text from files made safe to show in a one-line message.</summary>
public static class MessageText
{
    private const int Longest = 120, LongestLine = 1000;

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
            if (text[used] is '"' or '\\') shown.Append('\\');
            used += AppendVisible(shown, text[used..]);
        }
        return shown.Append('"').ToString();
    }

    /// <summary>A whole message, which may hold parts of a file: line ends as spaces, other such characters as in <see cref="Quote"/>, cut after 1,000.</summary>
    public static string OneLine(string text)
    {
        ReadOnlySpan<char> line = text.ReplaceLineEndings(" ");
        StringBuilder shown = new();
        int used = 0;
        while (used < line.Length && used < LongestLine) used += AppendVisible(shown, line[used..]);
        return used < line.Length ? shown.Append(CultureInfo.InvariantCulture, $"… ({line.Length} characters)").ToString() : shown.ToString();
    }

    /// <summary>Appends the first character, or its escape; returns how many UTF-16 units it has.</summary>
    private static int AppendVisible(StringBuilder shown, ReadOnlySpan<char> text)
    {
        bool paired = Rune.DecodeFromUtf16(text, out Rune rune, out int width) == System.Buffers.OperationStatus.Done;
        if (!paired || IsInvisible(rune))
            foreach (char unit in text[..width]) shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
        else
            shown.Append(text[..width]);
        return width;
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
