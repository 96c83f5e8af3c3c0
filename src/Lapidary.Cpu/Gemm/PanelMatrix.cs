using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>A quantised matrix as panels, its code closed over at load. Activations and sums are float32.</summary>
/// <param name="source">Rows are looked up where they are stored.</param>
internal sealed unsafe class PanelMatrix<TLane, TBits, TDecoder>(QuantizedMatrix source, TDecoder decoder)
    : WeightMatrix(source.Rows, source.Columns)
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    private readonly CodePanels panels = new(source, TLane.Count, decoder.Origin);

    public override int Grain => TLane.Count;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        if (panels.Order.Length == 0)
        {
            PanelDot<TLane, TBits, TDecoder>.Rows(panels, decoder, from, to, x, xStride, tokens, y, yStride);
            return;
        }
        float* ordered = ThreadScratch.Floats(checked(tokens * Columns));
        for (int t = 0; t < tokens; t++)
        {
            float* row = x + t * xStride, target = ordered + (nint)t * Columns;
            for (int i = 0; i < Columns; i++) target[i] = row[panels.Order[i]];
        }
        PanelDot<TLane, TBits, TDecoder>.Rows(panels, decoder, from, to, ordered, Columns, tokens, y, yStride);
    }

    public override void CopyRow(int row, float scale, float* output)
    {
        Span<float> values = new(output, Columns);
        source.ReadRow(row, values);
        if (scale == 1) return;
        for (int i = 0; i < values.Length; i++) values[i] *= scale;
    }

    public override void Dispose() => panels.Dispose();
}

/// <summary>Memory of a worker for one call of a kernel; grows to the largest and stays.</summary>
internal static unsafe class ThreadScratch
{
    [ThreadStatic] private static CpuBuffer? memory;

    public static float* Floats(int count)
    {
        if (memory is null || memory.Columns < count)
        {
            memory?.Dispose();
            memory = new CpuBuffer(DType.F32, 1, count);
        }
        return memory.Row(0);
    }
}
