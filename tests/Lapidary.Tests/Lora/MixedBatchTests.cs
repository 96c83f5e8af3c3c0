using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Models;

namespace Lapidary.Tests.Lora;

/// <summary>Sequences of one step use several adapters, and each gets bit for bit what it gets alone.</summary>
public sealed class MixedBatchTests
{
    private static readonly int[][] Prompts = [[2, 30, 7, 11, 5], [2, 9, 42, 17, 25, 8, 40], [2, 6], [2, 33, 44, 55, 21, 22, 23, 24, 25]];

    /// <summary>Model folder and expert backend: every backend that can serve each model.</summary>
    public static TheoryData<string, string> Cells()
    {
        TheoryData<string, string> cells = [];
        using CpuKernels kernels = new(1);
        foreach (string folder in (string[])[Goldens.Case("moe_keqv_bf16"), Goldens.Case("everything"), Quantized("gptq4_act"), Quantized("ct_nvfp4"), Quantized("ct_int4_asym_act")])
        {
            Gemma4Config config = Gemma4ConfigReader.Load(folder);
            using ICheckpoint checkpoint = Checkpoint.Open(folder);
            IReadOnlyList<ExpertLayerSpec> specs = Gemma4.ExpertSpecs(config, new TensorSource(checkpoint, config.Quantization), maxLoras: 3);
            foreach (IExpertBackend backend in kernels.ExpertBackends.Where(b => specs.All(spec => b.Supports(spec).Supported)))
                cells.Add(Path.GetRelativePath(Goldens.Repository, folder), backend.Name);
        }
        return cells;

        static string Quantized(string name) => Path.Combine(Goldens.Repository, "tests/fixtures/quant", name);
    }

    [Theory, MemberData(nameof(Cells))]
    public void Alone_and_in_company_give_the_same_bits(string folder, string backend)
    {
        folder = Path.Combine(Goldens.Repository, folder);
        using AdapterBuilder first = RandomAdapter(folder, seed: 1), second = RandomAdapter(folder, seed: 2);
        using CpuKernels kernels = new();
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        using Gemma4 model = AdapterGoldens.Open(folder, kernels, checkpoint, maxLoras: 3, backend);
        int a = model.Adapters.Load(first.AdapterFolder, "a").Slot, b = model.Adapters.Load(second.AdapterFolder, "b").Slot;
        (int[], int)[] sequences = [(Prompts[0], a), (Prompts[1], b), (Prompts[2], ForwardBatch.NoAdapter), (Prompts[3], a), (Prompts[0], ForwardBatch.NoAdapter), (Prompts[0], b)];

        float[][] together = AdapterGoldens.Logits(model, kernels, sequences);
        for (int i = 0; i < sequences.Length; i++) Assert.Equal(AdapterGoldens.Logits(model, kernels, sequences[i])[0], together[i]);
        Assert.NotEqual(together[0], together[4]); // the same prompt with a, without and with b
        Assert.NotEqual(together[0], together[5]);
        Assert.NotEqual(together[4], together[5]);
    }

    [Theory, MemberData(nameof(Cells))]
    public void Dropping_an_adapter_restores_the_models_own_bits(string folder, string backend)
    {
        folder = Path.Combine(Goldens.Repository, folder);
        using AdapterBuilder builder = RandomAdapter(folder, seed: 3);
        using CpuKernels kernels = new();
        float[] never;
        using (ICheckpoint checkpoint = Checkpoint.Open(folder))
        using (Gemma4 model = AdapterGoldens.Open(folder, kernels, checkpoint, maxLoras: 0, backend))
            never = AdapterGoldens.AllLogits(model, kernels, Prompts[3], ForwardBatch.NoAdapter);

        using ICheckpoint again = Checkpoint.Open(folder);
        using Gemma4 adapted = AdapterGoldens.Open(folder, kernels, again, maxLoras: 1, backend);
        for (int round = 0; round < 2; round++)
        {
            int slot = adapted.Adapters.Load(builder.AdapterFolder, "a").Slot;
            Assert.NotEqual(never, AdapterGoldens.AllLogits(adapted, kernels, Prompts[3], slot));
            Assert.Equal(never, AdapterGoldens.AllLogits(adapted, kernels, Prompts[3], ForwardBatch.NoAdapter));
            adapted.Adapters.Drop("a");
            Assert.Equal(never, AdapterGoldens.AllLogits(adapted, kernels, Prompts[3], slot));
        }
    }

    [Fact]
    public void Threads_make_no_difference()
    {
        string folder = Goldens.Case("everything");
        using AdapterBuilder builder = RandomAdapter(folder, seed: 4);
        float[][] byThreads = [.. new[] { 1, 2, 3, 7 }.Select(threads =>
        {
            using CpuKernels kernels = new(threads);
            using ICheckpoint checkpoint = Checkpoint.Open(folder);
            using Gemma4 model = AdapterGoldens.Open(folder, kernels, checkpoint, maxLoras: 1);
            return AdapterGoldens.AllLogits(model, kernels, [.. Prompts.SelectMany(p => p)], model.Adapters.Load(builder.AdapterFolder, "a").Slot);
        })];
        Assert.All(byThreads, logits => Assert.Equal(byThreads[0], logits));
    }

    /// <summary>An adapter for whatever the folder's model has: some matrices and all experts of the first layers.</summary>
    private static AdapterBuilder RandomAdapter(string folder, int seed)
    {
        Gemma4Config config = Gemma4ConfigReader.Load(folder);
        AdapterBuilder builder = new(folder, seed) { R = 3 + seed };
        int h = config.HiddenSize, i = config.Experts!.MoeIntermediateSize, e = config.Experts.NumExperts;
        for (int layer = 0; layer < Math.Min(2, config.Layers.Count); layer++)
        {
            builder.Update($"layers.{layer}.self_attn.q_proj", config.NumAttentionHeads * config.Layers[layer].HeadDim, h);
            builder.Update($"layers.{layer}.mlp.down_proj", h, config.Layers[layer].IntermediateSize);
            builder.Update($"layers.{layer}.router.proj", e, h);
            builder.Update($"layers.{layer}.experts.base_layer", 2 * i, h, e);
            builder.Update($"layers.{layer}.experts", h, i, e);
        }
        return builder.Write();
    }
}
