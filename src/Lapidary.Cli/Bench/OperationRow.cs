using Lapidary.Verification;

namespace Lapidary.Cli.Bench;

/// <summary>What the threads of this machine reach together, by probes beside the measurement.</summary>
internal readonly record struct Ceilings(double GbPerSecond, double GflopPerSecond);

/// <summary>One kind of operation in all repetitions together. What is not counted is null.</summary>
/// <param name="Share">Of the time of all operations here.</param>
/// <param name="ShareOfCeiling">The larger of what it takes of both: it cannot be faster than this share says. Products of integers and of
/// bfloat16 may pass what float32 allows, and weights that stay in a cache what memory does.</param>
/// <param name="Ceiling">Which of both that is: memory or compute.</param>
internal sealed record OperationRow(
    string Operation, int Calls, double Milliseconds, double Share, double? GbPerSecond, double? GflopPerSecond, double? ShareOfCeiling, string? Ceiling)
{
    /// <summary>Longest first.</summary>
    public static OperationRow[] Of(IReadOnlyDictionary<string, OperationTime> times, Ceilings ceilings)
    {
        double all = times.Values.Sum(time => time.Seconds);
        return [.. times.OrderByDescending(pair => pair.Value.Ticks).Select(pair => Of(pair.Key, pair.Value, all, ceilings))];
    }

    private static OperationRow Of(string operation, OperationTime time, double all, Ceilings ceilings)
    {
        (long bytes, long multiplyAdds) = time.Work;
        double reads = bytes / time.Seconds / 1e9, products = 2 * multiplyAdds / time.Seconds / 1e9;
        double ofMemory = reads / ceilings.GbPerSecond, ofArithmetic = products / ceilings.GflopPerSecond;
        OperationRow row = new(operation, time.Calls, 1000 * time.Seconds, time.Seconds / all, null, null, null, null);
        if (time.Work == default) return row;
        return row with
        {
            GbPerSecond = reads,
            GflopPerSecond = products,
            ShareOfCeiling = Math.Max(ofMemory, ofArithmetic),
            Ceiling = ofMemory >= ofArithmetic ? "memory" : "compute",
        };
    }
}
