using System.Buffers;
using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>Byte-pair encoding with byte fallback, as HuggingFace's tokenizers computes it.</summary>
internal sealed class BpeModel
{
    private const int CacheSize = 1 << 14, CachedLength = 24;

    private readonly Vocabulary vocabulary;
    private readonly MergeTable merges;
    private readonly Boundaries? boundaries; // null: never cut
    private readonly BpeOptions options;
    private readonly int[] byteIds; // -1 where the vocabulary lacks one
    private readonly Dictionary<int, byte> byteOfId = [];
    private readonly CachedWord?[] cache = new CachedWord?[CacheSize]; // overwritten at will; an entry is written at once

    public BpeModel(Vocabulary vocabulary, MergeTable merges, Boundaries boundaries, BpeOptions options)
    {
        this.vocabulary = vocabulary;
        this.merges = merges;
        this.options = options;
        byteIds = options.ByteFallback ? [.. Enumerable.Range(0, 256).Select(b => vocabulary.Find($"<0x{b:X2}>"))] : [];
        for (int b = 0; b < byteIds.Length; b++)
            if (byteIds[b] >= 0) byteOfId[byteIds[b]] = (byte)b;
        // Unknown characters side by side become one token; a cut between them would keep them apart.
        bool neverUnknown = byteIds.Length == 256 && Array.TrueForAll(byteIds, id => id >= 0);
        this.boundaries = (neverUnknown || !options.FuseUnknown) && !options.IgnoreMerges && !options.HasAffixes ? boundaries : null;
    }

    public Vocabulary Vocabulary => vocabulary;

    /// <summary>Whether the id is a byte of byte fallback, and which.</summary>
    public bool IsByte(int id, out byte value) => byteOfId.TryGetValue(id, out value);

    /// <summary>Appends the ids of one pre-tokenised word.</summary>
    public void Encode(ReadOnlySpan<char> word, List<int> output)
    {
        if (boundaries is null)
        {
            EncodePart(word, output);
            return;
        }
        int start = 0, before = -1;
        for (int i = 0; i < word.Length;)
        {
            Rune.DecodeFromUtf16(word[i..], out Rune rune, out int consumed);
            if (before >= 0 && boundaries.CanCut(before, rune.Value))
            {
                EncodePart(word[start..i], output);
                start = i;
            }
            before = rune.Value;
            i += consumed;
        }
        EncodePart(word[start..], output);
    }

    private sealed record CachedWord(string Word, int[] Ids);

    private void EncodePart(ReadOnlySpan<char> part, List<int> output)
    {
        if (part.IsEmpty) return;
        if (part.Length > CachedLength)
        {
            Merge(part, output);
            return;
        }
        int slot = (int)((uint)string.GetHashCode(part) % CacheSize);
        if (cache[slot] is { } entry && part.SequenceEqual(entry.Word))
        {
            output.AddRange(entry.Ids);
            return;
        }
        int from = output.Count;
        Merge(part, output);
        cache[slot] = new CachedWord(part.ToString(), [.. output[from..]]);
    }

    private void Merge(ReadOnlySpan<char> part, List<int> output)
    {
        if (options.IgnoreMerges && FindText(part) is >= 0 and var whole)
        {
            output.Add(whole);
            return;
        }
        int[] rented = ArrayPool<int>.Shared.Rent(4 * part.Length + 4);
        try
        {
            int count = Symbols(part, rented);
            count = BpeMerge.Run(merges, rented.AsSpan(0, count));
            for (int i = 0; i < count; i++) output.Add(rented[i]);
        }
        finally
        {
            ArrayPool<int>.Shared.Return(rented);
        }
    }

    /// <summary>One id per character, or one per byte of a character the vocabulary lacks.</summary>
    private int Symbols(ReadOnlySpan<char> part, Span<int> symbols)
    {
        Span<byte> utf8 = stackalloc byte[4];
        int count = 0;
        bool lastUnknown = false;
        for (int i = 0; i < part.Length;)
        {
            Rune.DecodeFromUtf16(part[i..], out Rune rune, out int consumed);
            ReadOnlySpan<byte> bytes = utf8[..rune.EncodeToUtf8(utf8)];
            int id = options.HasAffixes ? FindAffixed(part, i, consumed) : vocabulary.Find(bytes);
            i += consumed;
            if (id >= 0)
            {
                symbols[count++] = id;
                lastUnknown = false;
            }
            else if (AllBytesKnown(bytes))
            {
                foreach (byte b in bytes) symbols[count++] = byteIds[b];
                lastUnknown = false;
            }
            else if (options.UnknownId is { } unknown && !(options.FuseUnknown && lastUnknown))
            {
                symbols[count++] = unknown;
                lastUnknown = true;
            }
        }
        return count;
    }

    private bool AllBytesKnown(ReadOnlySpan<byte> bytes)
    {
        if (byteIds.Length == 0) return false;
        foreach (byte b in bytes)
            if (byteIds[b] < 0) return false;
        return true;
    }

    /// <summary>The character with the prefix of all but the first and the suffix of the last.</summary>
    private int FindAffixed(ReadOnlySpan<char> part, int index, int length)
    {
        string text = part.Slice(index, length).ToString();
        if (index > 0) text = options.ContinuingSubwordPrefix + text;
        if (index + length == part.Length) text += options.EndOfWordSuffix;
        return vocabulary.Find(text);
    }

    private int FindText(ReadOnlySpan<char> text)
    {
        Span<byte> utf8 = text.Length <= 64 ? stackalloc byte[256] : new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        return vocabulary.Find(utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }
}

/// <summary>Settings of a BPE model in tokenizer.json.</summary>
internal sealed record BpeOptions(
    int? UnknownId, bool ByteFallback, bool FuseUnknown, bool IgnoreMerges, string ContinuingSubwordPrefix, string EndOfWordSuffix)
{
    public bool HasAffixes => ContinuingSubwordPrefix.Length > 0 || EndOfWordSuffix.Length > 0;
}
