using System.Text;
using System.Text.Json;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Tokenizers;

/// <summary>The work of encoding grows with the text's length, not with its square: counted, not timed.</summary>
public sealed class LongTextTests
{
    private static readonly string[] Units = ["a", " ", "\n", "ab", "\u4e00", "\U0001F642"];

    private static readonly Tokenizer[] Tokenizers =
        [Tokenizer.Load(Goldens.TinyModel), new(TokenizerFile.Parse(Encoding.UTF8.GetBytes(Doubling()), "doubling"))];

    public static TheoryData<string> Runs => [.. Units];

    [Theory, MemberData(nameof(Runs))]
    public void Four_times_the_text_takes_four_times_the_memory(string unit)
    {
        foreach (Tokenizer tokenizer in Tokenizers)
        {
            long quarter = Allocated(tokenizer, Repeated(unit, (1 << 18) / unit.Length)), whole = Allocated(tokenizer, Repeated(unit, (1 << 20) / unit.Length));
            Assert.InRange((double)whole / quarter, 1, 6); // 16 when quadratic
        }
    }

    /// <summary>Merges runs to 2, 4, 8 … of a symbol: the longest queue of merges there can be.</summary>
    [Theory]
    [InlineData(1 << 10)]
    [InlineData(1 << 18)]
    public void A_long_word_takes_three_steps_a_symbol_at_most(int length)
    {
        MergeTable merges = new(17);
        for (int power = 0; power < 17; power++) merges.Set(power, power, power, power + 1);
        var symbols = new int[length];
        int left = BpeMerge.Heap(merges, symbols, out long steps);
        Assert.All(symbols[..left], symbol => Assert.Equal(Math.Min(17, (int)Math.Log2(length)), symbol));
        Assert.InRange(steps, length - left, 3 * length); // every merge is one step at least
    }

    /// <summary>A pair is found at once, also among pairs of equal or neighbouring ids, which are what runs make.</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(-1, 1)]
    [InlineData(1, 256)]
    public void Pairs_of_similar_ids_do_not_crowd_the_merge_table(int difference, int stride)
    {
        const int Pairs = 100_000;
        MergeTable merges = new(Pairs);
        for (int i = 1; i <= Pairs; i++) merges.Set(stride * i, stride * i + difference, i, i);
        Assert.InRange(merges.Probes(), Pairs, 2 * Pairs);
    }

    [Fact]
    public void Doubled_characters_have_hashes_of_their_own()
    {
        HashSet<int> hashes = [.. Enumerable.Range(0, 0x3000).Select(c => Boundaries.Key(c, c).GetHashCode())];
        Assert.InRange(hashes.Count, 0x2FF0, 0x3000);
    }

    /// <summary>Every other character is a delimiter that joins its neighbour.</summary>
    [Theory]
    [InlineData(nameof(SplitBehavior.MergedWithPrevious), 1 << 17)]
    [InlineData(nameof(SplitBehavior.MergedWithNext), (1 << 17) + 1)]
    [InlineData(nameof(SplitBehavior.Contiguous), 1 << 18)]
    public void A_text_of_many_delimiters_is_cut_in_one_pass(string behavior, int parts)
    {
        string text = Repeated("a-", 1 << 17);
        List<string> words = [];
        Pieces.Add(text, Pieces.Occurrences(text, "-"), Enum.Parse<SplitBehavior>(behavior), invert: false, words);
        Assert.Equal(parts, words.Count);
        Assert.Equal(text, string.Concat(words));
    }

    private static string Repeated(string unit, int count) => string.Concat(Enumerable.Repeat(unit, count));

    private static long Allocated(Tokenizer tokenizer, string text)
    {
        tokenizer.Encode(text); // what only the first call costs
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.NotEmpty(tokenizer.Encode(text));
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>Merges runs of any unit to 2, 4, 8 … of it: no run can be cut, and every step merges.</summary>
    private static string Doubling()
    {
        List<string> vocab = ["b"];
        List<string[]> merges = [["a", "b"]];
        foreach (string unit in Units)
            for (int power = 0; power < 12; power++)
            {
                string text = Repeated(unit, 1 << power);
                vocab.Add(text);
                if (power < 11) merges.Add([text, text]);
            }
        var ids = vocab.Select((token, id) => (token, id)).ToDictionary(p => p.token, p => p.id);
        return $"{{\"model\":{{\"vocab\":{JsonSerializer.Serialize(ids)},\"merges\":{JsonSerializer.Serialize(merges)}}}}}";
    }
}
