using System.Runtime.CompilerServices;

namespace Lapidary.Cpu;

/// <summary>Rotary position embedding of pairs (i, i + headDim/2), as HuggingFace's rotate_half.</summary>
internal static unsafe class RotaryEmbedding
{
    /// <summary>Rotates one head in place; pairs beyond the table's n frequencies do not turn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Rotate<TLane>(float* head, float* cos, float* sin, int n, int half) where TLane : struct, IFloatLane<TLane>
    {
        float* a = head, b = head + half;
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count)
        {
            TLane first = TLane.Load(a + i), second = TLane.Load(b + i), c = TLane.Load(cos + i), s = TLane.Load(sin + i);
            TLane.Store(first * c - second * s, a + i);
            TLane.Store(second * c + first * s, b + i);
        }
        for (; i < n; i++)
        {
            float first = a[i], second = b[i];
            a[i] = first * cos[i] - second * sin[i];
            b[i] = second * cos[i] + first * sin[i];
        }
    }
}

/// <summary>cosSin[t] = cos(p·f) for n frequencies, then sin; the angle is one float32 product, as in HuggingFace.</summary>
internal readonly unsafe struct RotaryTableJob(CpuBuffer positions, CpuBuffer frequencies, CpuBuffer cosSin) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        int n = frequencies.Columns;
        float* f = frequencies.Row(0);
        (int from, int to) = Share.Of(positions.Rows, worker, workers);
        for (int t = from; t < to; t++)
        {
            float position = positions.IntRow(t)[0];
            float* cos = cosSin.Row(t), sin = cos + n;
            for (int i = 0; i < n; i++) (sin[i], cos[i]) = MathF.SinCos(position * f[i]);
        }
    }
}

/// <summary>Every head of every row.</summary>
internal readonly unsafe struct RotateJob(CpuBuffer x, CpuBuffer cosSin, int headDim) : IParallelJob
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        int n = cosSin.Columns / 2;
        (int from, int to) = Share.Of(x.Rows, worker, workers);
        for (int t = from; t < to; t++)
            for (int head = 0; head < x.Columns; head += headDim)
                RotaryEmbedding.Rotate<TLane>(x.Row(t) + head, cosSin.Row(t), cosSin.Row(t) + n, n, headDim / 2);
    }
}
