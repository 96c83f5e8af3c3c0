using System.Runtime.CompilerServices;

namespace Lapidary.Cpu;

/// <summary>RMS normalisation of rows.</summary>
internal static unsafe class Normalization
{
    /// <summary>output = x · (mean(x²) + eps)^-0.5 · weight, all in float32; weight null for none; output may be x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RmsNorm<TLane>(float* x, float* weight, int n, float eps, float* output) where TLane : struct, IFloatLane<TLane>
    {
        TLane squares = TLane.Zero;
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count)
        {
            TLane value = TLane.Load(x + i);
            squares = TLane.MultiplyAdd(value, value, squares);
        }
        float sum = TLane.Sum(squares);
        for (; i < n; i++) sum += x[i] * x[i];

        float scale = 1 / MathF.Sqrt(sum / n + eps);
        TLane scales = TLane.Const(scale);
        for (i = 0; i <= n - TLane.Count; i += TLane.Count)
        {
            TLane value = TLane.Load(x + i) * scales;
            TLane.Store(weight == null ? value : value * TLane.Load(weight + i), output + i);
        }
        for (; i < n; i++) output[i] = x[i] * scale * (weight == null ? 1 : weight[i]);
    }
}

/// <summary>Normalises each group of columns of each row.</summary>
internal readonly unsafe struct RmsNormJob(CpuBuffer x, CpuBuffer? weight, int group, float eps, CpuBuffer output) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        float* w = weight is null ? null : weight.Row(0);
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++)
            for (int column = 0; column < x.Columns; column += group)
                Normalization.RmsNorm<TLane>(x.Row(t) + column, w, group, eps, output.Row(t) + column);
    }
}
