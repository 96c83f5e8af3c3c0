using System.Collections;
using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>
/// Pairs of adjacent characters that some merge joins. No merge can ever cross any other pair, so a text may be cut there
/// and its parts merged on their own, with the same result. In Gemma's vocabulary that cuts before nearly every space and
/// around every newline, though to the tokenizer a whole text is one word.
/// </summary>
internal sealed class Boundaries(int capacity)
{
    private const int Ascii = 128;
    private readonly BitArray ascii = new(Ascii * Ascii);
    private readonly HashSet<ulong> others = new(capacity / 8);

    /// <summary>Some merge joins a text that ends in one character with a text that begins with the other.</summary>
    private void Join(int last, int first)
    {
        if (last < Ascii && first < Ascii) ascii[last * Ascii + first] = true;
        else others.Add(Key(last, first));
    }

    /// <inheritdoc cref="Join(int, int)"/>
    public void Join(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Rune.DecodeLastFromUtf8(left, out Rune last, out _);
        Rune.DecodeFromUtf8(right, out Rune first, out _);
        Join(last.Value, first.Value);
    }

    public bool CanCut(int before, int after) => before < Ascii && after < Ascii
        ? !ascii[before * Ascii + after]
        : !others.Contains(Key(before, after));

    // A ulong's hash is its halves' exclusive or: 0 for every doubled character. Multiplied by an odd number, pairs stay distinct.
    internal static ulong Key(int last, int first) => (((ulong)last << 32) | (uint)first) * 0x9E3779B97F4A7C15;
}
