namespace Lapidary.Cpu.Gemm;

/// <summary>
/// y[t, o] = x[t] · w[o] over <see cref="CodePanels"/>. Every (row, token) pair is summed column by column with one rounding a
/// weight and one a product, whatever the block, so a token's result does not depend on what else is in the batch.
/// </summary>
internal static unsafe class PanelDot<TLane, TBits, TDecoder>
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    private const int Most = PanelBlocks<TLane, TBits, TDecoder>.Tokens, Four = OneTokenDot<TLane, TBits, TDecoder>.Panels;

    /// <summary>Rows [from, to) against all tokens.</summary>
    /// <param name="x">[t, k], columns in the panels' order: row t at x + t·xStride</param>
    /// <param name="y">[t, o]: element (t, o) at y + t·yStride + o</param>
    public static void Rows(
        CodePanels weights, TDecoder decoder, int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        if (from >= to) return;
        int first = from / TLane.Count, last = (to - 1) / TLane.Count;
        if (tokens == 1) OneToken(weights, decoder, first, last, from, to, x, y);
        else ManyTokens(weights, decoder, first, last, from, to, x, xStride, tokens, y, yStride);
    }

    private static void OneToken(CodePanels weights, TDecoder decoder, int first, int last, int from, int to, float* x, float* y)
    {
        float* sums = stackalloc float[Four * TLane.Count];
        for (int panel = first; panel <= last; panel += Four)
        {
            OneTokenDot<TLane, TBits, TDecoder>.Four(
                decoder, weights.GroupEnds, new(weights, panel), new(weights, Math.Min(panel + 1, last)), new(weights, Math.Min(panel + 2, last)),
                new(weights, Math.Min(panel + 3, last)), x, sums);
            for (int p = panel; p <= Math.Min(panel + 3, last); p++) PanelRows.Store<TLane>(sums + (p - panel) * TLane.Count, p, from, to, y);
        }
    }

    private static void ManyTokens(
        CodePanels weights, TDecoder decoder, int first, int last, int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        float* scratch = stackalloc float[2 * PanelBlocks<TLane, TBits, TDecoder>.Columns * TLane.Count], a = stackalloc float[2 * Most * TLane.Count];
        float* b = a + Most * TLane.Count;
        for (int panel = first; panel <= last; panel += 2)
        {
            int second = Math.Min(panel + 1, last);
            for (int t = 0; t < tokens; t += Most)
            {
                int count = Math.Min(Most, tokens - t);
                PanelBlocks<TLane, TBits, TDecoder>.Sum(new(weights, decoder, panel), new(weights, decoder, second), x + t * xStride, xStride, count, scratch, a, b);
                for (int i = 0; i < count; i++)
                {
                    PanelRows.Store<TLane>(a + i * TLane.Count, panel, from, to, y + (t + i) * yStride);
                    PanelRows.Store<TLane>(b + i * TLane.Count, second, from, to, y + (t + i) * yStride);
                }
            }
        }
    }
}
