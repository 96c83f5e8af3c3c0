using System.Text.Json;
using Lapidary.Checkpoints;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Tests.Lora;

/// <summary>What transformers and PEFT computed for the adapters in tests/fixtures/lora, and the same by this engine.</summary>
internal static class AdapterGoldens
{
    public static string Folder { get; } = Path.Combine(Goldens.Repository, "tests/fixtures/lora");

    private static readonly SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Folder, "golden.safetensors"));

    public static IReadOnlyList<int[]> Prompts { get; } = JsonSerializer.Deserialize<int[][]>(file.Metadata["prompts"])!;

    public static string Case(string name) => Path.Combine(Folder, name);

    /// <summary>[prompts][vocab] logits of each prompt's last token; "base" for those without an adapter.</summary>
    public static float[][] Logits(string name) => [.. file.Find($"{name}.logits")!.ToSingles().Chunk((int)file.Find($"{name}.logits")!.Shape[1])];

    public static Gemma4 OpenTinyModel(IKernels kernels, ICheckpoint checkpoint, int maxLoras, string? backend = null)
        => Open(Goldens.TinyModel, kernels, checkpoint, maxLoras, backend);

    public static Gemma4 Open(string folder, IKernels kernels, ICheckpoint checkpoint, int maxLoras, string? backend = null)
        => Gemma4.Load(checkpoint, Gemma4ConfigReader.Load(folder), kernels, new Gemma4Options
        {
            MaxStepTokens = 64,
            MaxLogitRows = 64,
            MaxLoras = maxLoras,
            ExpertBackend = backend,
        });

    /// <summary>Logits of the last token of each prompt, all in one step.</summary>
    public static float[][] Logits(Gemma4 model, IKernels kernels, params IReadOnlyList<(int[] Prompt, int Slot)> sequences)
    {
        using KeyValueCache cache = new(kernels, model.Config, 64, 64, sequences.Count);
        using ForwardBatch batch = new(kernels, cache, 64, sequences.Count);
        foreach ((int[] prompt, int slot) in sequences) batch.Add(cache.NewSequence(), prompt, LogitRows.Last, slot);
        IBuffer logits = model.Forward(batch, cache);
        var all = new float[logits.Rows * logits.Columns];
        kernels.Read(logits, all);
        return [.. all.Chunk(logits.Columns)];
    }

    /// <summary>Logits of every token of a prompt.</summary>
    public static float[] AllLogits(Gemma4 model, IKernels kernels, int[] prompt, int slot)
    {
        using KeyValueCache cache = new(kernels, model.Config, 64, 64);
        using ForwardBatch batch = new(kernels, cache, 64, 1);
        batch.Add(cache.NewSequence(), prompt, LogitRows.All, slot);
        IBuffer logits = model.Forward(batch, cache);
        var all = new float[logits.Rows * logits.Columns];
        kernels.Read(logits, all);
        return all;
    }

    public static float LargestDifference(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        return expected.Zip(actual).Max(pair => MathF.Abs(pair.First - pair.Second));
    }
}
