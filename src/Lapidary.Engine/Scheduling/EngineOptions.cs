using Lapidary.Models;

namespace Lapidary.Scheduling;

/// <summary>Whether drafts are made, where the model was opened for them.</summary>
public enum Drafting
{
    On,
    Off,
}

/// <summary>Limits of an engine. Names as in vLLM where it has them.</summary>
public sealed record EngineOptions
{
    // So that a prompt whose every token needs logits is not computed token by token beside many others.
    private const int PromptLogitRows = 32;

    /// <summary>Most choices computed at once.</summary>
    public int MaxNumSeqs { get; init; } = 64;

    /// <summary>Most tokens of one step: one for each running text, the rest for prompts. More than <see cref="MaxNumSeqs"/>.</summary>
    public int MaxNumBatchedTokens { get; init; } = 512;

    /// <summary>Bytes for keys and values; null for as much as <see cref="MaxNumSeqs"/> texts of full length can use.</summary>
    public long? KvCacheMemory { get; init; }

    public PrefixCaching PrefixCaching { get; init; } = PrefixCaching.On;

    public Drafting Drafting { get; init; } = Drafting.On;

    /// <summary>Most choices that wait; further requests are refused.</summary>
    public int MaxWaiting { get; init; } = 1024;

    /// <summary>Most events of a request that nobody has read; then the request ends.</summary>
    public int MaxUnreadEvents { get; init; } = 65536;

    /// <summary>The options to open a model with, so that it has room for such an engine.</summary>
    /// <exception cref="RequestException">The limits contradict each other.</exception>
    public LanguageModelOptions Sized(LanguageModelOptions model)
    {
        Check();
        return model with
        {
            MaxSequences = MaxNumSeqs,
            MaxStepTokens = MaxNumBatchedTokens,
            MaxLogitRows = MaxNumSeqs + PromptLogitRows,
            KvCacheMemory = KvCacheMemory,
        };
    }

    internal void Check()
    {
        if (MaxNumSeqs < 1) throw new RequestException($"max_num_seqs is {MaxNumSeqs}, expected 1 or more");
        if (MaxNumBatchedTokens <= MaxNumSeqs)
            throw new RequestException($"max_num_batched_tokens is {MaxNumBatchedTokens}, expected more than max_num_seqs, {MaxNumSeqs}: every running text needs a token a step, and prompts the rest");
        if (MaxWaiting < 0) throw new RequestException($"the most requests that may wait is {MaxWaiting}, expected 0 or more");
        if (MaxUnreadEvents < 1) throw new RequestException($"the most unread events is {MaxUnreadEvents}, expected 1 or more");
    }
}
