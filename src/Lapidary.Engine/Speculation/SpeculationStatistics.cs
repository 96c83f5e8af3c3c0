namespace Lapidary.Speculation;

/// <summary>What became of drafts. Names as in vLLM.</summary>
public sealed record SpeculationStatistics
{
    /// <summary>Drafts that were computed.</summary>
    public long NumDrafts { get; init; }

    /// <summary>Tokens of those drafts.</summary>
    public long NumDraftTokens { get; init; }

    /// <summary>Tokens of drafts that became text.</summary>
    public long NumAcceptedTokens { get; init; }

    /// <summary>The same by place in the draft.</summary>
    public IReadOnlyList<long> NumAcceptedTokensPerPosition { get; init; } = [];

    /// <summary>Only what has come since.</summary>
    public SpeculationStatistics Since(SpeculationStatistics earlier) => new()
    {
        NumDrafts = NumDrafts - earlier.NumDrafts,
        NumDraftTokens = NumDraftTokens - earlier.NumDraftTokens,
        NumAcceptedTokens = NumAcceptedTokens - earlier.NumAcceptedTokens,
        NumAcceptedTokensPerPosition = [.. NumAcceptedTokensPerPosition.Zip(earlier.NumAcceptedTokensPerPosition, (now, before) => now - before)],
    };

    /// <summary>Share of the drafts' tokens that became text, 0 to 1.</summary>
    public double AcceptanceRate => NumDraftTokens == 0 ? 0 : (double)NumAcceptedTokens / NumDraftTokens;
}

/// <summary>What the engine's thread counts of drafts and others read.</summary>
internal sealed class SpeculationCounters
{
    private readonly long[] perPosition = new long[SpeculativeConfig.MaxTokens];
    private long drafts, draftTokens, acceptedTokens;

    public void Count(int drafted, int accepted)
    {
        drafts++;
        draftTokens += drafted;
        acceptedTokens += accepted;
        for (int i = 0; i < accepted; i++) perPosition[i]++;
    }

    public SpeculationStatistics Snapshot() => new()
    {
        NumDrafts = Volatile.Read(ref drafts),
        NumDraftTokens = Volatile.Read(ref draftTokens),
        NumAcceptedTokens = Volatile.Read(ref acceptedTokens),
        NumAcceptedTokensPerPosition = [.. perPosition.Select((_, i) => Volatile.Read(ref perPosition[i]))],
    };
}
