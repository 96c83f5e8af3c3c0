using System.Collections.Concurrent;
using Lapidary.Checkpoints;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>bfloat16 weights where they are stored, times bfloat16 hidden states with assembled kernels. Nothing is packed.</summary>
internal sealed unsafe class BFloat16Matrix(StoredTensor tensor)
    : AssembledMatrix(checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]))
{
    private const int RowByRowTokens = 5; // up to so many tokens the memory is the bound, and it is fastest row by row
    private const int BlockBytes = 512 << 10; // hidden states that stay in a core's second cache while all rows pass by

    private static readonly ConcurrentDictionary<(int Columns, int Rows), Lazy<TileKernels>> kernelsBySize = new();
    private readonly TileKernels fours = Kernels(checked((int)tensor.Shape[1]), RowTile.TileRows), ones = Kernels(checked((int)tensor.Shape[1]), 1);

    public override long ByteLength => tensor.ByteLength;

    public override HiddenForm Form { get; } = new BFloat16Form(checked((int)tensor.Shape[1]));

    public override int Grain => RowTile.TileRows;

    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
    {
        int most = Math.Max(1, (int)(BlockBytes / Form.RowBytes / RowTile.MaxTokens)) * RowTile.MaxTokens;
        for (int token = 0; token < tokens; token += most)
            MultiplyBlock(from, to, written + token * Form.RowBytes, Math.Min(most, tokens - token), y + token * yStride, yStride);
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

    private void MultiplyBlock(int from, int to, byte* written, int tokens, float* y, nint yStride)
    {
        int row = from;
        if (tokens > RowByRowTokens)
            for (; row <= to - RowTile.TileRows; row += RowTile.TileRows) Run(fours, RowTile.TileRows, row, written, tokens, y, yStride);
        for (; row < to; row++) Run(ones, 1, row, written, tokens, y, yStride);
    }

    /// <summary>Some rows times all tokens, in tiles of even size.</summary>
    private void Run(TileKernels kernels, int rows, int row, byte* written, int tokens, float* y, nint yStride)
    {
        nint rowBytes = (nint)Columns * sizeof(ushort);
        TileArguments arguments = new() { Weights = (byte*)tensor.Address + row * rowBytes, OutputStride = yStride * sizeof(float) };
        int tiles = (tokens + RowTile.MaxTokens - 1) / RowTile.MaxTokens, token = 0;
        for (int tile = 1; tile <= tiles; tile++)
        {
            int count = tokens * tile / tiles - token;
            arguments.Activations = written + token * Form.RowBytes;
            arguments.Output = y + token * yStride + row;
            arguments.Ahead = arguments.Weights + (RowTile.TileRows + rows - RowTile.LinesAhead(rows, count)) * rowBytes;
            kernels.Run(count, &arguments);
            token += count;
        }
    }

    private static TileKernels Kernels(int columns, int rows) => kernelsBySize.GetOrAdd(
        (columns, rows), size => new(() => new AssembledKernels(RowTile.MaxTokens, tokens => new RowTile(size.Columns, size.Rows).Assemble(tokens)))).Value;
}
