using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Attention;

/// <summary>A query: one head of one token, and the positions it sees.</summary>
internal readonly unsafe struct Query(float* query, float* output, int first, int last)
{
    public readonly float* Values = query;
    public readonly float* Output = output;
    public readonly int First = first, Last = last;
}

/// <summary>
/// Up to 4 queries of one sequence that share a head of keys and values, with a running maximum and sum each (online softmax),
/// so that no buffer grows with the context. Keys come in tiles of 64 positions, aligned to multiples of 64; where all queries
/// see a whole tile its keys and values are read once for all. Every sum takes its terms in one order whatever the block, so a
/// query's result does not depend on what it is computed with.
/// </summary>
internal static unsafe class CausalAttention
{
    public const int BlockQueries = 4;
    private const int TileKeys = 64, BlockKeys = 4, BlockVectors = 4;

    /// <param name="keys">first key of this head in cache row 0; cache rows are <paramref name="stride"/> apart</param>
    /// <param name="table">block table of the sequence</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Block<TLane>(
        ReadOnlySpan<Query> queries, float* keys, float* values, nint stride, int* table, int blockSize, int headDim)
        where TLane : struct, IFloatLane<TLane>
    {
        float* scores = stackalloc float[BlockQueries * TileKeys];
        nint* rows = stackalloc nint[TileKeys];
        float* max = stackalloc float[BlockQueries], sum = stackalloc float[BlockQueries];
        int first = int.MaxValue, last = 0, latestFirst = 0, earliestLast = int.MaxValue;
        for (int q = 0; q < queries.Length; q++)
        {
            first = Math.Min(first, queries[q].First);
            last = Math.Max(last, queries[q].Last);
            latestFirst = Math.Max(latestFirst, queries[q].First);
            earliestLast = Math.Min(earliestLast, queries[q].Last);
            (max[q], sum[q]) = (float.NegativeInfinity, 0);
            new Span<float>(queries[q].Output, headDim).Clear();
        }

        for (int tile = first / TileKeys * TileKeys; tile <= last; tile += TileKeys)
        {
            int from = Math.Max(tile, first), to = Math.Min(tile + TileKeys - 1, last);
            for (int position = from; position <= to; position++)
                rows[position - tile] = ((nint)table[position / blockSize] * blockSize + position % blockSize) * stride;
            bool shared = queries.Length == BlockQueries && tile >= latestFirst && tile + TileKeys - 1 <= earliestLast;
            if (shared) Scores<TLane>(queries, keys, rows, scores, headDim);
            for (int q = 0; q < queries.Length; q++)
            {
                int begin = Math.Max(tile, queries[q].First) - tile, end = Math.Min(tile + TileKeys - 1, queries[q].Last) - tile + 1;
                if (begin >= end) continue;
                float* row = scores + q * TileKeys;
                if (!shared)
                    for (int j = begin; j < end; j++) row[j] = Dot<TLane>(queries[q].Values, keys + rows[j], headDim);
                Softmax<TLane>(row + begin, end - begin, ref max[q], ref sum[q], queries[q].Output, headDim);
                if (!shared)
                    for (int j = begin; j < end; j++) ElementWise.AddScaled<TLane>(values + rows[j], row[j], queries[q].Output, headDim);
            }
            if (shared) AddValues<TLane>(queries, values, rows, scores, headDim);
        }
        for (int q = 0; q < queries.Length; q++) ElementWise.Scale<TLane>(queries[q].Output, 1 / sum[q], headDim);
    }

    /// <summary>Scores to weights e^(score - maximum); when the maximum rises, earlier results shrink.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Softmax<TLane>(float* scores, int count, ref float max, ref float sum, float* output, int headDim)
        where TLane : struct, IFloatLane<TLane>
    {
        float tileMax = float.NegativeInfinity;
        for (int j = 0; j < count; j++) tileMax = MathF.Max(tileMax, scores[j]);
        if (tileMax > max)
        {
            float rescale = MathF.Exp(max - tileMax); // 0 for the first tile
            sum *= rescale;
            ElementWise.Scale<TLane>(output, rescale, headDim);
            max = tileMax;
        }
        sum += ElementWise.ExpSum<TLane>(scores, max, count);
    }

    /// <summary>4 queries × 64 keys, in blocks of 4 × 4: 8 loads for 16 products.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores<TLane>(ReadOnlySpan<Query> queries, float* keys, nint* rows, float* scores, int headDim)
        where TLane : struct, IFloatLane<TLane>
    {
        float* q0 = queries[0].Values, q1 = queries[1].Values, q2 = queries[2].Values, q3 = queries[3].Values;
        for (int j = 0; j < TileKeys; j += BlockKeys)
        {
            float* k0 = keys + rows[j], k1 = keys + rows[j + 1], k2 = keys + rows[j + 2], k3 = keys + rows[j + 3];
            TLane a0 = TLane.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
            int i = 0;
            for (; i <= headDim - TLane.Count; i += TLane.Count)
            {
                TLane x0 = TLane.Load(k0 + i), x1 = TLane.Load(k1 + i), x2 = TLane.Load(k2 + i), x3 = TLane.Load(k3 + i), q = TLane.Load(q0 + i);
                a0 = TLane.MultiplyAdd(q, x0, a0);
                a1 = TLane.MultiplyAdd(q, x1, a1);
                a2 = TLane.MultiplyAdd(q, x2, a2);
                a3 = TLane.MultiplyAdd(q, x3, a3);
                q = TLane.Load(q1 + i);
                b0 = TLane.MultiplyAdd(q, x0, b0);
                b1 = TLane.MultiplyAdd(q, x1, b1);
                b2 = TLane.MultiplyAdd(q, x2, b2);
                b3 = TLane.MultiplyAdd(q, x3, b3);
                q = TLane.Load(q2 + i);
                c0 = TLane.MultiplyAdd(q, x0, c0);
                c1 = TLane.MultiplyAdd(q, x1, c1);
                c2 = TLane.MultiplyAdd(q, x2, c2);
                c3 = TLane.MultiplyAdd(q, x3, c3);
                q = TLane.Load(q3 + i);
                d0 = TLane.MultiplyAdd(q, x0, d0);
                d1 = TLane.MultiplyAdd(q, x1, d1);
                d2 = TLane.MultiplyAdd(q, x2, d2);
                d3 = TLane.MultiplyAdd(q, x3, d3);
            }
            float* s = scores + j;
            Finish(a0, a1, a2, a3, q0, k0, k1, k2, k3, i, headDim, s);
            Finish(b0, b1, b2, b3, q1, k0, k1, k2, k3, i, headDim, s + TileKeys);
            Finish(c0, c1, c2, c3, q2, k0, k1, k2, k3, i, headDim, s + 2 * TileKeys);
            Finish(d0, d1, d2, d3, q3, k0, k1, k2, k3, i, headDim, s + 3 * TileKeys);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TLane>(
        TLane s0, TLane s1, TLane s2, TLane s3, float* q, float* k0, float* k1, float* k2, float* k3, int done, int headDim, float* scores)
        where TLane : struct, IFloatLane<TLane>
    {
        scores[0] = Rest(TLane.Sum(s0), q, k0, done, headDim);
        scores[1] = Rest(TLane.Sum(s1), q, k1, done, headDim);
        scores[2] = Rest(TLane.Sum(s2), q, k2, done, headDim);
        scores[3] = Rest(TLane.Sum(s3), q, k3, done, headDim);
    }

    /// <summary>output[q] += Σ weight · value over 64 values, 4 queries × 4 vectors of columns at a time in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddValues<TLane>(ReadOnlySpan<Query> queries, float* values, nint* rows, float* weights, int headDim)
        where TLane : struct, IFloatLane<TLane>
    {
        float* o0 = queries[0].Output, o1 = queries[1].Output, o2 = queries[2].Output, o3 = queries[3].Output;
        int n = TLane.Count, i = 0;
        for (; i <= headDim - BlockVectors * n; i += BlockVectors * n)
        {
            TLane a0 = TLane.Load(o0 + i), a1 = TLane.Load(o0 + i + n), a2 = TLane.Load(o0 + i + 2 * n), a3 = TLane.Load(o0 + i + 3 * n);
            TLane b0 = TLane.Load(o1 + i), b1 = TLane.Load(o1 + i + n), b2 = TLane.Load(o1 + i + 2 * n), b3 = TLane.Load(o1 + i + 3 * n);
            TLane c0 = TLane.Load(o2 + i), c1 = TLane.Load(o2 + i + n), c2 = TLane.Load(o2 + i + 2 * n), c3 = TLane.Load(o2 + i + 3 * n);
            TLane d0 = TLane.Load(o3 + i), d1 = TLane.Load(o3 + i + n), d2 = TLane.Load(o3 + i + 2 * n), d3 = TLane.Load(o3 + i + 3 * n);
            for (int j = 0; j < TileKeys; j++)
            {
                float* v = values + rows[j] + i;
                TLane v0 = TLane.Load(v), v1 = TLane.Load(v + n), v2 = TLane.Load(v + 2 * n), v3 = TLane.Load(v + 3 * n), w = TLane.Broadcast(weights[j]);
                a0 = TLane.MultiplyAdd(v0, w, a0);
                a1 = TLane.MultiplyAdd(v1, w, a1);
                a2 = TLane.MultiplyAdd(v2, w, a2);
                a3 = TLane.MultiplyAdd(v3, w, a3);
                w = TLane.Broadcast(weights[TileKeys + j]);
                b0 = TLane.MultiplyAdd(v0, w, b0);
                b1 = TLane.MultiplyAdd(v1, w, b1);
                b2 = TLane.MultiplyAdd(v2, w, b2);
                b3 = TLane.MultiplyAdd(v3, w, b3);
                w = TLane.Broadcast(weights[2 * TileKeys + j]);
                c0 = TLane.MultiplyAdd(v0, w, c0);
                c1 = TLane.MultiplyAdd(v1, w, c1);
                c2 = TLane.MultiplyAdd(v2, w, c2);
                c3 = TLane.MultiplyAdd(v3, w, c3);
                w = TLane.Broadcast(weights[3 * TileKeys + j]);
                d0 = TLane.MultiplyAdd(v0, w, d0);
                d1 = TLane.MultiplyAdd(v1, w, d1);
                d2 = TLane.MultiplyAdd(v2, w, d2);
                d3 = TLane.MultiplyAdd(v3, w, d3);
            }
            Store(a0, a1, a2, a3, o0 + i);
            Store(b0, b1, b2, b3, o1 + i);
            Store(c0, c1, c2, c3, o2 + i);
            Store(d0, d1, d2, d3, o3 + i);
        }
        if (i == headDim) return;
        for (int q = 0; q < BlockQueries; q++)
            for (int j = 0; j < TileKeys; j++)
                ElementWise.AddScaled<TLane>(values + rows[j] + i, weights[q * TileKeys + j], queries[q].Output + i, headDim - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TLane>(TLane v0, TLane v1, TLane v2, TLane v3, float* target) where TLane : struct, IFloatLane<TLane>
    {
        TLane.Store(v0, target);
        TLane.Store(v1, target + TLane.Count);
        TLane.Store(v2, target + 2 * TLane.Count);
        TLane.Store(v3, target + 3 * TLane.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot<TLane>(float* a, float* b, int n) where TLane : struct, IFloatLane<TLane>
    {
        TLane sum = TLane.Zero;
        int i = 0;
        for (; i <= n - TLane.Count; i += TLane.Count) sum = TLane.MultiplyAdd(TLane.Load(a + i), TLane.Load(b + i), sum);
        return Rest(TLane.Sum(sum), a, b, i, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Rest(float sum, float* a, float* b, int from, int n)
    {
        for (int i = from; i < n; i++) sum += a[i] * b[i];
        return sum;
    }
}
