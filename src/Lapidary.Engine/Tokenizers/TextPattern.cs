using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Lapidary.Tokenizers;

/// <summary>
/// A regular expression as tokenizers use them (Oniguruma over code points) on .NET's engine, which sees UTF-16 units.
/// Characters beyond U+FFFF are shown to it as one stand-in of the same general category.
/// </summary>
internal sealed class TextPattern
{
    // A pattern of a hostile file must not run for ever; a real one on a long text takes far less.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    // What Oniguruma takes for a word character: letters, marks, decimal and letter numbers, connectors, circled letters,
    // and Latin-1's superscripts and fractions (found by trying every character).
    private const string Word = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9\u00B2\u00B3\u00B9\u00BC-\u00BE";

    // One character of each general category, in the order of UnicodeCategory.
    private const string StandIns =
        "\uA722\uA723\u1F88\uA717\uA000\u1AB0\u0F3E\uA670\uA620\uA6E6\uA830\u3000\u2028\u2029\u0001\u2061\uD800\uE000\uFE33\uFE31\uFE35\uFE36\u2E02\u2E03\uA60D\u2A00\uA838\uA700\uA490\u0378";

    private const int LongestPattern = 10_000;   // real ones have a few hundred characters
    private readonly Regex regex;

    /// <exception cref="ArgumentException">The pattern is not supported.</exception>
    public TextPattern(string pattern)
    {
        if (pattern.Length > LongestPattern) throw new ArgumentException($"it has {pattern.Length} characters, more than {LongestPattern}");
        regex = new Regex(Translate(pattern), RegexOptions.CultureInvariant, Timeout);
    }

    public IEnumerable<(int Start, int Length)> Matches(string text)
    {
        try
        {
            return text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? Plain(text) : WithStandIns(text);
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new TokenizerException($"the tokenizer's pattern {regex} took more than {Timeout.TotalSeconds:0} s on a text of {text.Length} characters", exception);
        }
    }

    private List<(int, int)> Plain(string text)
    {
        List<(int, int)> ranges = [];
        foreach (ValueMatch match in regex.EnumerateMatches(text)) ranges.Add((match.Index, match.Length));
        return ranges;
    }

    private List<(int, int)> WithStandIns(string text)
    {
        StringBuilder shown = new(text.Length);
        List<int> starts = new(text.Length + 1);
        int position = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            shown.Append(rune.IsBmp ? (char)rune.Value : StandIns[(int)CharUnicodeInfo.GetUnicodeCategory(rune.Value)]);
            starts.Add(position);
            position += rune.Utf16SequenceLength;
        }
        starts.Add(position);
        return [.. Plain(shown.ToString()).Select(m => (starts[m.Item1], starts[m.Item1 + m.Item2] - starts[m.Item1]))];
    }

    /// <summary>\w in Oniguruma's sense, and possessive quantifiers as atomic groups.</summary>
    private static string Translate(string pattern)
    {
        StringBuilder result = new(pattern.Length);
        bool inClass = false;
        for (int i = 0; i < pattern.Length; i++)
        {
            char c = pattern[i];
            if (c == '\\' && i + 1 < pattern.Length)
            {
                char escaped = pattern[++i];
                result.Append(escaped switch
                {
                    'w' => inClass ? Word : $"[{Word}]",
                    'W' when !inClass => $"[^{Word}]",
                    _ => $"\\{escaped}",
                });
                continue;
            }
            if (c == '[' && !inClass) inClass = true;
            else if (c == ']' && inClass) inClass = false;
            result.Append(c);
        }
        return Regex.Replace(
            result.ToString(), @"((?:\[(?:\\.|[^\]\\])*\]|\\p\{\w+\}|\\.|[^\\()\[\]*+?{}])(?:[*+?]|\{\d+(?:,\d*)?\}))\+", "(?>$1)");
    }
}
