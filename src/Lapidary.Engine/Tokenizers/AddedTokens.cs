using System.Buffers;
using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>A token that is found in the text before the model sees it.</summary>
internal sealed record AddedToken(int Id, string Content, bool Special, bool SingleWord, bool LeftStrip, bool RightStrip, bool Normalized);

/// <summary>Finds added tokens: the leftmost one, the longest of those that begin there.</summary>
internal sealed class AddedTokens
{
    private readonly Dictionary<string, AddedToken> byText = new(StringComparer.Ordinal);
    private readonly Dictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> bySpan;
    private readonly Dictionary<char, int[]> lengths; // of the tokens that begin so, longest first: thousands begin with '<'
    private readonly SearchValues<char> firstChars;

    /// <param name="pattern">The text that stands for a token: its content, or its normalised content.</param>
    public AddedTokens(IEnumerable<AddedToken> tokens, Func<AddedToken, string> pattern)
    {
        foreach (AddedToken token in tokens)
            if (pattern(token) is { Length: > 0 } text) byText.TryAdd(text, token with { Content = text });
        bySpan = byText.GetAlternateLookup<ReadOnlySpan<char>>();
        lengths = byText.Keys.GroupBy(text => text[0], text => text.Length)
            .ToDictionary(group => group.Key, group => group.Distinct().OrderDescending().ToArray());
        firstChars = SearchValues.Create([.. lengths.Keys]);
    }

    public bool Any => byText.Count > 0;

    /// <summary>Cuts the text into stretches without added tokens (Token null) and added tokens, in order.</summary>
    public IEnumerable<(string Text, AddedToken? Token)> Split(string text)
    {
        int start = 0, position = 0;
        while (true)
        {
            int next = text.AsSpan(position).IndexOfAny(firstChars);
            if (next < 0) break;
            position += next;
            if (Match(text, position) is not { } token)
            {
                position++;
                continue;
            }
            int from = position, to = position + token.Content.Length;
            position = to;
            if (token.SingleWord && (IsWordBefore(text, from) || IsWordAfter(text, to))) continue;
            if (token.LeftStrip)
                while (from > start && char.IsWhiteSpace(text[from - 1])) from--;
            if (token.RightStrip)
                while (to < text.Length && char.IsWhiteSpace(text[to])) to++;
            if (from > start) yield return (text[start..from], null);
            yield return (token.Content, token);
            start = position = to;
        }
        if (start < text.Length) yield return (start == 0 ? text : text[start..], null);
    }

    private AddedToken? Match(string text, int position)
    {
        foreach (int length in lengths[text[position]])
            if (position + length <= text.Length && bySpan.TryGetValue(text.AsSpan(position, length), out AddedToken? token)) return token;
        return null;
    }

    private static bool IsWordBefore(string text, int index)
        => Rune.DecodeLastFromUtf16(text.AsSpan(0, index), out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool IsWordAfter(string text, int index)
        => Rune.DecodeFromUtf16(text.AsSpan(index), out Rune rune, out _) == OperationStatus.Done && IsWord(rune);

    /// <summary>\w of Rust's expressions: letters, marks, digits, connectors and the two joiners.</summary>
    private static bool IsWord(Rune rune) => Rune.IsLetterOrDigit(rune) || rune.Value is '_' or 0x200C or 0x200D
        || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark
            or System.Globalization.UnicodeCategory.SpacingCombiningMark or System.Globalization.UnicodeCategory.EnclosingMark
            or System.Globalization.UnicodeCategory.LetterNumber or System.Globalization.UnicodeCategory.ConnectorPunctuation;
}
