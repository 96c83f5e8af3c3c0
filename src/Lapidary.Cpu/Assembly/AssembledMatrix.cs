using System.Collections.Concurrent;
using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Integer weights times int8 activations with assembled kernels. Activations are quantised to 8 bits in groups of 32, as
/// llama.cpp does; dot products are exact integers, sums float32.
/// </summary>
internal sealed unsafe class AssembledMatrix : WeightMatrix
{
    private static readonly ConcurrentDictionary<PanelLayout, TileKernels> kernelsByLayout = new();
    private readonly QuantizedMatrix source;
    private readonly IntegerPanels panels;
    private readonly TileKernels kernels;

    public AssembledMatrix(QuantizedMatrix source)
        : base(source.Rows, source.Columns)
    {
        this.source = source;
        panels = new IntegerPanels(source);
        kernels = kernelsByLayout.GetOrAdd(panels.Layout, layout => new TileKernels(() => new IntegerTile(layout)));
    }

    public override void Dispose() => panels.Dispose();

    public override int Grain => PanelLayout.Rows;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        byte* packed = (byte*)ThreadScratch.Floats(checked((int)(PackedActivations.Bytes(panels.Layout, panels.Steps, tokens) / sizeof(float))));
        PackedActivations.Pack(panels.Layout, x, xStride, Columns, 0, tokens, tokens, packed);
        MultiplyPacked(from, to, packed, tokens, y, yStride);
    }

    /// <summary>As <see cref="Multiply"/>, with activations packed before; <paramref name="from"/> is a multiple of 16.</summary>
    public void MultiplyPacked(int from, int to, byte* packed, int tokens, float* y, nint yStride)
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
            for (int tile = 0; tile < tokens; tile += TileAssembler.MaxTokens)
            {
                arguments.Activations = packed + PackedActivations.Bytes(panels.Layout, panels.Steps, tile);
                arguments.Output = y + tile * yStride + panel * PanelLayout.Rows;
                kernels.Run(Math.Min(TileAssembler.MaxTokens, tokens - tile), &arguments);
            }
        }
    }

    public override void CopyRow(int row, float scale, float* output)
    {
        Span<float> values = new(output, Columns);
        source.ReadRow(row, values);
        for (int i = 0; i < values.Length; i++) values[i] *= scale;
    }
}
