using System.Collections.Concurrent;
using Lapidary.Checkpoints;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>bfloat16 weights where they are stored, times bfloat16 hidden states with assembled kernels. Nothing is packed.</summary>
internal sealed unsafe class BFloat16Matrix(StoredTensor tensor)
    : AssembledMatrix(checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]))
{
    private static readonly ConcurrentDictionary<(int Columns, int Rows), Lazy<TileKernels>> kernelsBySize = new();
    private readonly TileKernels fours = Kernels(checked((int)tensor.Shape[1]), RowTile.TileRows), ones = Kernels(checked((int)tensor.Shape[1]), 1);

    public override long ByteLength => tensor.ByteLength;

    public override HiddenForm Form { get; } = new BFloat16Form(checked((int)tensor.Shape[1]));

    public override int Grain => RowTile.TileRows;

    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
    {
        int row = from;
        for (; row <= to - RowTile.TileRows; row += RowTile.TileRows) Run(fours, row, written, tokens, y, yStride);
        for (; row < to; row++) Run(ones, row, written, tokens, y, yStride);
    }

    public override void CopyRow(int row, float scale, float* output)
    {
        ushort* source = (ushort*)tensor.Address + (nint)row * Columns;
        for (int i = 0; i < Columns; i++) output[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16) * scale;
    }

    public override void Dispose()
    {
        // The elements are where the checkpoint has them.
    }

    private void Run(TileKernels kernels, int row, byte* written, int tokens, float* y, nint yStride)
    {
        TileArguments arguments = new() { Weights = (byte*)tensor.Address + (nint)row * Columns * 2, OutputStride = yStride * sizeof(float) };
        for (int tile = 0; tile < tokens; tile += RowTile.MaxTokens)
        {
            arguments.Activations = written + tile * Form.RowBytes;
            arguments.Output = y + tile * yStride + row;
            kernels.Run(Math.Min(RowTile.MaxTokens, tokens - tile), &arguments);
        }
    }

    private static TileKernels Kernels(int columns, int rows) => kernelsBySize.GetOrAdd(
        (columns, rows), size => new(() => new AssembledKernels(RowTile.MaxTokens, tokens => new RowTile(size.Columns, size.Rows).Assemble(tokens)))).Value;
}
