using Lapidary.Checkpoints;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>What to compare and how.</summary>
public sealed record ParityOptions
{
    /// <summary>Expert backend to force, or null.</summary>
    public string? ExpertBackend { get; init; }

    /// <summary>A deliberate error to put in, or null.</summary>
    public Fault? Fault { get; init; }

    /// <summary>Name of the configuration file in the folder.</summary>
    public string ConfigFile { get; init; } = "config.json";

    /// <summary>Most tokens per step; small values check that chunked prefill computes the same.</summary>
    public int MaxStepTokens { get; init; } = 512;
}

/// <summary>Compares every intermediate tensor, the logits and the greedy continuation with HuggingFace's.</summary>
public static class Parity
{
    /// <param name="folder">config.json, weights and golden.safetensors.</param>
    /// <exception cref="LapidaryException">The folder cannot be read, or the model cannot be served.</exception>
    public static ParityReport Run(string folder, IKernels kernels, ParityOptions options)
    {
        Gemma4Config config = Gemma4ConfigReader.Load(Path.Combine(folder, options.ConfigFile));
        if (options.Fault?.Inapplicable(config) is { } reason)
            return new ParityReport(folder, [], 0, 0, $"fault {options.Fault.Name} cannot be put in: {reason}");

        using ICheckpoint goldens = Checkpoint.Open(Path.Combine(folder, "golden.safetensors"));
        IReadOnlyList<GoldenPrompt> prompts = GoldenPrompt.All(goldens);
        if (prompts.Count == 0) return new ParityReport(folder, [], 0, 0, "golden.safetensors holds no prompts");
        foreach (GoldenPrompt prompt in prompts) prompt.Check(config);

        using ICheckpoint stored = Checkpoint.Open(folder);
        TensorSource tensors = new(stored, config.Quantization);
        IWeightSource weights = options.Fault?.Apply(tensors, config) ?? tensors;
        config = options.Fault?.Apply(config) ?? config;
        IKernels device = options.Fault?.Apply(kernels) ?? kernels;

        int longest = prompts.Max(p => p.TokenIds.Length);
        using Gemma4 model = Gemma4.Load(weights, config, device, new Gemma4Options
        {
            ExpertBackend = options.ExpertBackend,
            MaxStepTokens = Math.Min(options.MaxStepTokens, longest),
            MaxLogitRows = Math.Min(options.MaxStepTokens, longest),
        });

        using KeyValueCache cache = new(device, config, prompts.Max(p => p.TokenIds.Length + p.Greedy.Length), model.MaxStepTokens);
        using ForwardBatch batch = new(device, cache, model.MaxStepTokens, maxSequences: 1);
        ParityComparison comparison = new(device);
        foreach (GoldenPrompt prompt in prompts) Compare(prompt, model, cache, batch, comparison);
        return new ParityReport(folder, comparison.Rows, comparison.ArgmaxAgreed, comparison.Positions, null);
    }

    private static void Compare(GoldenPrompt prompt, Gemma4 model, KeyValueCache cache, ForwardBatch batch, ParityComparison comparison)
    {
        using CacheSequence sequence = cache.NewSequence();
        model.Observer = comparison;
        comparison.Begin(prompt, model.Config.Layers.Count);
        var logits = new float[model.Config.VocabSize];
        for (int start = 0; start < prompt.TokenIds.Length; start += batch.MaxTokens)
        {
            ReadOnlySpan<int> chunk = prompt.TokenIds.AsSpan(start, Math.Min(batch.MaxTokens, prompt.TokenIds.Length - start));
            batch.Clear();
            batch.Add(sequence, chunk, LogitRows.All);
            comparison.LastRow(model.Forward(batch, cache), logits);
        }
        model.Observer = null;
        comparison.End();

        if (prompt.Greedy.Length == 0) return;
        int[] tokens = new int[prompt.Greedy.Length];
        float[] expected = prompt.GreedyLogits?.ToSingles() ?? [];
        float[] actual = new float[expected.Length];
        for (int step = 0; step < tokens.Length; step++)
        {
            if ((step + 1) * logits.Length <= actual.Length) logits.CopyTo(actual, step * logits.Length);
            tokens[step] = ArgMax(logits);
            if (step == tokens.Length - 1) break;
            batch.Clear();
            // The golden's token, so that one difference does not make all later steps incomparable.
            batch.Add(sequence, prompt.Greedy.AsSpan(step, 1), LogitRows.Last);
            comparison.LastRow(model.Forward(batch, cache), logits);
        }
        comparison.Greedy(prompt, tokens, actual, expected);
    }

    internal static int ArgMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            if (values[i] > values[best]) best = i;
        return best;
    }
}
