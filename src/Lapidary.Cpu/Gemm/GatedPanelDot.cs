namespace Lapidary.Cpu.Gemm;

/// <summary>
/// hidden[t, o] = combine(x[t] · gate[o], x[t] · up[o]) over the <see cref="CodePanels"/> of gate and up side by side: a column
/// of x is read once for both, and the activation takes the sums before they leave the first cache. Each (row, token) pair is
/// summed as <see cref="PanelDot{TLane,TBits,TDecoder}"/> sums it.
/// </summary>
internal static unsafe class GatedPanelDot<TLane, TBits, TDecoder>
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    private const int Most = PanelBlocks<TLane, TBits, TDecoder>.Tokens;

    /// <summary>Columns [from, to) of the hidden states of all tokens. Both panels have the same column order and groups.</summary>
    /// <param name="x">[t, k], columns in the panels' order</param>
    public static void Rows(
        CodePanels gates, CodePanels ups, TDecoder decoder, CpuActivation activation, int from, int to, float* x, nint xStride,
        int tokens, float* hidden, nint hiddenStride)
    {
        if (from >= to) return;
        int first = from / TLane.Count, last = (to - 1) / TLane.Count;
        if (tokens == 1) OneToken(gates, ups, decoder, activation, first, last, from, to, x, hidden);
        else ManyTokens(gates, ups, decoder, activation, first, last, from, to, x, xStride, tokens, hidden, hiddenStride);
    }

    private static void OneToken(
        CodePanels gates, CodePanels ups, TDecoder decoder, CpuActivation activation, int first, int last, int from, int to, float* x, float* hidden)
    {
        float* sums = stackalloc float[OneTokenDot<TLane, TBits, TDecoder>.Panels * TLane.Count];
        for (int panel = first; panel <= last; panel += 2)
        {
            int second = Math.Min(panel + 1, last);
            OneTokenDot<TLane, TBits, TDecoder>.Four(
                decoder, gates.GroupEnds, new(gates, panel), new(gates, second), new(ups, panel), new(ups, second), x, sums);
            activation.Combine(sums, sums + 2 * TLane.Count, sums, 2 * TLane.Count);
            PanelRows.Store<TLane>(sums, panel, from, to, hidden);
            PanelRows.Store<TLane>(sums + TLane.Count, second, from, to, hidden);
        }
    }

    private static void ManyTokens(
        CodePanels gates, CodePanels ups, TDecoder decoder, CpuActivation activation, int first, int last, int from, int to, float* x,
        nint xStride, int tokens, float* hidden, nint hiddenStride)
    {
        float* scratch = stackalloc float[2 * PanelBlocks<TLane, TBits, TDecoder>.Columns * TLane.Count], gateSums = stackalloc float[2 * Most * TLane.Count];
        float* upSums = gateSums + Most * TLane.Count;
        for (int panel = first; panel <= last; panel++)
        {
            for (int t = 0; t < tokens; t += Most)
            {
                int count = Math.Min(Most, tokens - t);
                PanelBlocks<TLane, TBits, TDecoder>.Sum(new(gates, decoder, panel), new(ups, decoder, panel), x + t * xStride, xStride, count, scratch, gateSums, upSums);
                activation.Combine(gateSums, upSums, gateSums, count * TLane.Count);
                for (int i = 0; i < count; i++) PanelRows.Store<TLane>(gateSums + i * TLane.Count, panel, from, to, hidden + (t + i) * hiddenStride);
            }
        }
    }
}
