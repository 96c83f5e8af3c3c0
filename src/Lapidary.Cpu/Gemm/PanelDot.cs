using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Gemm;

/// <summary>
/// y[t, o] = x[t] · w[o] over <see cref="CodePanels"/>: codes become weights in registers, code · scale + offset with one
/// rounding, and each element of the vector sums its own row column by column. Every (row, token) pair is summed in that
/// order whatever the block, so a token's result does not depend on what else is in the batch.
/// </summary>
internal static unsafe class PanelDot<TLane, TBits, TDecoder>
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    private static int CodesPerWord => 32 / TBits.Bits;
    private static uint Mask => (1u << TBits.Bits) - 1;

    /// <summary>Rows [from, to) against all tokens.</summary>
    /// <param name="x">[t, k], columns in the panels' order: row t at x + t·xStride</param>
    /// <param name="y">[t, o]: element (t, o) at y + t·yStride + o</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows(
        CodePanels weights, TDecoder decoder, int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        if (from >= to) return;
        int panel = from / TLane.Count, end = (to - 1) / TLane.Count + 1, blocked = tokens & ~3;
        float* sums = stackalloc float[4 * TLane.Count];
        for (; panel < end; panel += 4)
        {
            int panels = Math.Min(4, end - panel);
            for (int t = 0; t < blocked; t += 4)
            {
                for (int p = panel; p < panel + panels; p++)
                {
                    OneByFour(weights, decoder, p, x + t * xStride, xStride, sums);
                    for (int i = 0; i < 4; i++) PanelRows.Store<TLane>(sums + i * TLane.Count, p, from, to, y + (t + i) * yStride);
                }
            }
            for (int t = blocked; t < tokens; t++)
            {
                if (panels == 4) FourByOne(weights, decoder, panel, x + t * xStride, sums);
                else for (int p = 0; p < panels; p++) One(weights, decoder, panel + p, x + t * xStride, sums + p * TLane.Count);
                for (int p = 0; p < panels; p++) PanelRows.Store<TLane>(sums + p * TLane.Count, panel + p, from, to, y + t * yStride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Weight(TDecoder decoder, TLane word, TLane scale, TLane offset)
        => TLane.MultiplyAdd(decoder.Decode(TLane.And(word, Mask)), scale, offset);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Offset(float* offsets, int group) => offsets == null ? TLane.Zero : TLane.Load(offsets + group * TLane.Count);

    /// <summary>A panel against one token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(CodePanels weights, TDecoder decoder, int panel, float* x, float* sums)
    {
        float* words = weights.Words(panel), scales = weights.Scales(panel), offsets = weights.Offsets(panel);
        TLane word = TLane.Zero, sum = TLane.Zero;
        int column = 0, left = 0;
        ReadOnlySpan<int> ends = weights.GroupEnds;
        for (int g = 0; g < ends.Length; g++)
        {
            TLane scale = TLane.Load(scales + g * TLane.Count), offset = Offset(offsets, g);
            for (; column < ends[g]; column++)
            {
                if (left == 0)
                {
                    word = TLane.Load(words);
                    words += TLane.Count;
                    left = CodesPerWord;
                }
                sum = TLane.MultiplyAdd(Weight(decoder, word, scale, offset), TLane.Broadcast(x[column]), sum);
                word = TLane.ShiftRight(word, TBits.Bits);
                left--;
            }
        }
        TLane.Store(sum, sums);
    }

    /// <summary>Four panels against one token: four independent sums hide the latency of one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByOne(CodePanels weights, TDecoder decoder, int panel, float* x, float* sums)
    {
        nint wordStride = (nint)weights.WordsPerRow * TLane.Count, scaleStride = (nint)weights.Groups * TLane.Count;
        float* words = weights.Words(panel), scales = weights.Scales(panel), offsets = weights.Offsets(panel);
        TLane w0 = TLane.Zero, w1 = w0, w2 = w0, w3 = w0, s0 = w0, s1 = w0, s2 = w0, s3 = w0, o0 = w0, o1 = w0, o2 = w0, o3 = w0;
        int column = 0, left = 0;
        ReadOnlySpan<int> ends = weights.GroupEnds;
        for (int g = 0; g < ends.Length; g++)
        {
            float* scale = scales + g * TLane.Count;
            TLane c0 = TLane.Load(scale), c1 = TLane.Load(scale + scaleStride), c2 = TLane.Load(scale + 2 * scaleStride), c3 = TLane.Load(scale + 3 * scaleStride);
            if (offsets != null)
            {
                float* offset = offsets + g * TLane.Count;
                o0 = TLane.Load(offset);
                o1 = TLane.Load(offset + scaleStride);
                o2 = TLane.Load(offset + 2 * scaleStride);
                o3 = TLane.Load(offset + 3 * scaleStride);
            }
            for (; column < ends[g]; column++)
            {
                if (left == 0)
                {
                    w0 = TLane.Load(words);
                    w1 = TLane.Load(words + wordStride);
                    w2 = TLane.Load(words + 2 * wordStride);
                    w3 = TLane.Load(words + 3 * wordStride);
                    words += TLane.Count;
                    left = CodesPerWord;
                }
                TLane value = TLane.Broadcast(x[column]);
                s0 = TLane.MultiplyAdd(Weight(decoder, w0, c0, o0), value, s0);
                s1 = TLane.MultiplyAdd(Weight(decoder, w1, c1, o1), value, s1);
                s2 = TLane.MultiplyAdd(Weight(decoder, w2, c2, o2), value, s2);
                s3 = TLane.MultiplyAdd(Weight(decoder, w3, c3, o3), value, s3);
                w0 = TLane.ShiftRight(w0, TBits.Bits);
                w1 = TLane.ShiftRight(w1, TBits.Bits);
                w2 = TLane.ShiftRight(w2, TBits.Bits);
                w3 = TLane.ShiftRight(w3, TBits.Bits);
                left--;
            }
        }
        TLane.Store(s0, sums);
        TLane.Store(s1, sums + TLane.Count);
        TLane.Store(s2, sums + 2 * TLane.Count);
        TLane.Store(s3, sums + 3 * TLane.Count);
    }

    /// <summary>A panel against four tokens: a weight is decoded once for all of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneByFour(CodePanels weights, TDecoder decoder, int panel, float* x, nint xStride, float* sums)
    {
        float* words = weights.Words(panel), scales = weights.Scales(panel), offsets = weights.Offsets(panel);
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        TLane word = TLane.Zero, s0 = word, s1 = word, s2 = word, s3 = word;
        int column = 0, left = 0;
        ReadOnlySpan<int> ends = weights.GroupEnds;
        for (int g = 0; g < ends.Length; g++)
        {
            TLane scale = TLane.Load(scales + g * TLane.Count), offset = Offset(offsets, g);
            for (; column < ends[g]; column++)
            {
                if (left == 0)
                {
                    word = TLane.Load(words);
                    words += TLane.Count;
                    left = CodesPerWord;
                }
                TLane weight = Weight(decoder, word, scale, offset);
                s0 = TLane.MultiplyAdd(weight, TLane.Broadcast(x[column]), s0);
                s1 = TLane.MultiplyAdd(weight, TLane.Broadcast(x1[column]), s1);
                s2 = TLane.MultiplyAdd(weight, TLane.Broadcast(x2[column]), s2);
                s3 = TLane.MultiplyAdd(weight, TLane.Broadcast(x3[column]), s3);
                word = TLane.ShiftRight(word, TBits.Bits);
                left--;
            }
        }
        TLane.Store(s0, sums);
        TLane.Store(s1, sums + TLane.Count);
        TLane.Store(s2, sums + 2 * TLane.Count);
        TLane.Store(s3, sums + 3 * TLane.Count);
    }
}
