using Lapidary.Generation;
using Lapidary.Speculation;

namespace Lapidary.Scheduling;

/// <summary>What the engine's thread counts and others read; each number by itself is up to date, all together need not be of one moment.</summary>
internal sealed class EngineCounters
{
    private readonly long[] finished = new long[Enum.GetValues<FinishReason>().Length], steps = new long[StepTokens.Bounds.Count + 1];
    private long stepTokens;

    public long Steps, Preemptions, PrefixCacheQueries, PrefixCacheHits, PromptTokens, GenerationTokens, CorruptedRequests, Rejections;
    public int Running;

    /// <summary>Choices that were accepted and have not ended; counted by those who submit too.</summary>
    public int Accepted;

    public double KvCacheUsage;

    public SpeculationCounters Speculation { get; } = new();

    public void Finish(FinishReason reason) => finished[(int)reason]++;

    public void Step(int tokens)
    {
        Steps++;
        steps[StepTokens.Bucket(tokens)]++;
        stepTokens += tokens;
    }

    public EngineStatistics Snapshot(EngineHealth health) => new()
    {
        Health = health,
        Running = Volatile.Read(ref Running),
        Waiting = Math.Max(0, Volatile.Read(ref Accepted) - Volatile.Read(ref Running)), // a step that ends texts counts them one after the other
        KvCacheUsage = Volatile.Read(ref KvCacheUsage),
        Steps = Volatile.Read(ref Steps),
        StepTokens = new StepTokens([.. steps], Volatile.Read(ref stepTokens)),
        Preemptions = Volatile.Read(ref Preemptions),
        PrefixCacheQueries = Volatile.Read(ref PrefixCacheQueries),
        PrefixCacheHits = Volatile.Read(ref PrefixCacheHits),
        PromptTokens = Volatile.Read(ref PromptTokens),
        GenerationTokens = Volatile.Read(ref GenerationTokens),
        CorruptedRequests = Volatile.Read(ref CorruptedRequests),
        Rejections = Volatile.Read(ref Rejections),
        Speculation = Speculation.Snapshot(),
        FinishedStop = Volatile.Read(ref finished[(int)FinishReason.Stop]),
        FinishedLength = Volatile.Read(ref finished[(int)FinishReason.Length]),
        FinishedAbort = Volatile.Read(ref finished[(int)FinishReason.Abort]),
        FinishedError = Volatile.Read(ref finished[(int)FinishReason.Error]),
    };
}
