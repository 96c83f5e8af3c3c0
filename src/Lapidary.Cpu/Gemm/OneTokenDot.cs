using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Gemm;

/// <summary>Where a panel's words, scales and offsets begin.</summary>
internal readonly unsafe struct PanelStart(CodePanels panels, int panel)
{
    public float* Words { get; } = panels.Words(panel);
    public float* Scales { get; } = panels.Scales(panel);

    /// <summary>Null where offsets are 0.</summary>
    public float* Offsets { get; } = panels.Offsets(panel);
}

/// <summary>
/// Four panels against one token: codes become weights in registers, four independent sums hide the latency of one, and a
/// column of x is read once for all. Sums go column by column, as those of many tokens do.
/// </summary>
internal static unsafe class OneTokenDot<TLane, TBits, TDecoder>
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    /// <summary>Panels of a call; a caller with fewer gives one of them again.</summary>
    public const int Panels = 4;

    /// <param name="ends">Group ends of all four.</param>
    /// <param name="sums">[4, lanes]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four(
        TDecoder decoder, ReadOnlySpan<int> ends, PanelStart p0, PanelStart p1, PanelStart p2, PanelStart p3, float* x, float* sums)
    {
        float* words0 = p0.Words, words1 = p1.Words, words2 = p2.Words, words3 = p3.Words;
        TLane w0 = TLane.Zero, w1 = w0, w2 = w0, w3 = w0, s0 = w0, s1 = w0, s2 = w0, s3 = w0;
        int column = 0, left = 0;
        for (int g = 0; g < ends.Length; g++)
        {
            nint at = (nint)g * TLane.Count;
            TLane c0 = TLane.Load(p0.Scales + at), c1 = TLane.Load(p1.Scales + at), c2 = TLane.Load(p2.Scales + at), c3 = TLane.Load(p3.Scales + at);
            TLane o0 = Offset(p0.Offsets, at), o1 = Offset(p1.Offsets, at), o2 = Offset(p2.Offsets, at), o3 = Offset(p3.Offsets, at);
            for (; column < ends[g]; column++, left--)
            {
                if (left == 0)
                {
                    w0 = TLane.Load(words0);
                    w1 = TLane.Load(words1);
                    w2 = TLane.Load(words2);
                    w3 = TLane.Load(words3);
                    words0 += TLane.Count;
                    words1 += TLane.Count;
                    words2 += TLane.Count;
                    words3 += TLane.Count;
                    left = 32 / TBits.Bits;
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
            }
        }
        TLane.Store(s0, sums);
        TLane.Store(s1, sums + TLane.Count);
        TLane.Store(s2, sums + 2 * TLane.Count);
        TLane.Store(s3, sums + 3 * TLane.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Weight(TDecoder decoder, TLane word, TLane scale, TLane offset) => TLane.MultiplyAdd(decoder.Decode(word), scale, offset);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Offset(float* offsets, nint at) => offsets == null ? TLane.Zero : TLane.Load(offsets + at);
}
