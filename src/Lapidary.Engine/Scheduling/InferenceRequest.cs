using System.Collections.Immutable;
using Lapidary.Sampling;

namespace Lapidary.Scheduling;

/// <summary>One prompt to continue, in <see cref="SamplingParameters.N"/> ways. Never changes.</summary>
public sealed record InferenceRequest
{
    /// <summary>For logs and metrics; need not be unique.</summary>
    public required string Id { get; init; }

    /// <summary>At least one token, and fewer than the context holds.</summary>
    public required ImmutableArray<int> PromptIds { get; init; }

    public required SamplingParameters Sampling { get; init; }

    /// <summary>Only compute the prompt, for its embedding; no token is made.</summary>
    public bool Embed { get; init; }

    /// <summary>Name of a loaded LoRA adapter, or null for the model itself.</summary>
    public string? Adapter { get; init; }

    /// <summary>Lower ones are served first, as in vLLM.</summary>
    public int Priority { get; init; }

    /// <summary>Requests share cached prompts only with requests of the same salt.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>From submission to the last token; null for no limit.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>From submission until the first part is computed; null for no limit.</summary>
    public TimeSpan? QueueTimeout { get; init; }
}
