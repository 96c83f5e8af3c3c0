namespace Lapidary.Server.Metrics;

/// <summary>Counts of values by size. Any thread may observe.</summary>
internal sealed class Histogram(string name, string help, IReadOnlyList<double> bounds)
{
    private readonly double[] bounds = [.. bounds];
    private readonly long[] counts = new long[bounds.Count + 1]; // the last for what exceeds every bound
    private double sum;

    public string Name => name;
    public string Help => help;

    public void Observe(double value)
    {
        int bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket]) bucket++;
        Interlocked.Increment(ref counts[bucket]);
        double before = Volatile.Read(ref sum);
        while (true)
        {
            double seen = Interlocked.CompareExchange(ref sum, before + value, before);
            if (seen.Equals(before)) return;
            before = seen;
        }
    }

    /// <summary>Calls back with each bound and how many values do not exceed it; the last bound is infinite.</summary>
    /// <returns>Number and sum of all values.</returns>
    public (long Count, double Sum) Read(Action<double, long> bucket)
    {
        long total = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            total += Volatile.Read(ref counts[i]);
            bucket(i < bounds.Length ? bounds[i] : double.PositiveInfinity, total);
        }
        return (total, Volatile.Read(ref sum));
    }

    /// <summary>1, 2, 5, 10, … up to a largest value, as vLLM has for token counts.</summary>
    public static IReadOnlyList<double> OneTwoFive(int largest)
    {
        List<double> bounds = [];
        for (double decade = 1; ; decade *= 10)
            foreach (int step in (int[])[1, 2, 5])
            {
                if (decade * step > largest) return bounds;
                bounds.Add(decade * step);
            }
    }
}
