using Lapidary.Cpu.Gemm;

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
