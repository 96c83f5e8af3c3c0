namespace Lapidary.Cli.Reports;

/// <summary>A vertical axis of powers of ten for values that may be zero, which lie on its foot.</summary>
internal sealed class LogAxis
{
    private const int MostDecades = 12;
    private readonly int low, high;
    private readonly double top, bottom;

    /// <param name="top">y of the largest.</param> <param name="bottom">y of the smallest, and of zero.</param>
    public LogAxis(IEnumerable<double> values, double top, double bottom)
    {
        double[] positive = [.. values.Where(v => v > 0)];
        high = positive.Length == 0 ? 0 : (int)Math.Ceiling(Math.Log10(positive.Max()));
        low = positive.Length == 0 ? -1 : Math.Clamp((int)Math.Floor(Math.Log10(positive.Min())), high - MostDecades, high - 1);
        this.top = top;
        this.bottom = bottom;
    }

    public double Y(double value) => value <= 0 ? bottom : Place(Math.Max(Math.Log10(value), low));

    /// <summary>Each power of ten, or every second or third where they stand close.</summary>
    public IEnumerable<(double Y, string Label)> Ticks()
    {
        int step = (high - low + 5) / 6;
        for (int decade = low; decade <= high; decade += step) yield return (Place(decade), $"1e{decade}");
    }

    private double Place(double exponent) => bottom + (exponent - low) / (high - low) * (top - bottom);
}
