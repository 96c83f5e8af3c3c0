using Lapidary.Quantization;

namespace Lapidary.Cpu.Gemm;

/// <summary>A quantised matrix as panels, its code closed over at load. Sums are float32.</summary>
/// <param name="source">Rows are looked up where they are stored.</param>
/// <param name="hiddenStates">F32, or BF16 to round what is multiplied to bfloat16 first.</param>
internal sealed unsafe class PanelMatrix<TLane, TBits, TDecoder>(QuantizedMatrix source, TDecoder decoder, DType hiddenStates)
    : WeightMatrix(source.Rows, source.Columns)
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    public CodePanels Panels { get; } = new(source, TLane.Count, decoder.Origin);

    public override int Grain => TLane.Count;

    public override long ByteLength => Panels.ByteLength;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        x = Inputs(x, ref xStride, tokens);
        PanelDot<TLane, TBits, TDecoder>.Rows(Panels, decoder, from, to, x, xStride, tokens, y, yStride);
    }

    /// <summary>The rows of x as the panels are multiplied with them: in their column order, rounded. Valid until the thread's next call.</summary>
    public float* Inputs(float* x, ref nint xStride, int tokens)
    {
        bool rounded = hiddenStates == DType.BF16;
        if (Panels.Order.Length == 0 && !rounded) return x;
        float* inputs = ThreadScratch.Floats(checked(tokens * Columns));
        for (int t = 0; t < tokens; t++)
        {
            float* row = x + t * xStride, input = inputs + (nint)t * Columns;
            for (int i = 0; i < Columns; i++)
            {
                float value = row[Panels.Order.Length == 0 ? i : Panels.Order[i]];
                input[i] = rounded ? BFloat16.Round(value) : value;
            }
        }
        xStride = Columns;
        return inputs;
    }

    public override void CopyRow(int row, float scale, float* output) => CopyStoredRow(source, row, scale, output);

    public override void Dispose() => Panels.Dispose();
}

/// <summary>Memory of a worker for one call of a kernel; grows to the largest and stays.</summary>
internal static unsafe class ThreadScratch
{
    [ThreadStatic] private static CpuBuffer? memory, hidden, results;

    public static float* Floats(int count) => Floats(ref memory, count);

    /// <summary>For hidden states that are rewritten; the kernel may use <see cref="Floats(int)"/> beside it.</summary>
    public static byte* Hidden(nint bytes) => (byte*)Floats(ref hidden, checked((int)(bytes / sizeof(float) + 1)));

    /// <summary>For what comes out of products; kernels may use the others beside it.</summary>
    public static float* Results(int count) => Floats(ref results, count);

    private static float* Floats(ref CpuBuffer? memory, int count)
    {
        if (memory is null || memory.Columns < count)
        {
            memory?.Dispose();
            memory = new CpuBuffer(DType.F32, 1, count);
        }
        return memory.Row(0);
    }
}
