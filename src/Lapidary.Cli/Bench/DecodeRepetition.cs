namespace Lapidary.Cli.Bench;

/// <summary>What the machine does between two repetitions: on a shared one it moves within seconds, so each repetition has two of its own.</summary>
internal sealed record MachineMoment(double GbPerSecond, double? RoundTripNanoseconds)
{
    public static MachineMoment Measure(BandwidthProbe probe, int threads) => new(probe.Measure(), HandoverProbe.Measure(threads));
}

/// <summary>One repetition of decode beside the memory's speed just before and after it.</summary>
/// <param name="ProbeGbPerSecond">The mean of both; also what <paramref name="ShareOfProbe"/> is a share of.</param>
/// <param name="RoundTripNanoseconds">The larger of both; nothing for one thread.</param>
internal sealed record DecodeRepetition(
    double TokensPerSecond, double ProbeGbPerSecond, double ProbeBeforeGbPerSecond, double ProbeAfterGbPerSecond, double ShareOfProbe, double? RoundTripNanoseconds)
{
    /// <param name="gigabytes">Weights, keys and values that a step reads, for each of its texts.</param>
    public static DecodeRepetition Of(double tokensPerSecond, double gigabytes, MachineMoment before, MachineMoment after)
    {
        double reads = (before.GbPerSecond + after.GbPerSecond) / 2;
        return new DecodeRepetition(
            tokensPerSecond, reads, before.GbPerSecond, after.GbPerSecond, gigabytes * tokensPerSecond / reads,
            before.RoundTripNanoseconds is { } a && after.RoundTripNanoseconds is { } b ? Math.Max(a, b) : null);
    }
}
