namespace Lapidary.Verification;

/// <summary>A sample of numbers in a few: what a table shows of it.</summary>
/// <param name="Median">The 50th percentile; percentiles interpolate between neighbours, as numpy's do.</param>
public sealed record Distribution(double Mean, double Min, double Median, double P90, double P99, double Max)
{
    /// <param name="values">At least one.</param>
    public static Distribution Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values];
        ArgumentOutOfRangeException.ThrowIfZero(sorted.Length);
        double mean = sorted.Sum() / sorted.Length;
        Array.Sort(sorted);
        return new Distribution(mean, sorted[0], Percentile(sorted, 50), Percentile(sorted, 90), Percentile(sorted, 99), sorted[^1]);
    }

    /// <summary>Linear between the two values on either side of rank p/100 · (n - 1).</summary>
    public static double Percentile(ReadOnlySpan<double> sorted, double p)
    {
        double rank = p / 100 * (sorted.Length - 1);
        int below = (int)rank;
        return below + 1 < sorted.Length ? sorted[below] + (rank - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
    }
}
