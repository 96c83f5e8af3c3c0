namespace Lapidary.Scheduling;

/// <summary>Limits of an engine. Names as in vLLM where it has them.</summary>
public sealed record EngineOptions
{
    /// <summary>Most choices computed at once.</summary>
    public int MaxNumSeqs { get; init; } = 64;

    /// <summary>Most tokens of one step: a token for each running text, the rest for prompts.</summary>
    public int MaxNumBatchedTokens { get; init; } = 512;

    /// <summary>Most choices that wait; further requests are refused.</summary>
    public int MaxWaiting { get; init; } = 1024;

    /// <summary>Most events of a request that nobody has read; then the request ends.</summary>
    public int MaxUnreadEvents { get; init; } = 65536;
}
