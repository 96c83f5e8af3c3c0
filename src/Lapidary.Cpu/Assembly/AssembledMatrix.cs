using System.Collections.Concurrent;
using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>A matrix whose kernels read hidden states in a form of their own.</summary>
internal abstract unsafe class AssembledMatrix(int rows, int columns) : WeightMatrix(rows, columns)
{
    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        byte* written = (byte*)ThreadScratch.Floats(checked((int)(tokens * Form!.RowBytes / sizeof(float) + 1)));
        Form.Write(x, xStride, 0, tokens, tokens, written);
        MultiplyWritten(from, to, written, tokens, y, yStride);
    }
}

/// <summary>
/// Integer weights times 8-bit hidden states with assembled kernels. Hidden states are quantised in groups of 32, as
/// llama.cpp does; dot products are exact integers, sums float32.
/// </summary>
internal sealed unsafe class IntegerMatrix : AssembledMatrix
{
    private static readonly ConcurrentDictionary<PanelLayout, Lazy<TileKernels>> kernelsByLayout = new();
    private readonly QuantizedMatrix source;
    private readonly IntegerPanels panels;
    private readonly TileKernels kernels;

    /// <param name="store">Has the panels, or is told of them; null for neither.</param>
    public IntegerMatrix(QuantizedMatrix source, PanelStore? store = null)
        : base(source.Rows, source.Columns)
    {
        this.source = source;
        panels = store?.Find(source) ?? Pack(source, store);
        kernels = kernelsByLayout.GetOrAdd(
            panels.Layout, layout => new(() => new TileKernels(IntegerTile.MaxTokens, tokens => new IntegerTile(layout).Assemble(tokens)))).Value;
        Form = Int8Form.For(panels.Layout, source.Columns);
    }

    private static IntegerPanels Pack(QuantizedMatrix source, PanelStore? store)
    {
        IntegerPanels panels = IntegerPanels.Pack(source);
        source.Release();
        store?.Packed(source, panels);
        return panels;
    }

    public override long ByteLength => panels.ByteLength;

    public override HiddenForm Form { get; }

    public override int Grain => PanelLayout.Rows;

    /// <param name="from">A multiple of 16.</param>
    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
    {
        for (int panel = from / PanelLayout.Rows; panel * PanelLayout.Rows < to; panel++)
        {
            TileArguments arguments = new()
            {
                Weights = panels.Panel(panel),
                OutputStride = yStride * sizeof(float),
                Steps = panels.Steps,
                RowMask = panels.RowMask(panel),
            };
            for (int tile = 0; tile < tokens; tile += IntegerTile.MaxTokens)
            {
                arguments.Activations = written + tile * Form.RowBytes;
                arguments.Output = y + tile * yStride + panel * PanelLayout.Rows;
                kernels.Run(Math.Min(IntegerTile.MaxTokens, tokens - tile), &arguments);
            }
        }
    }

    public override void CopyRow(int row, float scale, float* output) => CopyStoredRow(source, row, scale, output);

    public override void Dispose() => panels.Dispose();
}
