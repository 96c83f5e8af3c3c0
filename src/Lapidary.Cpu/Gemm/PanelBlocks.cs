using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Gemm;

/// <summary>
/// Goes through a panel and turns its codes into weights, code · scale + offset with one rounding, a block of columns at a
/// time: a block stays in the first cache while all tokens are multiplied with it.
/// </summary>
internal unsafe ref struct PanelBlocks<TLane, TBits, TDecoder>(CodePanels panels, TDecoder decoder, int panel)
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    /// <summary>Most columns of a block.</summary>
    public const int Columns = 256;

    /// <summary>Tokens that share the decoding of a block.</summary>
    public const int Tokens = 64;

    private readonly ReadOnlySpan<int> ends = panels.GroupEnds;
    private readonly float* scales = panels.Scales(panel);
    private readonly float* offsets = panels.Offsets(panel);
    private float* words = panels.Words(panel);
    private int column;
    private int group;

    /// <summary>
    /// a[t] = x[t] · a row of the first panel, b[t] of the second, decoded block by block. Both have the same columns in the
    /// same groups.
    /// </summary>
    /// <param name="scratch">Twice <see cref="Columns"/> vectors.</param>
    /// <param name="a">[tokens, lanes], with room for a multiple of <see cref="BlockDot{TLane}.Tokens"/>; likewise b.</param>
    public static void Sum(
        PanelBlocks<TLane, TBits, TDecoder> first, PanelBlocks<TLane, TBits, TDecoder> second, float* x, nint xStride, int tokens,
        float* scratch, float* a, float* b)
    {
        int step = BlockDot<TLane>.Tokens, room = (tokens + step - 1) / step * step * TLane.Count;
        new Span<float>(a, room).Clear();
        new Span<float>(b, room).Clear();
        float* secondBlock = scratch + Columns * TLane.Count;
        for (int columns = first.Next(scratch); columns > 0; columns = first.Next(scratch))
        {
            second.Next(secondBlock);
            for (int t = 0; t < tokens; t += step)
                BlockDot<TLane>.Add(scratch, secondBlock, columns, x + t * xStride, xStride, Math.Min(step, tokens - t), a + t * TLane.Count, b + t * TLane.Count);
            x += columns;
        }
    }

    /// <summary>Writes the weights of the next columns, one vector a column; returns how many, 0 at the end.</summary>
    /// <param name="weights">[Columns, lanes]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Next(float* weights)
    {
        int perWord = 32 / TBits.Bits, first = column, last = Math.Min(first + Columns / perWord * perWord, ends[^1]), left = 0; // whole words
        TLane word = TLane.Zero;
        while (column < last)
        {
            while (ends[group] <= column) group++;
            int end = Math.Min(ends[group], last);
            TLane scale = TLane.Load(scales + group * TLane.Count), offset = offsets == null ? TLane.Zero : TLane.Load(offsets + group * TLane.Count);
            while (column < end)
            {
                if (left == 0)
                {
                    word = TLane.Load(words);
                    words += TLane.Count;
                    left = perWord;
                }
                int run = Math.Min(left, end - column);
                left -= run;
                column += run;
                for (; run > 0; run--, weights += TLane.Count)
                {
                    TLane.Store(TLane.MultiplyAdd(decoder.Decode(word), scale, offset), weights);
                    word = TLane.ShiftRight(word, TBits.Bits);
                }
            }
        }
        return last - first;
    }
}

/// <summary>
/// Tokens times the decoded weights of two panels, one vector a column. Each (row, token) pair sums column by column. Two
/// panels by eight tokens make sixteen sums: ten loads for sixteen products.
/// </summary>
internal static unsafe class BlockDot<TLane> where TLane : struct, IFloatLane<TLane>
{
    /// <summary>Most tokens of a call of <see cref="Add"/>: as many as the registers hold sums for.</summary>
    public static int Tokens => TLane.Count == 16 ? 8 : 4;

    /// <summary>a[t] += x[t] · first and b[t] += x[t] · second for tokens t below <paramref name="tokens"/>.</summary>
    /// <param name="first">[columns, lanes]</param> <param name="second">[columns, lanes]</param>
    /// <param name="x">[t, columns], rows <paramref name="xStride"/> apart</param>
    /// <param name="a">[t, lanes], with room for <see cref="Tokens"/></param> <param name="b">[t, lanes], likewise; not a.</param>
    public static void Add(float* first, float* second, int columns, float* x, nint xStride, int tokens, float* a, float* b)
    {
        if (tokens > 4) Eight(first, second, columns, x, xStride, tokens, a, b);
        else Four(first, second, columns, x, xStride, tokens, a, b);
    }

    // A token beyond the last is the last once more; nobody reads its sums.

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(float* first, float* second, int columns, float* x, nint xStride, int tokens, float* a, float* b)
    {
        float* x1 = x + Math.Min(1, tokens - 1) * xStride, x2 = x + Math.Min(2, tokens - 1) * xStride, x3 = x + (tokens - 1) * xStride;
        TLane a0 = Sum(a, 0), a1 = Sum(a, 1), a2 = Sum(a, 2), a3 = Sum(a, 3), b0 = Sum(b, 0), b1 = Sum(b, 1), b2 = Sum(b, 2), b3 = Sum(b, 3);
        for (nint c = 0; c < columns; c++, first += TLane.Count, second += TLane.Count)
        {
            TLane v = TLane.Load(first), w = TLane.Load(second), value = TLane.Broadcast(x[c]);
            a0 = TLane.MultiplyAdd(v, value, a0);
            b0 = TLane.MultiplyAdd(w, value, b0);
            value = TLane.Broadcast(x1[c]);
            a1 = TLane.MultiplyAdd(v, value, a1);
            b1 = TLane.MultiplyAdd(w, value, b1);
            value = TLane.Broadcast(x2[c]);
            a2 = TLane.MultiplyAdd(v, value, a2);
            b2 = TLane.MultiplyAdd(w, value, b2);
            value = TLane.Broadcast(x3[c]);
            a3 = TLane.MultiplyAdd(v, value, a3);
            b3 = TLane.MultiplyAdd(w, value, b3);
        }
        Store(a, a0, a1, a2, a3);
        Store(b, b0, b1, b2, b3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Eight(float* first, float* second, int columns, float* x, nint xStride, int tokens, float* a, float* b)
    {
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride, x4 = x3 + xStride;
        float* x5 = x + Math.Min(5, tokens - 1) * xStride, x6 = x + Math.Min(6, tokens - 1) * xStride, x7 = x + (tokens - 1) * xStride;
        TLane a0 = Sum(a, 0), a1 = Sum(a, 1), a2 = Sum(a, 2), a3 = Sum(a, 3), a4 = Sum(a, 4), a5 = Sum(a, 5), a6 = Sum(a, 6), a7 = Sum(a, 7);
        TLane b0 = Sum(b, 0), b1 = Sum(b, 1), b2 = Sum(b, 2), b3 = Sum(b, 3), b4 = Sum(b, 4), b5 = Sum(b, 5), b6 = Sum(b, 6), b7 = Sum(b, 7);
        for (nint c = 0; c < columns; c++, first += TLane.Count, second += TLane.Count)
        {
            TLane v = TLane.Load(first), w = TLane.Load(second), value = TLane.Broadcast(x[c]);
            a0 = TLane.MultiplyAdd(v, value, a0);
            b0 = TLane.MultiplyAdd(w, value, b0);
            value = TLane.Broadcast(x1[c]);
            a1 = TLane.MultiplyAdd(v, value, a1);
            b1 = TLane.MultiplyAdd(w, value, b1);
            value = TLane.Broadcast(x2[c]);
            a2 = TLane.MultiplyAdd(v, value, a2);
            b2 = TLane.MultiplyAdd(w, value, b2);
            value = TLane.Broadcast(x3[c]);
            a3 = TLane.MultiplyAdd(v, value, a3);
            b3 = TLane.MultiplyAdd(w, value, b3);
            value = TLane.Broadcast(x4[c]);
            a4 = TLane.MultiplyAdd(v, value, a4);
            b4 = TLane.MultiplyAdd(w, value, b4);
            value = TLane.Broadcast(x5[c]);
            a5 = TLane.MultiplyAdd(v, value, a5);
            b5 = TLane.MultiplyAdd(w, value, b5);
            value = TLane.Broadcast(x6[c]);
            a6 = TLane.MultiplyAdd(v, value, a6);
            b6 = TLane.MultiplyAdd(w, value, b6);
            value = TLane.Broadcast(x7[c]);
            a7 = TLane.MultiplyAdd(v, value, a7);
            b7 = TLane.MultiplyAdd(w, value, b7);
        }
        Store(a, a0, a1, a2, a3);
        Store(a + 4 * TLane.Count, a4, a5, a6, a7);
        Store(b, b0, b1, b2, b3);
        Store(b + 4 * TLane.Count, b4, b5, b6, b7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Sum(float* sums, int token) => TLane.Load(sums + token * TLane.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* sums, TLane s0, TLane s1, TLane s2, TLane s3)
    {
        TLane.Store(s0, sums);
        TLane.Store(s1, sums + TLane.Count);
        TLane.Store(s2, sums + 2 * TLane.Count);
        TLane.Store(s3, sums + 3 * TLane.Count);
    }
}
