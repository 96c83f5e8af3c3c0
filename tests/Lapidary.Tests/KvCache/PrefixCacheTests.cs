using CsCheck;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Tests.KvCache;

public sealed class PrefixCacheTests
{
    private const int Context = 160, Step = 20;
    private static readonly Gemma4Config Config = Gemma4ConfigReader.Load(Goldens.Case("moe_keqv_bf16")) with { SlidingWindow = 24 };

    /// <summary>
    /// Sequences with few different beginnings start, grow and end in random order. A mirror of the cache's rows says which
    /// prefix each row was computed for; whatever a sequence finds or keeps must be its own prefix. Some steps compute more
    /// than the sequence goes on with, as rejected drafts do.
    /// </summary>
    [Fact]
    public void What_is_found_is_what_was_computed_for_the_same_prefix()
        => Gen.Select(Gen.Int[0, 5], Gen.Int[0, 3], Gen.Int[1, Step]).Array[1, 120].Sample(operations =>
        {
            using CpuKernels kernels = new(threads: 1);
            using KeyValueCache cache = new(kernels, Config, Context, CacheSize.ForSequences(Config, KeyValueType.F32, Context, Step, 3));
            Mirror mirror = new(cache);
            List<(CacheSequence Sequence, int[] Tokens)> live = [];
            foreach ((int index, int family, int count) in operations)
            {
                if (index >= live.Count)
                {
                    int[] tokens = Text(family, count);
                    CacheSequence fresh = cache.NewSequence(Context, BlockHash.Root(null, family == 3 ? "salt" : null));
                    Begin(cache, mirror, fresh, tokens.AsSpan(0, 40 + 2 * count));
                    mirror.AssertHolds(fresh, tokens);
                    live.Add((fresh, tokens));
                    continue;
                }
                (CacheSequence sequence, int[] all) = live[index];
                int room = Math.Min(sequence.Room(), count);
                if (room == 0)
                {
                    sequence.Release();
                    live.RemoveAt(index);
                    continue;
                }
                sequence.Reserve(room);
                int kept = Math.Max(1, room - 3 * family);
                mirror.Write(sequence, [.. all.Take(sequence.Length + kept), .. Enumerable.Repeat(-7, room - kept)], room);
                sequence.Advance(all.AsSpan(sequence.Length, kept));
                mirror.AssertHolds(sequence, all);
            }
            foreach ((CacheSequence sequence, _) in live) sequence.Release();
            Assert.All(cache.Groups, group => Assert.Equal(group.Pool.Blocks, group.Pool.Free));
        }, iter: 500);

    /// <summary>As the scheduler does it: what is to be copied is copied before anything is written.</summary>
    private static void Begin(KeyValueCache cache, Mirror mirror, CacheSequence sequence, ReadOnlySpan<int> tokens)
    {
        List<BlockCopy> copies = [];
        int found = sequence.Restore(tokens);
        Assert.InRange(sequence.RestoreBeginning(tokens, copies), found, Math.Min(found + 15, tokens.Length - 1));
        Assert.Equal(sequence.Length - found, copies.Select(copy => copy.Positions).DefaultIfEmpty().Max());
        Assert.All(copies, copy => Assert.NotEqual(copy.From, copy.To));
        foreach (BlockCopy copy in copies) mirror.Copy(cache, copy);
    }

    [Theory]
    // A text of 64 tokens was computed; another shares some of its first ones and then goes on with others.
    [InlineData(37, 60, 37), InlineData(32, 60, 32), InlineData(5, 60, 5), InlineData(0, 60, 0), InlineData(47, 60, 47), InlineData(63, 80, 63)]
    // Nothing else follows: the last token has to be computed.
    [InlineData(10, 10, 9), InlineData(1, 1, 0), InlineData(16, 16, 15), InlineData(17, 17, 16), InlineData(64, 64, 63)]
    public void The_beginning_of_a_block_is_found_to_be_copied(int shared, int length, int found)
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, Context, Step, sequences: 4);
        Compute(cache, Text(0, 0).AsSpan(0, 64), null);
        int[] tokens = [.. Text(0, 0).Take(shared), .. Enumerable.Range(9000, length - shared)];
        using CacheSequence sequence = cache.NewSequence();
        List<BlockCopy> copies = [];
        int full = sequence.Restore(tokens);
        Assert.Equal(found, sequence.RestoreBeginning(tokens, copies));
        Assert.Equal(found > full ? cache.Groups.Count : 0, copies.Count);
        Assert.All(copies, copy => Assert.Equal(found - full, copy.Positions));
        Assert.All(copies, copy => Assert.Equal(sequence.Table(copy.Group)[full / 16], copy.To));
    }

    [Fact]
    public void The_longest_of_several_beginnings_is_copied_and_also_one_that_still_grows()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, Context, Step, sequences: 4);
        foreach (int shared in (int[])[3, 9, 6]) Compute(cache, [.. Text(0, 0).Take(shared), 7000 + shared], null);
        using CacheSequence growing = cache.NewSequence();
        growing.Reserve(12);
        growing.Advance(Text(0, 0).AsSpan(0, 12));
        growing.Reserve(1); // the next step has begun: what it writes lies beyond what is known
        using CacheSequence sequence = cache.NewSequence();
        List<BlockCopy> copies = [];
        Assert.Equal(12, sequence.RestoreBeginning(Text(0, 0).AsSpan(0, 40), copies));
        Assert.All(copies, copy => Assert.Equal(growing.Table(copy.Group)[0], copy.From));
        growing.Release();
        using CacheSequence other = cache.NewSequence(Context, BlockHash.Root(null, "another salt"));
        Assert.Equal(0, other.RestoreBeginning(Text(0, 0).AsSpan(0, 40), copies));
    }

    [Fact]
    public void Nothing_is_copied_without_a_free_block_nor_from_one_that_is_forgotten()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, Context, new CacheSize(SlidingBlocks: 4, FullBlocks: 4, KeyValueType.F32));
        Compute(cache, Text(0, 0).AsSpan(0, 10), null);
        using CacheSequence full = cache.NewSequence();
        full.Reserve(48);
        // One block is free, and it is the one to copy from.
        List<BlockCopy> copies = [];
        using CacheSequence late = cache.NewSequence();
        Assert.Equal(0, late.RestoreBeginning(Text(0, 0).AsSpan(0, 20), copies));
        full.Release();
        Assert.Equal(10, late.RestoreBeginning(Text(0, 0).AsSpan(0, 20), copies));
        late.Advance(Text(0, 0).AsSpan(10, 1));
        late.Forget();
        late.Release();
        using CacheSequence last = cache.NewSequence();
        Assert.Equal(10, last.RestoreBeginning(Text(0, 0).AsSpan(0, 20), copies)); // not 11
        Assert.All(cache.Groups, group => Assert.Equal(3, group.Pool.Free));
    }

    /// <summary>The control of the property above.</summary>
    [Fact]
    public void A_copy_that_is_not_made_is_noticed()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, Context, Step, sequences: 2);
        Mirror mirror = new(cache);
        int[] tokens = Text(0, 0);
        using CacheSequence first = cache.NewSequence(), second = cache.NewSequence();
        first.Reserve(10);
        mirror.Write(first, tokens, 10);
        first.Advance(tokens.AsSpan(0, 10));
        Assert.Equal(10, second.RestoreBeginning(tokens.AsSpan(0, 30), []));
        Assert.ThrowsAny<Exception>(() => mirror.AssertHolds(second, tokens));
    }

    [Fact]
    public void A_prompt_is_found_up_to_its_last_full_block_and_never_whole()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, Context, Step, sequences: 4);
        int[] tokens = Text(0, 0);
        Compute(cache, tokens.AsSpan(0, 64), "a");
        Assert.Equal(48, Found(cache, tokens.AsSpan(0, 64), "a")); // the last token has to be computed for its logits
        Assert.Equal(64, Found(cache, tokens.AsSpan(0, 65), "a"));
        Assert.Equal(0, Found(cache, tokens.AsSpan(0, 16), "a"));
        Assert.Equal(16, Found(cache, [.. tokens.AsSpan(0, 20), 7, .. tokens.AsSpan(21, 60)], "a"));
        Assert.Equal(0, Found(cache, tokens.AsSpan(0, 64), "another salt"));
    }

    [Fact]
    public void A_prefix_is_of_use_only_with_the_window_before_its_end()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, Context, Step, sequences: 2);
        int[] tokens = Text(0, 0);
        Compute(cache, tokens.AsSpan(0, 128), null);
        // Position 128 sees 105 to 127: blocks 6 and 7. Without block 7 the next possible end is 112, which sees 89 on: block 5.
        BlockHash[] hashes = Hashes(tokens);
        BlockPool sliding = cache.Groups[KeyValueCache.SlidingGroup].Pool;
        Assert.Equal(128, Found(cache, tokens.AsSpan(0, 140), null));
        sliding.Forget(hashes[2]);
        Assert.Equal(128, Found(cache, tokens.AsSpan(0, 140), null));
        sliding.Forget(hashes[7]);
        Assert.Equal(112, Found(cache, tokens.AsSpan(0, 140), null));
        sliding.Forget(hashes[5]);
        Assert.Equal(80, Found(cache, tokens.AsSpan(0, 140), null));
        cache.Groups[KeyValueCache.FullGroup].Pool.Forget(hashes[1]);
        Assert.Equal(16, Found(cache, tokens.AsSpan(0, 140), null));
    }

    [Fact]
    public void The_block_unused_longest_is_taken_first_and_held_ones_never()
    {
        BlockPool pool = new(3);
        BlockHash[] hashes = [.. Enumerable.Range(1, 3).Select(i => new BlockHash((UInt128)i))];
        int[] blocks = [pool.Take(), pool.Take(), pool.Take()];
        for (int i = 0; i < 3; i++) pool.Register(blocks[i], hashes[i]);
        pool.Return(blocks[1]);
        pool.Return(blocks[0]);
        Assert.Equal(blocks[1], pool.Find(hashes[1]));
        pool.Hold(blocks[1]);
        pool.Return(blocks[1]); // used again: now block 0 is the oldest
        Assert.Equal(blocks[0], pool.Take());
        Assert.Equal(-1, pool.Find(hashes[0]));
        Assert.Equal(blocks[1], pool.Take());
        Assert.Throws<InvalidOperationException>(() => pool.Take());
        Assert.Equal(blocks[2], pool.Find(hashes[2]));
    }

    [Fact]
    public void What_is_forgotten_is_not_found()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, Context, Step, sequences: 2);
        int[] tokens = Text(0, 0);
        CacheSequence sequence = cache.NewSequence();
        for (int i = 0; i < 100; i += Step)
        {
            sequence.Reserve(Step);
            sequence.Advance(tokens.AsSpan(i, Step));
        }
        sequence.Forget();
        sequence.Release();
        Assert.Equal(0, Found(cache, tokens, null));
    }

    /// <summary>Families 0 and 3 have the same tokens, the others share the first 37 or none.</summary>
    private static int[] Text(int family, int variant)
        => [.. Enumerable.Range(0, Context).Select(i => family switch { 0 or 3 => i, 1 => i < 37 ? i : 1000 + i + variant, _ => 5000 + i })];

    private static BlockHash[] Hashes(int[] tokens)
    {
        BlockHash last = BlockHash.Root(null, null);
        return [.. tokens.Chunk(16).Select(block => last = last.Next(block))];
    }

    private static void Compute(KeyValueCache cache, ReadOnlySpan<int> tokens, string? salt)
    {
        using CacheSequence sequence = cache.NewSequence(Context, BlockHash.Root(null, salt));
        while (sequence.Length < tokens.Length)
        {
            int count = Math.Min(Step, tokens.Length - sequence.Length);
            sequence.Reserve(count);
            sequence.Advance(tokens.Slice(sequence.Length, count));
        }
    }

    private static int Found(KeyValueCache cache, ReadOnlySpan<int> tokens, string? salt)
    {
        using CacheSequence sequence = cache.NewSequence(Context, BlockHash.Root(null, salt));
        return sequence.Restore(tokens);
    }

    /// <summary>For each row of each group: the prefix it was computed for.</summary>
    private sealed class Mirror(KeyValueCache cache)
    {
        private readonly Dictionary<(int Group, int Slot), long> rows = [];

        public void Write(CacheSequence sequence, int[] tokens, int count)
        {
            for (int group = 0; group < cache.Groups.Count; group++)
                for (int position = sequence.Length; position < sequence.Length + count; position++)
                    rows[(group, sequence.Slot(group, position))] = Prefix(tokens, position);
        }

        public void Copy(KeyValueCache of, BlockCopy copy)
        {
            int size = of.Groups[copy.Group].BlockSize;
            for (int i = 0; i < copy.Positions; i++) rows[(copy.Group, copy.To * size + i)] = rows[(copy.Group, copy.From * size + i)];
        }

        public void AssertHolds(CacheSequence sequence, int[] tokens)
        {
            for (int group = 0; group < cache.Groups.Count; group++)
                for (int position = cache.Groups[group].FirstNeeded(sequence.Length); position < sequence.Length; position++)
                    Assert.Equal(Prefix(tokens, position), rows[(group, sequence.Slot(group, position))]);
        }

        private static long Prefix(int[] tokens, int position)
        {
            long prefix = 0;
            for (int i = 0; i <= position; i++) prefix = (prefix * 1_000_003) + tokens[i] + 1;
            return prefix;
        }
    }
}
