using System.Runtime.CompilerServices;

namespace Lapidary.Cpu;

/// <summary>Loops over one row.</summary>
internal static unsafe class ElementWise
{
    /// <summary>output += x · factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddScaled<TSimd>(float* x, float factor, float* output, int n) where TSimd : struct, ISimd<TSimd>
    {
        TSimd factors = TSimd.Create(factor);
        int i = 0;
        for (; i <= n - TSimd.Count; i += TSimd.Count)
            TSimd.Store(TSimd.MultiplyAdd(TSimd.Load(x + i), factors, TSimd.Load(output + i)), output + i);
        for (; i < n; i++) output[i] += x[i] * factor;
    }

    /// <summary>x *= factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale<TSimd>(float* x, float factor, int n) where TSimd : struct, ISimd<TSimd>
    {
        TSimd factors = TSimd.Create(factor);
        int i = 0;
        for (; i <= n - TSimd.Count; i += TSimd.Count) TSimd.Store(TSimd.Load(x + i) * factors, x + i);
        for (; i < n; i++) x[i] *= factor;
    }
}

/// <summary>residual += x.</summary>
internal readonly unsafe struct AddJob(CpuBuffer x, CpuBuffer residual) : IParallelJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TSimd>(int worker, int workers) where TSimd : struct, ISimd<TSimd>
    {
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++)
        {
            float* source = x.Row(t), target = residual.Row(t);
            int i = 0;
            for (; i <= x.Columns - TSimd.Count; i += TSimd.Count)
                TSimd.Store(TSimd.Load(target + i) + TSimd.Load(source + i), target + i);
            for (; i < x.Columns; i++) target[i] += source[i];
        }
    }
}

/// <summary>x *= factor.</summary>
internal readonly unsafe struct ScaleJob(CpuBuffer x, float factor) : IParallelJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TSimd>(int worker, int workers) where TSimd : struct, ISimd<TSimd>
    {
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++) ElementWise.Scale<TSimd>(x.Row(t), factor, x.Columns);
    }
}
