using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Cpu.Attention;

/// <summary>
/// Products of queries with keys, 4 keys at a time: each key is widened once for up to 4 queries. A product is
/// summed in the same order whichever others are computed beside it.
/// </summary>
internal static unsafe class KeyProducts
{
    public const int StepKeys = 4;

    /// <param name="queries">[count, dim]</param>
    /// <param name="at">Bytes from <paramref name="keys"/> to each of the 4.</param>
    /// <param name="ahead">Bytes from what is read to what is to be read soon.</param>
    /// <param name="scores">4 for each query, <see cref="QueryBlock.TileKeys"/> apart</param>
    public static void Compute<TLane, THead>(float* queries, int count, int dim, byte* keys, nint* at, int blockBytes, nint ahead, float* scores)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        for (int q = 0, step; q < count; q += step)
        {
            step = QueryBlock.Together(Math.Min(count - q, TLane.Count == Vector256<float>.Count ? 2 : 4)); // 16 sums leave AVX2's 16 registers nothing to multiply with
            float* from = queries + (nint)q * dim, to = scores + q * QueryBlock.TileKeys;
            if (step == 4) Four<TLane, THead>(from, dim, keys, at, blockBytes, q == 0 ? ahead : 0, to);
            else if (step == 2) Two<TLane, THead>(from, dim, keys, at, blockBytes, q == 0 ? ahead : 0, to);
            else One<TLane, THead>(from, dim, keys, at, blockBytes, q == 0 ? ahead : 0, to);
        }
    }

    /// <summary>4 queries × 4 keys: 8 loads for 16 products.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four<TLane, THead>(float* q0, int dim, byte* keys, nint* at, int blockBytes, nint ahead, float* scores)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        float* q1 = q0 + dim, q2 = q1 + dim, q3 = q2 + dim;
        byte* k0 = keys + at[0], k1 = keys + at[1], k2 = keys + at[2], k3 = keys + at[3];
        TLane a0 = TLane.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        for (int i = 0; i < dim; i += KeyValueTypes.BlockColumns, k0 += blockBytes, k1 += blockBytes, k2 += blockBytes, k3 += blockBytes)
        {
            THead.Prefetch(k0 + ahead);
            THead.Prefetch(k1 + ahead);
            THead.Prefetch(k2 + ahead);
            THead.Prefetch(k3 + ahead);
            for (int j = 0; j < 16; j += TLane.Count)
            {
                TLane x0 = THead.Lower<TLane>(k0, j), x1 = THead.Lower<TLane>(k1, j), x2 = THead.Lower<TLane>(k2, j), x3 = THead.Lower<TLane>(k3, j), q = TLane.Load(q0 + i + j);
                a0 = TLane.MultiplyAdd(q, x0, a0);
                a1 = TLane.MultiplyAdd(q, x1, a1);
                a2 = TLane.MultiplyAdd(q, x2, a2);
                a3 = TLane.MultiplyAdd(q, x3, a3);
                q = TLane.Load(q1 + i + j);
                b0 = TLane.MultiplyAdd(q, x0, b0);
                b1 = TLane.MultiplyAdd(q, x1, b1);
                b2 = TLane.MultiplyAdd(q, x2, b2);
                b3 = TLane.MultiplyAdd(q, x3, b3);
                q = TLane.Load(q2 + i + j);
                c0 = TLane.MultiplyAdd(q, x0, c0);
                c1 = TLane.MultiplyAdd(q, x1, c1);
                c2 = TLane.MultiplyAdd(q, x2, c2);
                c3 = TLane.MultiplyAdd(q, x3, c3);
                q = TLane.Load(q3 + i + j);
                d0 = TLane.MultiplyAdd(q, x0, d0);
                d1 = TLane.MultiplyAdd(q, x1, d1);
                d2 = TLane.MultiplyAdd(q, x2, d2);
                d3 = TLane.MultiplyAdd(q, x3, d3);
                (x0, x1, x2, x3, q) = (THead.Upper<TLane>(k0, j), THead.Upper<TLane>(k1, j), THead.Upper<TLane>(k2, j), THead.Upper<TLane>(k3, j), TLane.Load(q0 + i + 16 + j));
                a0 = TLane.MultiplyAdd(q, x0, a0);
                a1 = TLane.MultiplyAdd(q, x1, a1);
                a2 = TLane.MultiplyAdd(q, x2, a2);
                a3 = TLane.MultiplyAdd(q, x3, a3);
                q = TLane.Load(q1 + i + 16 + j);
                b0 = TLane.MultiplyAdd(q, x0, b0);
                b1 = TLane.MultiplyAdd(q, x1, b1);
                b2 = TLane.MultiplyAdd(q, x2, b2);
                b3 = TLane.MultiplyAdd(q, x3, b3);
                q = TLane.Load(q2 + i + 16 + j);
                c0 = TLane.MultiplyAdd(q, x0, c0);
                c1 = TLane.MultiplyAdd(q, x1, c1);
                c2 = TLane.MultiplyAdd(q, x2, c2);
                c3 = TLane.MultiplyAdd(q, x3, c3);
                q = TLane.Load(q3 + i + 16 + j);
                d0 = TLane.MultiplyAdd(q, x0, d0);
                d1 = TLane.MultiplyAdd(q, x1, d1);
                d2 = TLane.MultiplyAdd(q, x2, d2);
                d3 = TLane.MultiplyAdd(q, x3, d3);
            }
        }
        TLane.StoreSums(a0, a1, a2, a3, scores);
        TLane.StoreSums(b0, b1, b2, b3, scores + QueryBlock.TileKeys);
        TLane.StoreSums(c0, c1, c2, c3, scores + 2 * QueryBlock.TileKeys);
        TLane.StoreSums(d0, d1, d2, d3, scores + 3 * QueryBlock.TileKeys);
    }

    /// <summary>2 queries × 4 keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two<TLane, THead>(float* q0, int dim, byte* keys, nint* at, int blockBytes, nint ahead, float* scores)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        float* q1 = q0 + dim;
        byte* k0 = keys + at[0], k1 = keys + at[1], k2 = keys + at[2], k3 = keys + at[3];
        TLane a0 = TLane.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        for (int i = 0; i < dim; i += KeyValueTypes.BlockColumns, k0 += blockBytes, k1 += blockBytes, k2 += blockBytes, k3 += blockBytes)
        {
            THead.Prefetch(k0 + ahead);
            THead.Prefetch(k1 + ahead);
            THead.Prefetch(k2 + ahead);
            THead.Prefetch(k3 + ahead);
            for (int j = 0; j < 16; j += TLane.Count)
            {
                TLane x0 = THead.Lower<TLane>(k0, j), x1 = THead.Lower<TLane>(k1, j), x2 = THead.Lower<TLane>(k2, j), x3 = THead.Lower<TLane>(k3, j), q = TLane.Load(q0 + i + j);
                a0 = TLane.MultiplyAdd(q, x0, a0);
                a1 = TLane.MultiplyAdd(q, x1, a1);
                a2 = TLane.MultiplyAdd(q, x2, a2);
                a3 = TLane.MultiplyAdd(q, x3, a3);
                q = TLane.Load(q1 + i + j);
                b0 = TLane.MultiplyAdd(q, x0, b0);
                b1 = TLane.MultiplyAdd(q, x1, b1);
                b2 = TLane.MultiplyAdd(q, x2, b2);
                b3 = TLane.MultiplyAdd(q, x3, b3);
                (x0, x1, x2, x3, q) = (THead.Upper<TLane>(k0, j), THead.Upper<TLane>(k1, j), THead.Upper<TLane>(k2, j), THead.Upper<TLane>(k3, j), TLane.Load(q0 + i + 16 + j));
                a0 = TLane.MultiplyAdd(q, x0, a0);
                a1 = TLane.MultiplyAdd(q, x1, a1);
                a2 = TLane.MultiplyAdd(q, x2, a2);
                a3 = TLane.MultiplyAdd(q, x3, a3);
                q = TLane.Load(q1 + i + 16 + j);
                b0 = TLane.MultiplyAdd(q, x0, b0);
                b1 = TLane.MultiplyAdd(q, x1, b1);
                b2 = TLane.MultiplyAdd(q, x2, b2);
                b3 = TLane.MultiplyAdd(q, x3, b3);
            }
        }
        TLane.StoreSums(a0, a1, a2, a3, scores);
        TLane.StoreSums(b0, b1, b2, b3, scores + QueryBlock.TileKeys);
    }

    /// <summary>1 query × 4 keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<TLane, THead>(float* q0, int dim, byte* keys, nint* at, int blockBytes, nint ahead, float* scores)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        byte* k0 = keys + at[0], k1 = keys + at[1], k2 = keys + at[2], k3 = keys + at[3];
        TLane a0 = TLane.Zero, a1 = a0, a2 = a0, a3 = a0;
        for (int i = 0; i < dim; i += KeyValueTypes.BlockColumns, k0 += blockBytes, k1 += blockBytes, k2 += blockBytes, k3 += blockBytes)
        {
            THead.Prefetch(k0 + ahead);
            THead.Prefetch(k1 + ahead);
            THead.Prefetch(k2 + ahead);
            THead.Prefetch(k3 + ahead);
            for (int j = 0; j < 16; j += TLane.Count)
            {
                TLane x0 = THead.Lower<TLane>(k0, j), x1 = THead.Lower<TLane>(k1, j), x2 = THead.Lower<TLane>(k2, j), x3 = THead.Lower<TLane>(k3, j), q = TLane.Load(q0 + i + j);
                a0 = TLane.MultiplyAdd(q, x0, a0);
                a1 = TLane.MultiplyAdd(q, x1, a1);
                a2 = TLane.MultiplyAdd(q, x2, a2);
                a3 = TLane.MultiplyAdd(q, x3, a3);
                (x0, x1, x2, x3, q) = (THead.Upper<TLane>(k0, j), THead.Upper<TLane>(k1, j), THead.Upper<TLane>(k2, j), THead.Upper<TLane>(k3, j), TLane.Load(q0 + i + 16 + j));
                a0 = TLane.MultiplyAdd(q, x0, a0);
                a1 = TLane.MultiplyAdd(q, x1, a1);
                a2 = TLane.MultiplyAdd(q, x2, a2);
                a3 = TLane.MultiplyAdd(q, x3, a3);
            }
        }
        TLane.StoreSums(a0, a1, a2, a3, scores);
    }
}
