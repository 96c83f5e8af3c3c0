using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Lapidary.Checkpoints;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>Which rows are short, and their matrices for this machine's vectors.</summary>
internal static class ShortRows
{
    /// <summary>Longest row that is packed, of many.</summary>
    public const int MostColumns = 512;

    private const long FewBytes = 2 << 20; // a router's: four panels of it stay in the second cache

    /// <summary>Whether that matrix is multiplied so: one of short rows whose hidden states stay float32, or a router.</summary>
    public static bool Suits(DenseMatrix matrix, Arithmetic arithmetic)
        => arithmetic == Arithmetic.Exact ? matrix.Columns <= MostColumns : matrix.Tensor.DType == DType.F32 && matrix.ByteLength <= FewBytes;

    public static WeightMatrix Load(StoredTensor tensor, AssemblyUse assembly) => CpuFeatures.VectorBits switch
    {
        512 => Load<V16>(tensor, assembly),
        256 => Load<V8>(tensor, assembly),
        128 => Load<V4>(tensor, assembly),
        _ => Load<V1>(tensor, assembly),
    };

    /// <summary>With a width of choice, for tests.</summary>
    public static WeightMatrix Load<TLane>(StoredTensor tensor, AssemblyUse assembly) where TLane : struct, IFloatLane<TLane> => tensor.DType switch
    {
        DType.F32 => new ShortRows<TLane, Float32>(tensor, assembly),
        DType.BF16 => new ShortRows<TLane, BFloat16>(tensor, assembly),
        DType.F16 => new ShortRows<TLane, Float16>(tensor, assembly),
        _ => throw new BackendException($"matrix {MessageText.Quote(tensor.Name)} is {tensor.DType}; the CPU multiplies F32, F16, BF16 and coded weights"),
    };
}

/// <summary>
/// A dense matrix of short rows, packed so that a register holds one column of as many rows as it has lanes. What lies where
/// it is stored is summed along a row and the lanes are added up at its end, which costs more than a short row itself. Every
/// sum goes column by column, alone or beside other tokens.
/// </summary>
internal sealed unsafe class ShortRows<TLane, TWeight> : WeightMatrix
    where TLane : struct, IFloatLane<TLane>
    where TWeight : unmanaged, IWeightElement<TWeight>
{
    private const int PanelsAtOnce = 8, MostPanels = 4;

    private readonly StoredTensor source; // single rows are read there
    private readonly TileKernels? assembled;
    private readonly int panels;
    private readonly LargeMemory packed; // [panel, column, lane]

    public ShortRows(StoredTensor source, AssemblyUse assembly) : base(checked((int)source.Shape[0]), checked((int)source.Shape[1]))
    {
        this.source = source;
        panels = (Rows + TLane.Count - 1) / TLane.Count;
        packed = new LargeMemory((nuint)((panels + panels % ShortRowTile.Panels) * PanelBytes)); // the last tile reads whole panels
        if (AssemblySupport.RefusesShortRows(assembly, 32 * TLane.Count) is null) assembled = ShortRowTile.Kernels(source.DType, Columns);
        Pack();
    }

    public override int Grain => assembled is null ? TLane.Count : ShortRowTile.Panels * TLane.Count;

    public override long ByteLength => panels * PanelBytes;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        if (from >= to) return;
        if (tokens == 1) MultiplyOne(from, to, x, y);
        else if (assembled is null) MultiplyCompiled(from, to, x, xStride, tokens, y, yStride);
        else MultiplyAssembled(assembled, from, to, x, xStride, tokens, y, yStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyOne(int from, int to, float* x, float* y)
    {
        float* sums = stackalloc float[PanelsAtOnce * TLane.Count];
        int end = (to + TLane.Count - 1) / TLane.Count;
        for (int panel = from / TLane.Count; panel < end; panel += PanelsAtOnce)
        {
            int count = Math.Min(PanelsAtOnce, end - panel);
            if (count > PanelsAtOnce / 2) EightByOne(panel, x, sums);
            else FourByOne(panel, x, sums);
            for (int p = 0; p < count; p++) PanelRows.Store<TLane>(sums + p * TLane.Count, panel + p, from, to, y);
        }
    }

    /// <summary>The panels of a tile stay in the first cache while all tokens pass by.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyCompiled(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        const int Together = 4;
        float* sums = stackalloc float[Together * MostPanels * TLane.Count];
        int end = (to + TLane.Count - 1) / TLane.Count, most = TLane.Count == Vector256<float>.Count ? 2 : MostPanels; // 16 sums leave AVX2's 16 registers nothing to multiply with
        for (int panel = from / TLane.Count; panel < end; panel += most)
        {
            int count = Math.Min(most, end - panel), computed = count <= 2 ? 2 : most;
            for (int t = 0; t < tokens; t += Together)
            {
                int present = Math.Min(Together, tokens - t);
                if (computed == 2) TwoByFour(panel, x + t * xStride, xStride, present, sums);
                else FourByFour(panel, x + t * xStride, xStride, present, sums);
                Store(sums, computed, panel, count, present, from, to, y + t * yStride, yStride);
            }
        }
    }

    /// <summary>As <see cref="MultiplyCompiled"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyAssembled(TileKernels kernels, int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        const int Together = ShortRowTile.Panels;
        float* sums = stackalloc float[Together * ShortRowTile.MaxTokens * TLane.Count];
        int end = (to + TLane.Count - 1) / TLane.Count;
        TokenTiles tiles = new(tokens, ShortRowTile.MaxTokens);
        for (int panel = from / TLane.Count / Together * Together; panel < end; panel += Together)
        {
            int count = Math.Min(Together, end - panel);
            bool whole = count == Together && panel * TLane.Count >= from && (panel + count) * TLane.Count <= to;
            for (int tile = 0; tile < tiles.Count; tile++)
            {
                int t = tiles.First(tile), present = tiles.First(tile + 1) - t;
                TileArguments arguments = new()
                {
                    Weights = (byte*)Panel(panel),
                    Activations = (byte*)(x + t * xStride),
                    ActivationStride = xStride * sizeof(float),
                    Output = whole ? y + t * yStride + panel * TLane.Count : sums,
                    OutputStride = (whole ? yStride : Together * TLane.Count) * sizeof(float),
                };
                kernels.Run(present, &arguments);
                if (!whole) Store(sums, Together, panel, count, present, from, to, y + t * yStride, yStride);
            }
        }
    }

    /// <param name="sums">[token, computed, lane]</param>
    private static void Store(float* sums, int computed, int panel, int count, int tokens, int from, int to, float* y, nint yStride)
    {
        for (int t = 0; t < tokens; t++)
            for (int p = 0; p < count; p++)
                PanelRows.Store<TLane>(sums + (computed * t + p) * TLane.Count, panel + p, from, to, y + t * yStride);
    }

    public override void CopyRow(int row, float scale, float* output)
    {
        TWeight* stored = (TWeight*)source.Address + (nint)row * Columns;
        for (int i = 0; i < Columns; i++) output[i] = TWeight.ToSingle(stored[i]) * scale;
    }

    public override void Dispose() => packed.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack()
    {
        TWeight* stored = (TWeight*)source.Address;
        for (int row = 0; row < panels * TLane.Count; row++, stored += Columns)
        {
            TWeight* target = Panel(row / TLane.Count) + row % TLane.Count;
            for (int column = 0; column < Columns; column++, target += TLane.Count) *target = row < Rows ? stored[column] : default;
        }
    }

    private long PanelBytes => (long)Columns * TLane.Count * sizeof(TWeight);

    private TWeight* Panel(int panel) => (TWeight*)packed.Address + (nint)panel * Columns * TLane.Count;

    /// <summary>The panel, or the last one again where there are fewer: its sums are not stored twice.</summary>
    private TWeight* PanelOrLast(int panel) => Panel(Math.Min(panel, panels - 1));

    /// <summary>Eight panels against one token: as many sums as hide the latency of one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EightByOne(int panel, float* x, float* sums)
    {
        TWeight* w0 = Panel(panel), w1 = PanelOrLast(panel + 1), w2 = PanelOrLast(panel + 2), w3 = PanelOrLast(panel + 3);
        TWeight* w4 = PanelOrLast(panel + 4), w5 = PanelOrLast(panel + 5), w6 = PanelOrLast(panel + 6), w7 = PanelOrLast(panel + 7);
        TLane s0 = TLane.Zero, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
        for (nint column = 0, at = 0; column < Columns; column++, at += TLane.Count)
        {
            TLane value = TLane.Broadcast(x[column]);
            s0 = TLane.MultiplyAdd(TWeight.Load<TLane>(w0 + at), value, s0);
            s1 = TLane.MultiplyAdd(TWeight.Load<TLane>(w1 + at), value, s1);
            s2 = TLane.MultiplyAdd(TWeight.Load<TLane>(w2 + at), value, s2);
            s3 = TLane.MultiplyAdd(TWeight.Load<TLane>(w3 + at), value, s3);
            s4 = TLane.MultiplyAdd(TWeight.Load<TLane>(w4 + at), value, s4);
            s5 = TLane.MultiplyAdd(TWeight.Load<TLane>(w5 + at), value, s5);
            s6 = TLane.MultiplyAdd(TWeight.Load<TLane>(w6 + at), value, s6);
            s7 = TLane.MultiplyAdd(TWeight.Load<TLane>(w7 + at), value, s7);
        }
        Store(s0, s1, s2, s3, sums);
        Store(s4, s5, s6, s7, sums + 4 * TLane.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FourByOne(int panel, float* x, float* sums)
    {
        TWeight* w0 = Panel(panel), w1 = PanelOrLast(panel + 1), w2 = PanelOrLast(panel + 2), w3 = PanelOrLast(panel + 3);
        TLane s0 = TLane.Zero, s1 = s0, s2 = s0, s3 = s0;
        for (nint column = 0, at = 0; column < Columns; column++, at += TLane.Count)
        {
            TLane value = TLane.Broadcast(x[column]);
            s0 = TLane.MultiplyAdd(TWeight.Load<TLane>(w0 + at), value, s0);
            s1 = TLane.MultiplyAdd(TWeight.Load<TLane>(w1 + at), value, s1);
            s2 = TLane.MultiplyAdd(TWeight.Load<TLane>(w2 + at), value, s2);
            s3 = TLane.MultiplyAdd(TWeight.Load<TLane>(w3 + at), value, s3);
        }
        Store(s0, s1, s2, s3, sums);
    }

    /// <param name="sums">[token, panel, lane]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FourByFour(int panel, float* x, nint xStride, int tokens, float* sums)
    {
        TWeight* w0 = Panel(panel), w1 = PanelOrLast(panel + 1), w2 = PanelOrLast(panel + 2), w3 = PanelOrLast(panel + 3);
        float* x1 = x + Math.Min(1, tokens - 1) * xStride, x2 = x + Math.Min(2, tokens - 1) * xStride, x3 = x + Math.Min(3, tokens - 1) * xStride;
        TLane a0 = TLane.Zero, a1 = TLane.Zero, a2 = TLane.Zero, a3 = TLane.Zero, b0 = TLane.Zero, b1 = TLane.Zero, b2 = TLane.Zero, b3 = TLane.Zero, c0 = TLane.Zero, c1 = TLane.Zero, c2 = TLane.Zero, c3 = TLane.Zero, d0 = TLane.Zero, d1 = TLane.Zero, d2 = TLane.Zero, d3 = TLane.Zero;
        for (nint column = 0, at = 0; column < Columns; column++, at += TLane.Count)
        {
            TLane a = TWeight.Load<TLane>(w0 + at), b = TWeight.Load<TLane>(w1 + at), c = TWeight.Load<TLane>(w2 + at), d = TWeight.Load<TLane>(w3 + at);
            TLane value = TLane.Broadcast(x[column]);
            a0 = TLane.MultiplyAdd(a, value, a0);
            b0 = TLane.MultiplyAdd(b, value, b0);
            c0 = TLane.MultiplyAdd(c, value, c0);
            d0 = TLane.MultiplyAdd(d, value, d0);
            value = TLane.Broadcast(x1[column]);
            a1 = TLane.MultiplyAdd(a, value, a1);
            b1 = TLane.MultiplyAdd(b, value, b1);
            c1 = TLane.MultiplyAdd(c, value, c1);
            d1 = TLane.MultiplyAdd(d, value, d1);
            value = TLane.Broadcast(x2[column]);
            a2 = TLane.MultiplyAdd(a, value, a2);
            b2 = TLane.MultiplyAdd(b, value, b2);
            c2 = TLane.MultiplyAdd(c, value, c2);
            d2 = TLane.MultiplyAdd(d, value, d2);
            value = TLane.Broadcast(x3[column]);
            a3 = TLane.MultiplyAdd(a, value, a3);
            b3 = TLane.MultiplyAdd(b, value, b3);
            c3 = TLane.MultiplyAdd(c, value, c3);
            d3 = TLane.MultiplyAdd(d, value, d3);
        }
        Store(a0, b0, c0, d0, sums + 0 * TLane.Count);
        Store(a1, b1, c1, d1, sums + 4 * TLane.Count);
        Store(a2, b2, c2, d2, sums + 8 * TLane.Count);
        Store(a3, b3, c3, d3, sums + 12 * TLane.Count);
    }

    /// <param name="sums">[token, panel, lane]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TwoByFour(int panel, float* x, nint xStride, int tokens, float* sums)
    {
        TWeight* w = Panel(panel), v = PanelOrLast(panel + 1);
        float* x1 = x + Math.Min(1, tokens - 1) * xStride, x2 = x + Math.Min(2, tokens - 1) * xStride, x3 = x + Math.Min(3, tokens - 1) * xStride;
        TLane a0 = TLane.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        for (nint column = 0, at = 0; column < Columns; column++, at += TLane.Count)
        {
            TLane a = TWeight.Load<TLane>(w + at), b = TWeight.Load<TLane>(v + at), value = TLane.Broadcast(x[column]);
            a0 = TLane.MultiplyAdd(a, value, a0);
            b0 = TLane.MultiplyAdd(b, value, b0);
            value = TLane.Broadcast(x1[column]);
            a1 = TLane.MultiplyAdd(a, value, a1);
            b1 = TLane.MultiplyAdd(b, value, b1);
            value = TLane.Broadcast(x2[column]);
            a2 = TLane.MultiplyAdd(a, value, a2);
            b2 = TLane.MultiplyAdd(b, value, b2);
            value = TLane.Broadcast(x3[column]);
            a3 = TLane.MultiplyAdd(a, value, a3);
            b3 = TLane.MultiplyAdd(b, value, b3);
        }
        Store(a0, b0, a1, b1, sums);
        Store(a2, b2, a3, b3, sums + 4 * TLane.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TLane s0, TLane s1, TLane s2, TLane s3, float* sums)
    {
        TLane.Store(s0, sums);
        TLane.Store(s1, sums + TLane.Count);
        TLane.Store(s2, sums + 2 * TLane.Count);
        TLane.Store(s3, sums + 3 * TLane.Count);
    }
}
