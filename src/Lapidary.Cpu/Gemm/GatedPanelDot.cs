using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Gemm;

/// <summary>
/// hidden[t, o] = combine(x[t] · gate[o], x[t] · up[o]) over the <see cref="CodePanels"/> of gate and up side by side: a column
/// of x is loaded once for both, a whole word of codes is decoded without a test between, and the activation takes the sums
/// from the stack. Each (row, token) pair is summed as <see cref="PanelDot{TLane,TBits,TDecoder}"/> sums it.
/// </summary>
internal static unsafe class GatedPanelDot<TLane, TBits, TDecoder>
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    private const int Tokens = 4;

    private static int CodesPerWord => 32 / TBits.Bits;
    private static uint Mask => (1u << TBits.Bits) - 1;

    /// <summary>Columns [from, to) of the hidden states of all tokens. Both panels have the same column order and groups.</summary>
    /// <param name="x">[t, k], columns in the panels' order</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rows(
        CodePanels gates, CodePanels ups, TDecoder decoder, CpuActivation activation, int from, int to, float* x, nint xStride,
        int tokens, float* hidden, nint hiddenStride)
    {
        if (from >= to) return;
        float* gateSums = stackalloc float[Tokens * TLane.Count], upSums = stackalloc float[Tokens * TLane.Count];
        for (int panel = from / TLane.Count; panel * TLane.Count < to; panel++)
        {
            for (int t = 0; t < tokens;)
            {
                int block = tokens - t >= Tokens ? Tokens : 1;
                if (block == Tokens) Four(gates, ups, decoder, panel, x + t * xStride, xStride, gateSums, upSums);
                else One(gates, ups, decoder, panel, x + t * xStride, gateSums, upSums);
                activation.Combine(gateSums, upSums, gateSums, block * TLane.Count);
                for (int i = 0; i < block; i++, t++)
                    PanelRows.Store<TLane>(gateSums + i * TLane.Count, panel, from, to, hidden + t * hiddenStride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Weight(TDecoder decoder, TLane word, TLane scale, TLane offset)
        => TLane.MultiplyAdd(decoder.Decode(TLane.And(word, Mask)), scale, offset);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLane Offset(float* offsets, int group) => offsets == null ? TLane.Zero : TLane.Load(offsets + group * TLane.Count);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(CodePanels gates, CodePanels ups, TDecoder decoder, int panel, float* x, float* gateSums, float* upSums)
    {
        float* gateWords = gates.Words(panel), upWords = ups.Words(panel);
        TLane gate = TLane.Zero, up = gate, g = gate, u = gate;
        int column = 0, left = 0;
        ReadOnlySpan<int> ends = gates.GroupEnds;
        for (int group = 0; group < ends.Length; group++)
        {
            TLane gateScale = TLane.Load(gates.Scales(panel) + group * TLane.Count), gateOffset = Offset(gates.Offsets(panel), group);
            TLane upScale = TLane.Load(ups.Scales(panel) + group * TLane.Count), upOffset = Offset(ups.Offsets(panel), group);
            while (column < ends[group])
            {
                if (left == 0)
                {
                    (gate, up) = (TLane.Load(gateWords), TLane.Load(upWords));
                    gateWords += TLane.Count;
                    upWords += TLane.Count;
                    left = CodesPerWord;
                }
                int run = Math.Min(left, ends[group] - column);
                left -= run;
                for (; run > 0; run--, column++)
                {
                    TLane value = TLane.Broadcast(x[column]);
                    g = TLane.MultiplyAdd(Weight(decoder, gate, gateScale, gateOffset), value, g);
                    u = TLane.MultiplyAdd(Weight(decoder, up, upScale, upOffset), value, u);
                    (gate, up) = (TLane.ShiftRight(gate, TBits.Bits), TLane.ShiftRight(up, TBits.Bits));
                }
            }
        }
        TLane.Store(g, gateSums);
        TLane.Store(u, upSums);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(
        CodePanels gates, CodePanels ups, TDecoder decoder, int panel, float* x, nint xStride, float* gateSums, float* upSums)
    {
        float* gateWords = gates.Words(panel), upWords = ups.Words(panel), x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        TLane gate = TLane.Zero, up = gate, g0 = gate, g1 = gate, g2 = gate, g3 = gate, u0 = gate, u1 = gate, u2 = gate, u3 = gate;
        int column = 0, left = 0;
        ReadOnlySpan<int> ends = gates.GroupEnds;
        for (int group = 0; group < ends.Length; group++)
        {
            TLane gateScale = TLane.Load(gates.Scales(panel) + group * TLane.Count), gateOffset = Offset(gates.Offsets(panel), group);
            TLane upScale = TLane.Load(ups.Scales(panel) + group * TLane.Count), upOffset = Offset(ups.Offsets(panel), group);
            while (column < ends[group])
            {
                if (left == 0)
                {
                    (gate, up) = (TLane.Load(gateWords), TLane.Load(upWords));
                    gateWords += TLane.Count;
                    upWords += TLane.Count;
                    left = CodesPerWord;
                }
                int run = Math.Min(left, ends[group] - column);
                left -= run;
                for (; run > 0; run--, column++)
                {
                    TLane wg = Weight(decoder, gate, gateScale, gateOffset), wu = Weight(decoder, up, upScale, upOffset);
                    TLane value = TLane.Broadcast(x[column]);
                    (g0, u0) = (TLane.MultiplyAdd(wg, value, g0), TLane.MultiplyAdd(wu, value, u0));
                    value = TLane.Broadcast(x1[column]);
                    (g1, u1) = (TLane.MultiplyAdd(wg, value, g1), TLane.MultiplyAdd(wu, value, u1));
                    value = TLane.Broadcast(x2[column]);
                    (g2, u2) = (TLane.MultiplyAdd(wg, value, g2), TLane.MultiplyAdd(wu, value, u2));
                    value = TLane.Broadcast(x3[column]);
                    (g3, u3) = (TLane.MultiplyAdd(wg, value, g3), TLane.MultiplyAdd(wu, value, u3));
                    (gate, up) = (TLane.ShiftRight(gate, TBits.Bits), TLane.ShiftRight(up, TBits.Bits));
                }
            }
        }
        TLane.Store(g0, gateSums);
        TLane.Store(g1, gateSums + TLane.Count);
        TLane.Store(g2, gateSums + 2 * TLane.Count);
        TLane.Store(g3, gateSums + 3 * TLane.Count);
        TLane.Store(u0, upSums);
        TLane.Store(u1, upSums + TLane.Count);
        TLane.Store(u2, upSums + 2 * TLane.Count);
        TLane.Store(u3, upSums + 3 * TLane.Count);
    }
}
