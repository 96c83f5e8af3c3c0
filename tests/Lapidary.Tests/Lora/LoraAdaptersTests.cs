using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Lora;
using Lapidary.Models;
using Lapidary.Tests.Cpu;

namespace Lapidary.Tests.Lora;

/// <summary>Adapters come and go while the model is open.</summary>
public sealed class LoraAdaptersTests : IDisposable
{
    private static readonly string Folder = Goldens.Case("everything");
    private readonly CpuKernels kernels = new(1);
    private readonly ICheckpoint checkpoint = Checkpoint.Open(Folder);
    private readonly AdapterBuilder builder = new AdapterBuilder(Folder, seed: 1).Linear("layers.0.self_attn.q_proj").Write();
    private readonly Gemma4 model;

    public LoraAdaptersTests() => model = AdapterGoldens.Open(Folder, kernels, checkpoint, maxLoras: 2);

    private LoraAdapters Adapters => model.Adapters;

    public void Dispose()
    {
        model.Dispose();
        builder.Dispose();
        checkpoint.Dispose();
        kernels.Dispose();
    }

    [Fact]
    public void Each_adapter_has_a_slot_of_its_own_and_its_settings()
    {
        LoadedAdapter a = Adapters.Load(builder.AdapterFolder, "a"), b = Adapters.Load(builder.AdapterFolder, "b");
        Assert.NotEqual(a.Slot, b.Slot);
        Assert.Equal(["a", "b"], Adapters.Loaded.Select(adapter => adapter.Name));
        Assert.Same(b, Adapters.Find("b"));
        Assert.Equal(4, a.Config.R);
        Assert.Equal(builder.AdapterFolder, a.Folder);
    }

    [Fact]
    public void A_name_that_is_taken_and_an_adapter_too_many_are_refused()
    {
        Adapters.Load(builder.AdapterFolder, "a");
        Assert.Contains("is loaded already", Assert.Throws<AdapterException>(() => Adapters.Load(builder.AdapterFolder, "a")).Message, StringComparison.Ordinal);
        Adapters.Load(builder.AdapterFolder, "b");
        Assert.Contains("all 2 adapter slots are taken, by \"a\", \"b\"; drop one or raise --max-loras", Assert.Throws<AdapterException>(() => Adapters.Load(builder.AdapterFolder, "c")).Message, StringComparison.Ordinal);
        Adapters.Drop("a");
        Assert.Equal(0, Adapters.Load(builder.AdapterFolder, "c").Slot);
    }

    [Fact]
    public void An_unknown_name_is_refused_with_those_there_are()
    {
        Assert.Contains("none is", Assert.Throws<AdapterException>(() => Adapters.Find("x")).Message, StringComparison.Ordinal);
        Adapters.Load(builder.AdapterFolder, "a");
        Assert.Contains("loaded: \"a\"", Assert.Throws<AdapterException>(() => Adapters.Drop("x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_dropped_adapter_stays_for_those_who_use_it()
    {
        LoadedAdapter held = Adapters.Load(builder.AdapterFolder, "a");
        Adapters.Hold("a", sequences: 2);
        float[] with = AdapterGoldens.AllLogits(model, kernels, [2, 3, 4], held.Slot);
        Adapters.Drop("a");
        Assert.Throws<AdapterException>(() => Adapters.Hold("a"));
        Assert.NotEqual(held.Slot, Adapters.Load(builder.AdapterFolder, "a").Slot); // the name is free, the slot is not
        Adapters.Release(held);
        Assert.Equal(with, AdapterGoldens.AllLogits(model, kernels, [2, 3, 4], held.Slot));
        Adapters.Release(held);
        Assert.NotEqual(with, AdapterGoldens.AllLogits(model, kernels, [2, 3, 4], held.Slot));
        Assert.Equal(held.Slot, Adapters.Load(builder.AdapterFolder, "b").Slot);
    }

    [Fact]
    public void Another_adapter_of_the_same_name_has_another_cache_key()
    {
        string first = Adapters.Load(builder.AdapterFolder, "a").CacheKey;
        Adapters.Drop("a");
        Assert.NotEqual(first, Adapters.Load(builder.AdapterFolder, "a").CacheKey);
    }

    [Fact]
    public void Files_are_not_needed_once_an_adapter_is_loaded()
    {
        LoadedAdapter adapter = Adapters.Load(builder.AdapterFolder, "a");
        float[] with = AdapterGoldens.AllLogits(model, kernels, [2, 3, 4], adapter.Slot);
        string file = Path.Combine(builder.AdapterFolder, LoraAdapter.FileName);
        using (FileStream stream = File.OpenWrite(file)) stream.SetLength(10);
        Assert.Equal(with, AdapterGoldens.AllLogits(model, kernels, [2, 3, 4], adapter.Slot));
    }

    [Fact]
    public void A_model_opened_without_room_says_so()
    {
        using Gemma4 without = AdapterGoldens.Open(Folder, kernels, checkpoint, maxLoras: 0);
        Assert.Contains("--max-loras is 0", Assert.Throws<AdapterException>(() => without.Adapters.Load(builder.AdapterFolder, "a")).Message, StringComparison.Ordinal);
    }
}

[Collection(nameof(Alone))]
public sealed class AdapterDecodeTests
{
    [Fact]
    public void A_decode_step_with_adapters_allocates_no_managed_memory()
    {
        using CpuKernels kernels = new();
        using ICheckpoint checkpoint = Checkpoint.Open(Goldens.TinyModel);
        using Gemma4 model = AdapterGoldens.OpenTinyModel(kernels, checkpoint, maxLoras: 2);
        int[] slots = [ForwardBatch.NoAdapter, model.Adapters.Load(AdapterGoldens.Case("attention_mlp_experts"), "a").Slot, model.Adapters.Load(AdapterGoldens.Case("embeddings"), "b").Slot];
        using KeyValueCache cache = new(kernels, model.Config, 256, 64, slots.Length);
        using ForwardBatch batch = new(kernels, cache, 64, slots.Length);
        CacheSequence[] sequences = [.. slots.Select(_ => cache.NewSequence())];
        Steps(20);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        Steps(50);
        // The test runner's own threads may allocate a little; one object a step and layer would be 10 KB at least.
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 4096);

        void Steps(int count)
        {
            for (int step = 0; step < count; step++)
            {
                batch.Clear();
                for (int i = 0; i < slots.Length; i++) batch.Add(sequences[i], [300 + step], LogitRows.Last, slots[i]);
                model.Forward(batch, cache);
            }
        }
    }
}
