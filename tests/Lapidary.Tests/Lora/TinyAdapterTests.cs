using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Tests.Lora;

/// <summary>The trained adapter of the tiny model writes what it writes in transformers with PEFT, token by token.</summary>
public sealed class TinyAdapterTests
{
    private static readonly string Folder = Path.Combine(Goldens.Repository, "models/gemma4-tiny-lora");

    [Fact]
    public void Twelve_texts_with_the_adapter_beside_twelve_without_are_those_of_transformers()
    {
        using SafetensorsFile adapted = SafetensorsFile.Open(Path.Combine(Folder, "golden.safetensors"));
        using SafetensorsFile plain = SafetensorsFile.Open(Path.Combine(Goldens.TinyModel, "golden.safetensors"));
        using CpuKernels kernels = new();
        using ICheckpoint checkpoint = Checkpoint.Open(Goldens.TinyModel);
        using Gemma4 model = AdapterGoldens.OpenTinyModel(kernels, checkpoint, maxLoras: 1);
        int slot = model.Adapters.Load(Folder, "robot").Slot;
        string[] cases = [.. adapted.Names.Where(name => name.EndsWith(".prompt_ids", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.Equal(12, cases.Length);

        List<(int[] Prompt, int[] Output, int Slot)> texts = [];
        foreach ((SafetensorsFile golden, int adapter) in (ReadOnlySpan<(SafetensorsFile, int)>)[(adapted, slot), (plain, ForwardBatch.NoAdapter)])
            foreach (string name in cases)
                texts.Add((golden.Find(name)!.ToInt32s(), golden.Find(name.Replace("prompt", "output", StringComparison.Ordinal))!.ToInt32s(), adapter));

        List<int>[] outputs = Greedy(model, kernels, texts);
        for (int i = 0; i < texts.Count; i++) Assert.Equal(texts[i].Output, outputs[i]);
        Assert.NotEqual(outputs[0], outputs[12]); // the adapter changes what is said
    }

    [Fact]
    public void First_logits_are_those_of_transformers()
    {
        using SafetensorsFile golden = SafetensorsFile.Open(Path.Combine(Folder, "golden.safetensors"));
        using CpuKernels kernels = new();
        using ICheckpoint checkpoint = Checkpoint.Open(Goldens.TinyModel);
        using Gemma4 model = AdapterGoldens.OpenTinyModel(kernels, checkpoint, maxLoras: 1);
        int slot = model.Adapters.Load(Folder, "robot").Slot;
        float[] actual = AdapterGoldens.Logits(model, kernels, (golden.Find("story_cat.prompt_ids")!.ToInt32s(), slot))[0];
        Assert.InRange(AdapterGoldens.LargestDifference(golden.Find("story_cat.first_logits")!.ToSingles(), actual), 0, 2e-4f);
    }

    /// <summary>All texts at once, each as long as its golden.</summary>
    private static List<int>[] Greedy(Gemma4 model, CpuKernels kernels, List<(int[] Prompt, int[] Output, int Slot)> texts)
    {
        using KeyValueCache cache = new(kernels, model.Config, 512, 64, texts.Count);
        using ForwardBatch batch = new(kernels, cache, 64, texts.Count);
        CacheSequence[] sequences = [.. texts.Select(_ => cache.NewSequence())];
        List<int>[] outputs = [.. texts.Select(_ => new List<int>())];
        for (int i = 0; i < texts.Count; i++)
            for (int start = 0; start < texts[i].Prompt.Length; start += 64)
            {
                int[] part = texts[i].Prompt[start..Math.Min(start + 64, texts[i].Prompt.Length)];
                batch.Clear();
                batch.Add(sequences[i], part, LogitRows.Last, texts[i].Slot);
                int best = Best(kernels, model.Forward(batch, cache))[0];
                if (start + 64 >= texts[i].Prompt.Length) outputs[i].Add(best);
            }
        while (true)
        {
            int[] running = [.. Enumerable.Range(0, texts.Count).Where(i => outputs[i].Count < texts[i].Output.Length)];
            if (running.Length == 0) return outputs;
            batch.Clear();
            foreach (int i in running) batch.Add(sequences[i], [outputs[i][^1]], LogitRows.Last, texts[i].Slot);
            int[] best = Best(kernels, model.Forward(batch, cache));
            for (int row = 0; row < running.Length; row++) outputs[running[row]].Add(best[row]);
        }
    }

    private static int[] Best(CpuKernels kernels, IBuffer logits)
    {
        var values = new float[logits.Rows * logits.Columns];
        kernels.Read(logits, values);
        return [.. values.Chunk(logits.Columns).Select(row => Array.IndexOf(row, row.Max()))];
    }
}
