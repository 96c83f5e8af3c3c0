using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Attention;

/// <summary>
/// Sums of weighted values, in the order of positions: each value is widened once for up to 4 queries. A few values are taken
/// at a time, their columns from first to last: memory is read in its order, and sums of 32 columns stay in registers meanwhile.
/// </summary>
internal static unsafe class ValueSums
{
    /// <summary>Values to be taken at a time: more would be read with strides that the processor does not foresee.</summary>
    public const int StepKeys = 8;

    /// <summary>sums[q] += Σ weights[q][k] · values[k], k from begin to end, for 1, 2 or 4 queries.</summary>
    /// <param name="weights">[count, 64]</param>
    /// <param name="at">Bytes from <paramref name="values"/> to each value of the tile.</param>
    /// <param name="ahead">Bytes from what is read to what is to be read soon.</param>
    /// <param name="sums">[count, dim], rows <paramref name="stride"/> apart</param>
    public static void Add<TLane, THead>(
        int count, float* weights, byte* values, nint* at, int begin, int end, int dim, int blockBytes, nint ahead, float* sums, int stride)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        if (begin >= end) return;
        if (count == 4) Four<TLane, THead>(weights, values, at, begin, end, dim, blockBytes, ahead, sums, stride);
        else if (count == 2) Two<TLane, THead>(weights, values, at, begin, end, dim, blockBytes, ahead, sums, stride);
        else One<TLane, THead>(weights, values, at, begin, end, dim, blockBytes, ahead, sums, stride);
    }

    /// <summary>4 queries: 8 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four<TLane, THead>(float* weights, byte* values, nint* at, int begin, int end, int dim, int blockBytes, nint ahead, float* o0, int stride)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        float* o1 = o0 + stride, o2 = o1 + stride, o3 = o2 + stride;
        for (int i = 0; i < dim; i += KeyValueTypes.BlockColumns, values += blockBytes)
        {
            for (int j = 0; j < 16; j += TLane.Count)
            {
                TLane a0 = TLane.Load(o0 + i + j), a1 = TLane.Load(o0 + i + 16 + j);
                TLane b0 = TLane.Load(o1 + i + j), b1 = TLane.Load(o1 + i + 16 + j);
                TLane c0 = TLane.Load(o2 + i + j), c1 = TLane.Load(o2 + i + 16 + j);
                TLane d0 = TLane.Load(o3 + i + j), d1 = TLane.Load(o3 + i + 16 + j);
                for (int k = begin; k < end; k++)
                {
                    byte* v = values + at[k];
                    THead.Prefetch(v + ahead);
                    TLane lower = THead.Lower<TLane>(v, j), upper = THead.Upper<TLane>(v, j), w = TLane.Broadcast(weights[k]);
                    a0 = TLane.MultiplyAdd(lower, w, a0);
                    a1 = TLane.MultiplyAdd(upper, w, a1);
                    w = TLane.Broadcast(weights[QueryBlock.TileKeys + k]);
                    b0 = TLane.MultiplyAdd(lower, w, b0);
                    b1 = TLane.MultiplyAdd(upper, w, b1);
                    w = TLane.Broadcast(weights[2 * QueryBlock.TileKeys + k]);
                    c0 = TLane.MultiplyAdd(lower, w, c0);
                    c1 = TLane.MultiplyAdd(upper, w, c1);
                    w = TLane.Broadcast(weights[3 * QueryBlock.TileKeys + k]);
                    d0 = TLane.MultiplyAdd(lower, w, d0);
                    d1 = TLane.MultiplyAdd(upper, w, d1);
                }
                TLane.Store(a0, o0 + i + j);
                TLane.Store(a1, o0 + i + 16 + j);
                TLane.Store(b0, o1 + i + j);
                TLane.Store(b1, o1 + i + 16 + j);
                TLane.Store(c0, o2 + i + j);
                TLane.Store(c1, o2 + i + 16 + j);
                TLane.Store(d0, o3 + i + j);
                TLane.Store(d1, o3 + i + 16 + j);
            }
        }
    }

    /// <summary>2 queries.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two<TLane, THead>(float* weights, byte* values, nint* at, int begin, int end, int dim, int blockBytes, nint ahead, float* o0, int stride)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        float* o1 = o0 + stride;
        for (int i = 0; i < dim; i += KeyValueTypes.BlockColumns, values += blockBytes)
        {
            for (int j = 0; j < 16; j += TLane.Count)
            {
                TLane a0 = TLane.Load(o0 + i + j), a1 = TLane.Load(o0 + i + 16 + j);
                TLane b0 = TLane.Load(o1 + i + j), b1 = TLane.Load(o1 + i + 16 + j);
                for (int k = begin; k < end; k++)
                {
                    byte* v = values + at[k];
                    THead.Prefetch(v + ahead);
                    TLane lower = THead.Lower<TLane>(v, j), upper = THead.Upper<TLane>(v, j), w = TLane.Broadcast(weights[k]);
                    a0 = TLane.MultiplyAdd(lower, w, a0);
                    a1 = TLane.MultiplyAdd(upper, w, a1);
                    w = TLane.Broadcast(weights[QueryBlock.TileKeys + k]);
                    b0 = TLane.MultiplyAdd(lower, w, b0);
                    b1 = TLane.MultiplyAdd(upper, w, b1);
                }
                TLane.Store(a0, o0 + i + j);
                TLane.Store(a1, o0 + i + 16 + j);
                TLane.Store(b0, o1 + i + j);
                TLane.Store(b1, o1 + i + 16 + j);
            }
        }
    }

    /// <summary>1 query.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<TLane, THead>(float* weights, byte* values, nint* at, int begin, int end, int dim, int blockBytes, nint ahead, float* o0, int stride)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        for (int i = 0; i < dim; i += KeyValueTypes.BlockColumns, values += blockBytes)
        {
            for (int j = 0; j < 16; j += TLane.Count)
            {
                TLane a0 = TLane.Load(o0 + i + j), a1 = TLane.Load(o0 + i + 16 + j);
                for (int k = begin; k < end; k++)
                {
                    byte* v = values + at[k];
                    THead.Prefetch(v + ahead);
                    TLane lower = THead.Lower<TLane>(v, j), upper = THead.Upper<TLane>(v, j), w = TLane.Broadcast(weights[k]);
                    a0 = TLane.MultiplyAdd(lower, w, a0);
                    a1 = TLane.MultiplyAdd(upper, w, a1);
                }
                TLane.Store(a0, o0 + i + j);
                TLane.Store(a1, o0 + i + 16 + j);
            }
        }
    }
}
