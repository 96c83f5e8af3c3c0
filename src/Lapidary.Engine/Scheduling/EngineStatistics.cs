using Lapidary.Speculation;

namespace Lapidary.Scheduling;

/// <summary>Whether the engine takes requests.</summary>
public enum EngineHealth
{
    Ready,

    /// <summary>Finishes what it has, takes nothing new.</summary>
    Draining,
    /// <summary>Ends; by request or because of a defect.</summary>
    Stopped,
}

/// <summary>A snapshot: gauges of now and counters since the start.</summary>
public sealed record EngineStatistics
{
    public EngineHealth Health { get; init; }

    /// <summary>Choices that are being computed.</summary>
    public int Running { get; init; }

    /// <summary>Choices that wait, preempted ones included.</summary>
    public int Waiting { get; init; }

    /// <summary>Share of the cache's blocks that running texts hold, 0 to 1.</summary>
    public double KvCacheUsage { get; init; }

    public long Steps { get; init; }

    /// <summary>How large those steps were.</summary>
    public required StepTokens StepTokens { get; init; }

    public long Preemptions { get; init; }

    /// <summary>Prompt tokens looked up in the prefix cache, and those found.</summary>
    public long PrefixCacheQueries { get; init; }
    public long PrefixCacheHits { get; init; }

    /// <summary>Tokens of prompts, those found in the prefix cache included.</summary>
    public long PromptTokens { get; init; }
    public long GenerationTokens { get; init; }

    public SpeculationStatistics Speculation { get; init; } = new();

    /// <summary>Choices that ended, by reason.</summary>
    public long FinishedStop { get; init; }
    public long FinishedLength { get; init; }
    public long FinishedAbort { get; init; }
    public long FinishedError { get; init; }

    /// <summary>Of those that ended with an error, the ones whose logits were not numbers.</summary>
    public long CorruptedRequests { get; init; }

    /// <summary>Requests refused because too many waited.</summary>
    public long Rejections { get; init; }
}
