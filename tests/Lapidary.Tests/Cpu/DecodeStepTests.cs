using Lapidary.Cpu;
using Lapidary.Models;

namespace Lapidary.Tests.Cpu;

/// <summary>Alone on the machine: it counts the allocations of the whole process, worker threads included.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

[Collection(nameof(Alone))]
public sealed class DecodeStepTests
{
    [Theory]
    [InlineData(KeyValueType.F32)]
    [InlineData(KeyValueType.BF16)]
    [InlineData(KeyValueType.Q8_0)]
    public void A_decode_step_allocates_no_managed_memory(KeyValueType type)
    {
        using CpuKernels kernels = new();
        using LanguageModel model = LanguageModel.Open(Goldens.TinyModel, kernels, new LanguageModelOptions { KeyValueType = type });
        using var sequence = model.Cache.NewSequence();
        var logits = new float[model.Config.VocabSize];
        Step(model, sequence, logits, 50);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        Step(model, sequence, logits, 100);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        // The test runner's own threads may allocate a little; one boxed value per step and layer would be 19 KB.
        Assert.InRange(allocated, 0, 4096);
    }

    [Fact]
    public void A_sequence_gets_the_same_logits_alone_and_in_company()
    {
        using CpuKernels kernels = new();
        Gemma4Config config = Gemma4ConfigReader.Load(Goldens.TinyModel);
        using var checkpoint = Lapidary.Checkpoints.Checkpoint.Open(Goldens.TinyModel);
        using Gemma4 network = Gemma4.Load(checkpoint, config, kernels, new Gemma4Options { MaxStepTokens = 64, MaxLogitRows = 64 });
        int[][] prompts = [[2, 105, 300, 400, 500, 600, 700], [2, 900, 901], [2, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27]];

        float[][] together = Logits(network, kernels, prompts);
        for (int i = 0; i < prompts.Length; i++) Assert.Equal(Logits(network, kernels, [prompts[i]])[0], together[i]);
        Assert.NotEqual(together[0], together[1]); // the comparison can tell
    }

    private static float[][] Logits(Gemma4 network, CpuKernels kernels, int[][] prompts)
    {
        using Lapidary.KvCache.KeyValueCache cache = new(kernels, network.Config, 64, 64, prompts.Length);
        using ForwardBatch batch = new(kernels, cache, 64, prompts.Length);
        foreach (int[] prompt in prompts) batch.Add(cache.NewSequence(), prompt, LogitRows.Last);
        IBuffer logits = network.Forward(batch, cache);
        var all = new float[logits.Rows * logits.Columns];
        kernels.Read(logits, all);
        return [.. all.Chunk(logits.Columns)];
    }

    private static void Step(LanguageModel model, Lapidary.KvCache.CacheSequence sequence, float[] logits, int steps)
    {
        Span<int> token = stackalloc int[1];
        for (int i = 0; i < steps; i++)
        {
            token[0] = 300 + i;
            model.Batch.Clear();
            model.Batch.Add(sequence, token, LogitRows.Last);
            model.Kernels.Read(model.Network.Forward(model.Batch, model.Cache), logits);
        }
    }
}
