using Lapidary.Generation;

namespace Lapidary.Scheduling;

/// <summary>What the engine's thread counts and others read; each number by itself is up to date, all together need not be of one moment.</summary>
internal sealed class EngineCounters
{
    private readonly long[] finished = new long[Enum.GetValues<FinishReason>().Length];

    public long Steps, Preemptions, PrefixCacheQueries, PrefixCacheHits, PromptTokens, GenerationTokens, CorruptedRequests, Rejections;
    public int Running;

    /// <summary>Choices that were accepted and have not ended; counted by those who submit too.</summary>
    public int Accepted;

    public double KvCacheUsage;

    public void Finish(FinishReason reason) => finished[(int)reason]++;

    public EngineStatistics Snapshot(EngineHealth health) => new()
    {
        Health = health,
        Running = Volatile.Read(ref Running),
        Waiting = Volatile.Read(ref Accepted) - Volatile.Read(ref Running),
        KvCacheUsage = Volatile.Read(ref KvCacheUsage),
        Steps = Volatile.Read(ref Steps),
        Preemptions = Volatile.Read(ref Preemptions),
        PrefixCacheQueries = Volatile.Read(ref PrefixCacheQueries),
        PrefixCacheHits = Volatile.Read(ref PrefixCacheHits),
        PromptTokens = Volatile.Read(ref PromptTokens),
        GenerationTokens = Volatile.Read(ref GenerationTokens),
        CorruptedRequests = Volatile.Read(ref CorruptedRequests),
        Rejections = Volatile.Read(ref Rejections),
        FinishedStop = Volatile.Read(ref finished[(int)FinishReason.Stop]),
        FinishedLength = Volatile.Read(ref finished[(int)FinishReason.Length]),
        FinishedAbort = Volatile.Read(ref finished[(int)FinishReason.Abort]),
        FinishedError = Volatile.Read(ref finished[(int)FinishReason.Error]),
    };
}
