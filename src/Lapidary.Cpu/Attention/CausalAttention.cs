using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Attention;

/// <summary>Keys that are needed after those of a call; without any, nothing is asked for.</summary>
internal readonly unsafe record struct FollowingKeys(int Head, nint Blocks, int First, int Count)
{
    /// <summary>Block table of their sequence.</summary>
    public int* Table => (int*)Blocks;
}

/// <summary>
/// Attention of a block of queries to a range of positions, with a running maximum and sum for each (online softmax), so that no
/// buffer grows with the context. Keys come in tiles of 64 positions, aligned to multiples of 64: a tile's keys and values are
/// read from memory once for all queries. Every sum takes its terms in one order whatever the block, so a query's result does
/// not depend on what it is computed with.
/// </summary>
internal static unsafe class CausalAttention
{
    private const int TileKeys = QueryBlock.TileKeys;

    /// <param name="head">Head of keys and values.</param>
    /// <param name="table">block table of the sequence</param>
    /// <param name="from">A multiple of 64.</param> <param name="to">First position after the range.</param>
    /// <param name="following">What is to be computed next.</param>
    /// <param name="partials">A <see cref="PartialRow"/> for each query.</param>
    public static void Part<TLane>(
        ref readonly QueryBlock block, CpuKeyValues cache, int head, int* table, int blockSize, int from, int to, FollowingKeys following, float* partials)
        where TLane : struct, IFloatLane<TLane>
    {
        switch (cache.Type)
        {
            case KeyValueType.F32: Part<TLane, FloatHead>(in block, cache, head, table, blockSize, from, to, following, partials); break;
            case KeyValueType.BF16: Part<TLane, BFloat16Head>(in block, cache, head, table, blockSize, from, to, following, partials); break;
            case KeyValueType.Q8_0: Part<TLane, Int8Head>(in block, cache, head, table, blockSize, from, to, following, partials); break;
            default: throw new InvalidOperationException($"keys and values in {cache.Type}");
        }
    }

    private static void Part<TLane, THead>(
        ref readonly QueryBlock block, CpuKeyValues cache, int head, int* table, int blockSize, int from, int to, FollowingKeys following, float* partials)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        float* scores = stackalloc float[QueryBlock.MaxQueries * TileKeys];
        nint* at = stackalloc nint[TileKeys], next = stackalloc nint[TileKeys];
        int dim = block.Dim, row = PartialRow.Length(dim), blockBytes = cache.Type.BlockBytes();
        for (int q = 0; q < block.Count; q++) PartialRow.Clear(partials + q * row, dim);
        (from, to) = (Math.Max(from, block.First), Math.Min(to, block.End));
        int tile = from / TileKeys * TileKeys;
        if (from < to) Locate(cache, head, table, blockSize, tile, from - tile, Math.Min(TileKeys, to - tile), at);
        for (; tile < to; tile += TileKeys)
        {
            int begin = Math.Max(tile, from) - tile, end = Math.Min(tile + TileKeys, to) - tile;
            bool last = tile + TileKeys >= to;
            if (!last) Locate(cache, head, table, blockSize, tile + TileKeys, 0, Math.Min(TileKeys, to - tile - TileKeys), next);
            else if (following.Count > 0) // the first of them while the last values are read, from the tile's first to its last
                Locate(cache, following.Head, following.Table, blockSize, following.First - begin, begin, Math.Min(end, begin + following.Count), next);
            // While keys are read the same positions' values are asked for, and with values the next keys: the processor does not
            // foresee the way from one to the other, and would wait at the beginning of each.
            nint toValues = (nint)(cache.Values - cache.Keys);
            for (int k = begin / KeyProducts.StepKeys * KeyProducts.StepKeys; k < end; k += KeyProducts.StepKeys)
                KeyProducts.Compute<TLane, THead>(block.Queries, block.Count, dim, cache.Keys, at + k, blockBytes, toValues, scores + k);
            for (int q = 0; q < block.Count; q++)
            {
                (int first, int stop) = Visible(in block, q, tile, begin, end);
                if (first < stop) Softmax<TLane>(scores + q * TileKeys, first, stop, partials + q * row, dim);
            }
            for (int k = begin / ValueSums.StepKeys * ValueSums.StepKeys; k < end; k += ValueSums.StepKeys)
            {
                nint toNextKeys = last && following.Count == 0 ? 0 : next[k] - at[k] - toValues;
                for (int q = 0, step; q < block.Count; q += step)
                {
                    step = QueryBlock.Together(block.Count - q);
                    AddValues<TLane, THead>(
                        in block, q, step, tile, Math.Max(begin, k), Math.Min(end, k + ValueSums.StepKeys), scores + q * TileKeys, cache.Values, at, blockBytes, q == 0 ? toNextKeys : 0, partials + q * row);
                }
            }
            nint* used = at;
            at = next;
            next = used;
        }
    }

    /// <summary>Where a tile's positions lie. Those outside the range get the place of one inside, so that all can be read.</summary>
    private static void Locate(CpuKeyValues cache, int head, int* table, int blockSize, int tile, int begin, int end, nint* at)
    {
        for (int k = begin; k < end;)
        {
            int within = (tile + k) % blockSize, count = Math.Min(blockSize - within, end - k);
            nint offset = cache.Offset(table[(tile + k) / blockSize], within, head);
            for (int i = 0; i < count; i++, offset += cache.HeadBytes) at[k++] = offset;
        }
        for (int k = 0; k < begin; k++) at[k] = at[begin];
        for (int k = end; k < TileKeys; k++) at[k] = at[end - 1];
    }

    /// <summary>The part of a tile that a query sees; empty when the end is not above the beginning.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (int Begin, int End) Visible(ref readonly QueryBlock block, int query, int tile, int begin, int end)
        => (Math.Max(begin, block.FirstOf(query) - tile), Math.Min(end, block.EndOf(query) - tile));

    /// <summary>
    /// Scores of a tile to weights e^(score - maximum), in whole registers: beside what a query sees lies e^-∞ = 0. When the maximum
    /// rises, earlier results shrink.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Softmax<TLane>(float* scores, int first, int stop, float* partial, int dim) where TLane : struct, IFloatLane<TLane>
    {
        int begin = first / TLane.Count * TLane.Count, end = (stop + TLane.Count - 1) / TLane.Count * TLane.Count, count = end - begin;
        for (int k = begin; k < first; k++) scores[k] = float.NegativeInfinity;
        for (int k = stop; k < end; k++) scores[k] = float.NegativeInfinity;
        scores += begin;
        float tileMax = ElementWise.Max<TLane>(scores, count), max = PartialRow.Max(partial);
        if (tileMax > max)
        {
            float shrink = MathF.Exp(max - tileMax); // 0 for the first tile
            PartialRow.Sum(partial) *= shrink;
            if (shrink > 0) ElementWise.Scale<TLane>(PartialRow.Values(partial), shrink, dim);
            PartialRow.Max(partial) = max = tileMax;
        }
        PartialRow.Sum(partial) += ElementWise.ExpSum<TLane>(scores, max, count);
    }

    /// <summary>What all of the queries see is read for all at once; what only some see, before and after, for each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddValues<TLane, THead>(
        ref readonly QueryBlock block, int query, int count, int tile, int begin, int end, float* weights, byte* values, nint* at, int blockBytes, nint ahead, float* partials)
        where TLane : struct, IFloatLane<TLane> where THead : struct, IHeadFormat<THead>
    {
        int dim = block.Dim, row = PartialRow.Length(dim);
        int commonBegin = begin, commonEnd = end;
        for (int q = 0; q < count; q++)
        {
            (int first, int last) = Visible(in block, query + q, tile, begin, end);
            (commonBegin, commonEnd) = (Math.Max(commonBegin, first), Math.Min(commonEnd, last));
        }
        if (commonBegin >= commonEnd) commonBegin = commonEnd = end;
        if (begin < commonBegin)
            for (int q = 0; q < count; q++) Single(in block, q, begin, commonBegin);
        ValueSums.Add<TLane, THead>(count, weights, values, at, commonBegin, commonEnd, dim, blockBytes, ahead, PartialRow.Values(partials), row);
        if (commonEnd < end)
            for (int q = 0; q < count; q++) Single(in block, q, commonEnd, end);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        void Single(ref readonly QueryBlock block, int q, int from, int to)
        {
            (int first, int last) = Visible(in block, query + q, tile, begin, end);
            ValueSums.Add<TLane, THead>(
                1, weights + q * TileKeys, values, at, Math.Max(first, from), Math.Min(last, to), dim, blockBytes, ahead, PartialRow.Values(partials + q * row), row);
        }
    }
}
