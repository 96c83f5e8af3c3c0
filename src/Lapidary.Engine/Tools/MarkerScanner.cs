using System.Text;

namespace Lapidary.Tools;

/// <summary>What becomes of a control token that was seen by its id.</summary>
internal enum Sighting
{
    Marker,
    Hidden,
}

/// <summary>
/// Finds markers in text that comes in pieces. A marker that is one token of the tokenizer counts only after its id was seen,
/// so that a model may write about its own format; its text may come later than its id.
/// </summary>
internal sealed class MarkerScanner(OutputGrammar grammar)
{
    private readonly List<(string Text, Sighting Kind)> expected = [];
    private readonly StringBuilder held = new(); // the beginning of what may become a marker
    private char high;                           // the first half of a surrogate pair; a half alone becomes U+FFFD

    public void Expect(string text, Sighting kind)
    {
        if (text.Length > 0) expected.Add((text, kind));
    }

    /// <param name="inText">Markers that count wherever they are written.</param>
    public void Take(ReadOnlySpan<char> text, IReadOnlyList<string> inText)
    {
        foreach (char c in text)
        {
            if (high != 0)
            {
                bool isPair = char.IsLowSurrogate(c);
                TakeWhole(isPair ? high : '\uFFFD', inText);
                high = '\0';
                if (isPair)
                {
                    TakeWhole(c, inText);
                    continue;
                }
            }
            if (char.IsHighSurrogate(c)) high = c;
            else TakeWhole(char.IsLowSurrogate(c) ? '\uFFFD' : c, inText);
        }
    }

    public void Finish()
    {
        if (high != 0) TakeWhole('\uFFFD', []);
        Release(held.Length);
    }

    private void TakeWhole(char c, IReadOnlyList<string> inText)
    {
        if (held.Length == 0 && !MayBegin(c, inText))
        {
            grammar.Take(c);
            return;
        }
        held.Append(c);
        while (held.Length > 0 && !Match(inText)) Release(1);
    }

    private bool MayBegin(char c, IReadOnlyList<string> inText)
    {
        foreach ((string text, _) in expected)
            if (text[0] == c) return true;
        for (int i = 0; i < inText.Count; i++)
            if (inText[i][0] == c) return true;
        return false;
    }

    /// <summary>Whether the held text is a marker, which is then taken, or the beginning of one.</summary>
    private bool Match(IReadOnlyList<string> inText)
    {
        string text = held.ToString();
        for (int i = 0; i < expected.Count; i++)
        {
            if (expected[i].Text != text) continue;
            Sighting kind = expected[i].Kind;
            expected.RemoveRange(0, i + 1);
            held.Clear();
            if (kind == Sighting.Marker) grammar.TakeMarker(text);
            return true;
        }
        if (inText.Contains(text))
        {
            held.Clear();
            grammar.TakeMarker(text);
            return true;
        }
        return expected.Any(e => e.Text.StartsWith(text, StringComparison.Ordinal)) || inText.Any(m => m.StartsWith(text, StringComparison.Ordinal));
    }

    private void Release(int count)
    {
        for (int i = 0; i < count; i++) grammar.Take(held[i]);
        held.Remove(0, count);
    }
}
