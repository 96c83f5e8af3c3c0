using System.Collections.Concurrent;
using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Integer weights times 8-bit hidden states. Hidden states are quantised in groups of 32, as llama.cpp does; dot products are
/// exact integers, sums float32 in one order, so that kernels of all widths give the same bits where they fuse multiplication
/// and addition.
/// </summary>
internal sealed unsafe class IntegerMatrix : WeightMatrix
{
    private const int BlockBytes = 192 << 10; // of panels that stay in a core's second cache while tiles of tokens pass by

    private static readonly ConcurrentDictionary<PanelLayout, AssembledKernels> assembled = new();
    private readonly IntegerPanels panels;
    private readonly TileKernels kernels;

    /// <param name="store">Has the panels, or is told of them; null for neither.</param>
    public IntegerMatrix(QuantizedMatrix source, AssemblyUse assembly, PanelStore? store = null)
        : this(source, layout => AssemblySupport.RefusesInt8(assembly) is null ? Assembled(layout) : Vectors(layout), store)
    {
    }

    /// <param name="kernels">For a layout.</param>
    public IntegerMatrix(QuantizedMatrix source, Func<PanelLayout, TileKernels> kernels, PanelStore? store)
        : base(source.Rows, source.Columns)
    {
        panels = store?.Find(source) ?? Pack(source, store);
        this.kernels = kernels(panels.Layout);
        Form = Int8Form.For(panels.Layout, source.Columns, this.kernels.ReadsWide);
    }

    /// <summary>The processor's best kernels.</summary>
    public static TileKernels Assembled(PanelLayout layout) => assembled.GetOrAdd(
        layout, key => CpuFeatures.HasAvx512Vnni ? AssembledVnni(key) : AssembledAvx2(key));

    public static AssembledKernels AssembledVnni(PanelLayout layout) => new(IntegerTile.MaxTokens, tokens => new IntegerTile(layout).Assemble(tokens));

    public static AssembledKernels AssembledAvx2(PanelLayout layout)
        => new(IntegerTile.MaxTokens, tokens => new Avx2IntegerTile(layout).Assemble(tokens), Avx2IntegerTile.FormOf(layout, 0).IsWide);

    /// <summary>Kernels for the vectors that the runtime uses.</summary>
    private static TileKernels Vectors(PanelLayout layout) => CpuFeatures.VectorBits switch
    {
        512 => VectorTile.For<V16>(layout),
        256 => VectorTile.For<V8>(layout),
        128 => VectorTile.For<V4>(layout),
        _ => VectorTile.For<V1>(layout),
    };

    private static IntegerPanels Pack(QuantizedMatrix source, PanelStore? store)
    {
        IntegerPanels panels = IntegerPanels.Pack(source);
        store?.Packed(source, panels);
        return panels;
    }

    public override long ByteLength => panels.ByteLength;

    public override HiddenForm Form { get; }

    public override int Grain => PanelLayout.Rows;

    /// <param name="from">A multiple of 16.</param>
    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
    {
        int end = (to + PanelLayout.Rows - 1) / PanelLayout.Rows, some = (int)Math.Max(1, BlockBytes / panels.PanelBytes);
        for (int first = from / PanelLayout.Rows; first < end; first += some)
            for (int tile = 0; tile < tokens; tile += IntegerTile.MaxTokens)
                for (int panel = first; panel < Math.Min(end, first + some); panel++)
                {
                    TileArguments arguments = new()
                    {
                        Weights = panels.Panel(panel),
                        Activations = written + tile * Form.RowBytes,
                        Output = y + tile * yStride + panel * PanelLayout.Rows,
                        OutputStride = yStride * sizeof(float),
                        Steps = panels.Steps,
                        RowMask = panels.RowMask(panel),
                        Ahead = panels.Panel(panel + 1),
                    };
                    kernels.Run(Math.Min(IntegerTile.MaxTokens, tokens - tile), &arguments);
                }
    }

    public override void CopyRow(int row, float scale, float* output) => PanelRow.Copy(panels, row, scale, new Span<float>(output, Columns));

    public override void Dispose() => panels.Dispose();
}
