using CsCheck;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Tests.KvCache;

public sealed class CacheSequenceTests
{
    private static readonly Gemma4Config Config = Gemma4ConfigReader.Load(Goldens.Case("moe_keqv_bf16")); // window 8

    [Fact]
    public void Blocks_are_conserved_and_never_shared_whatever_the_steps()
        => Gen.Int[1, 20].List[1, 30].List[1, 4].Sample(sequencesOfSteps =>
        {
            using CpuKernels kernels = new(threads: 1);
            using KeyValueCache cache = new(kernels, Config, contextLength: 200, maxStepTokens: 20, sequences: sequencesOfSteps.Count);
            CacheSequence[] sequences = [.. sequencesOfSteps.Select(_ => cache.NewSequence())];
            for (int step = 0; step < sequencesOfSteps.Max(s => s.Count); step++)
                for (int i = 0; i < sequences.Length; i++)
                {
                    if (step >= sequencesOfSteps[i].Count) continue;
                    int tokens = Math.Min(sequencesOfSteps[i][step], 200 - sequences[i].Length);
                    if (tokens == 0) continue;
                    sequences[i].Reserve(tokens);
                    AssertVisiblePositionsAreDistinct(cache, sequences, tokens, i);
                    sequences[i].Advance(new int[tokens]);
                }
            foreach (CacheSequence sequence in sequences) sequence.Dispose();
            Assert.All(cache.Groups, group => Assert.Equal(group.Pool.Blocks, group.Pool.Free));
        }, iter: 200);

    [Fact]
    public void Sliding_layers_hold_no_more_than_their_window_and_one_step()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, contextLength: 512, maxStepTokens: 4);
        using CacheSequence sequence = cache.NewSequence();
        for (int i = 0; i < 128; i++)
        {
            sequence.Reserve(4);
            sequence.Advance([1, 2, 3, 4]);
        }
        BlockPool sliding = cache.Groups[KeyValueCache.SlidingGroup].Pool, full = cache.Groups[KeyValueCache.FullGroup].Pool;
        Assert.True(sliding.Blocks <= 2, $"{sliding.Blocks} blocks of 16 for a window of 8");
        Assert.Equal(32, full.Blocks - full.Free);
    }

    [Fact]
    public void Blocks_that_are_never_found_again_are_taken_again_first()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, contextLength: 200, maxStepTokens: 40, sequences: 3);
        int[] first = Blocks(root: null), second = Blocks(root: null);
        Assert.Equal(first.Order(), second.Order());
        int[] shared = Blocks(BlockHash.Root(null, null));
        Assert.Empty(shared.Intersect(Blocks(root: null)));

        int[] Blocks(BlockHash? root)
        {
            using CacheSequence sequence = cache.NewSequence(100, root);
            sequence.Reserve(40);
            sequence.Advance([.. Enumerable.Range(0, 40)]);
            return sequence.Table(KeyValueCache.FullGroup).ToArray();
        }
    }

    [Fact]
    public void A_sequence_never_grows_past_its_context()
    {
        using CpuKernels kernels = new(threads: 1);
        using KeyValueCache cache = new(kernels, Config, contextLength: 10, maxStepTokens: 10);
        using CacheSequence sequence = cache.NewSequence();
        Assert.Throws<ArgumentOutOfRangeException>(() => sequence.Reserve(11));
    }

    private static void AssertVisiblePositionsAreDistinct(KeyValueCache cache, CacheSequence[] sequences, int newTokens, int growing)
    {
        for (int group = 0; group < cache.Groups.Count; group++)
        {
            HashSet<int> slots = [];
            for (int i = 0; i < sequences.Length; i++)
            {
                int end = sequences[i].Length + (i == growing ? newTokens : 0);
                for (int position = cache.Groups[group].FirstNeeded(sequences[i].Length); position < end; position++)
                    Assert.True(slots.Add(sequences[i].Slot(group, position)), $"group {group} position {position} shares its row");
            }
        }
    }
}
