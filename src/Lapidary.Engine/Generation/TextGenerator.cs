using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Sampling;

namespace Lapidary.Generation;

/// <summary>Generates one text at a time from a model: prefill in steps, then a token a step.</summary>
public sealed class TextGenerator(LanguageModel model)
{
    private readonly float[] logits = new float[model.Config.VocabSize];

    /// <summary>Why the last text ended; null while it runs.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>The seed of the last text.</summary>
    public long Seed { get; private set; }

    /// <summary>The tokens of a text, the one that ends it included.</summary>
    /// <param name="prompt">At least one token, and fewer than the context holds.</param>
    /// <exception cref="RequestException">The prompt or a parameter is outside what the model can serve.</exception>
    public IEnumerable<int> Generate(int[] prompt, SamplingParameters parameters, CancellationToken cancel = default)
    {
        CheckPrompt(model, prompt);
        parameters.Checked(model.Config.VocabSize);
        return Run(prompt, parameters, cancel);
    }

    internal static void CheckPrompt(LanguageModel model, ReadOnlySpan<int> prompt)
    {
        if (prompt.Length == 0) throw new RequestException("the prompt is empty; a model needs at least one token to go on from");
        if (prompt.Length >= model.ContextLength)
            throw new ContextOverflowException(
                prompt.Length, model.ContextLength,
                $"the prompt has {prompt.Length} tokens, and the context holds {model.ContextLength} with at least one of output; shorten it or raise --context (the model allows {model.Config.MaxPositionEmbeddings})");
        foreach (int id in prompt)
            if (id < 0 || id >= model.Config.VocabSize)
                throw new RequestException($"token id {id} is outside the model's vocabulary, 0 to {model.Config.VocabSize - 1}");
    }

    private IEnumerable<int> Run(int[] prompt, SamplingParameters parameters, CancellationToken cancel)
    {
        HashSet<int> ends = [.. parameters.StopTokenIds, .. parameters.IgnoreEos ? [] : model.EosTokenIds];
        Sampler sampler = new(parameters, model.Config.VocabSize, prompt, [.. ends]);
        Seed = sampler.Seed;
        FinishReason = null;
        int most = Math.Min(parameters.MaxTokens ?? int.MaxValue, model.ContextLength - prompt.Length);
        int[] last = new int[1];

        using CacheSequence sequence = model.Cache.NewSequence();
        Prefill(sequence, prompt, cancel);
        for (int made = 1; ; made++)
        {
            last[0] = sampler.Sample(logits);
            bool ended = ends.Contains(last[0]);
            if (ended) FinishReason = Generation.FinishReason.Stop;
            else if (made == most) FinishReason = Generation.FinishReason.Length;
            yield return last[0];
            if (FinishReason is not null) yield break;
            cancel.ThrowIfCancellationRequested();
            Step(sequence, last, LogitRows.Last);
        }
    }

    private void Prefill(CacheSequence sequence, int[] prompt, CancellationToken cancel)
    {
        int most = model.Batch.MaxTokens;
        for (int start = 0; start < prompt.Length; start += most)
        {
            cancel.ThrowIfCancellationRequested();
            int count = Math.Min(most, prompt.Length - start);
            Step(sequence, prompt.AsSpan(start, count), start + count == prompt.Length ? LogitRows.Last : LogitRows.None);
        }
    }

    private void Step(CacheSequence sequence, ReadOnlySpan<int> tokens, LogitRows rows)
    {
        model.Batch.Clear();
        model.Batch.Add(sequence, tokens, rows);
        IBuffer result = model.Network.Forward(model.Batch, model.Cache);
        if (rows == LogitRows.Last) model.Kernels.Read(result, logits);
    }
}
