using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>
/// What a backend states that it does to hidden states, done once more in float64 from the statement alone: shares no code
/// and no table with the kernels.
/// </summary>
internal static class ReferenceRounding
{
    private const int BFloat16Digits = 8; // bits of the significand, the leading one included
    private const double Int8Steps = 127;

    /// <param name="order">The columns in the order in which they are grouped; empty for their own.</param>
    /// <returns>[columns], in their own order; <paramref name="x"/> itself when nothing is rounded.</returns>
    public static double[] Round(HiddenPrecision precision, double[] x, int[] order) => precision.Type switch
    {
        DType.F32 => x,
        DType.BF16 => [.. x.Select(ToBFloat16)],
        DType.I8 when precision.Group > 0 => ToInt8(x, order, precision.Group),
        _ => throw new BackendException($"nobody has written how to round hidden states to {precision}; add it to {nameof(ReferenceRounding)}"),
    };

    private static double ToBFloat16(double value)
    {
        if (value == 0) return 0;
        double unit = Math.Pow(2, Math.Floor(Math.Log2(Math.Abs(value))) + 1 - BFloat16Digits);
        return Math.Round(value / unit, MidpointRounding.ToEven) * unit;
    }

    private static double[] ToInt8(double[] x, int[] order, int group)
    {
        var rounded = new double[x.Length];
        IEnumerable<int> columns = order.Length == 0 ? Enumerable.Range(0, x.Length) : order;
        foreach (int[] shared in columns.Chunk(group))
        {
            double step = shared.Max(c => Math.Abs(x[c])) / Int8Steps;
            if (step == 0) continue;
            foreach (int c in shared) rounded[c] = Math.Round(x[c] / step, MidpointRounding.ToEven) * step;
        }
        return rounded;
    }
}
