using System.Runtime.CompilerServices;

namespace Lapidary.Cpu;

/// <summary>RMS normalisation of rows.</summary>
internal static unsafe class Normalization
{
    /// <summary>output = x · (mean(x²) + eps)^-0.5 · weight, all in float32; weight null for none; output may be x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RmsNorm<TSimd>(float* x, float* weight, int n, float eps, float* output) where TSimd : struct, ISimd<TSimd>
    {
        TSimd squares = TSimd.Zero;
        int i = 0;
        for (; i <= n - TSimd.Count; i += TSimd.Count)
        {
            TSimd value = TSimd.Load(x + i);
            squares = TSimd.MultiplyAdd(value, value, squares);
        }
        float sum = TSimd.Sum(squares);
        for (; i < n; i++) sum += x[i] * x[i];

        float scale = 1 / MathF.Sqrt(sum / n + eps);
        TSimd scales = TSimd.Create(scale);
        for (i = 0; i <= n - TSimd.Count; i += TSimd.Count)
        {
            TSimd value = TSimd.Load(x + i) * scales;
            TSimd.Store(weight == null ? value : value * TSimd.Load(weight + i), output + i);
        }
        for (; i < n; i++) output[i] = x[i] * scale * (weight == null ? 1 : weight[i]);
    }
}

/// <summary>Normalises each group of columns of each row.</summary>
internal readonly unsafe struct RmsNormJob(CpuBuffer x, CpuBuffer? weight, int group, float eps, CpuBuffer output) : IParallelJob
{
    public void Run<TSimd>(int worker, int workers) where TSimd : struct, ISimd<TSimd>
    {
        float* w = weight is null ? null : weight.Row(0);
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++)
            for (int column = 0; column < x.Columns; column += group)
                Normalization.RmsNorm<TSimd>(x.Row(t) + column, w, group, eps, output.Row(t) + column);
    }
}
