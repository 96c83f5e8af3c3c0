namespace Lapidary.Cli.Load;

/// <summary>How a time is spread over requests or tokens, in milliseconds. Percentiles interpolate linearly, as NumPy's do.</summary>
internal sealed record LatencySummary(double Mean, double Median, double Std, double P90, double P95, double P99)
{
    public static LatencySummary Of(IEnumerable<double> seconds)
    {
        double[] sorted = [.. seconds.Select(s => s * 1e3).Order()];
        if (sorted.Length == 0) return new LatencySummary(0, 0, 0, 0, 0, 0);
        double mean = sorted.Average();
        return new LatencySummary(
            mean, At(sorted, 0.5), Math.Sqrt(sorted.Average(x => (x - mean) * (x - mean))), At(sorted, 0.9), At(sorted, 0.95), At(sorted, 0.99));
    }

    private static double At(double[] sorted, double part)
    {
        double place = part * (sorted.Length - 1);
        int below = (int)place;
        double above = sorted[Math.Min(below + 1, sorted.Length - 1)];
        return sorted[below] + (place - below) * (above - sorted[below]);
    }
}
