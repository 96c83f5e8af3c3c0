using System.Collections.Concurrent;
using Lapidary.Checkpoints;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// bfloat16 weights where they are stored, times hidden states rounded to bfloat16, where the processor has products of those.
/// Nothing is packed.
/// </summary>
internal sealed unsafe class BFloat16Matrix : WeightMatrix
{
    private const int RowBytesTogether = 1 << 20; // of rows that stay in the third cache while blocks of hidden states pass by
    private const int RowByRowTokens = 5; // up to so many the memory is the bound, and it is fastest row by row
    private const int ForeseenTokens = 2; // with which the processor foresees the next rows by itself

    private static readonly int[] linesAhead = [0, 1, 2, 4];
    private static readonly ConcurrentDictionary<(int Columns, int Rows), TileKernels[]> kernelsOf = new();
    private readonly StoredTensor tensor;
    private readonly TileKernels[] fours, ones;
    private readonly BFloat16Form form;
    private readonly int tilesTogether; // of hidden states that stay in a core's second cache while rows pass by

    public BFloat16Matrix(StoredTensor tensor)
        : base(checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]))
    {
        this.tensor = tensor;
        form = new BFloat16Form(Columns, RowTile.MaxTokens, RowTile.StepColumns);
        (fours, ones) = (Kernels(Columns, RowTile.TileRows), Kernels(Columns, 1));
        tilesTogether = Math.Max(1, (int)((512 << 10) / form.RowBytes / RowTile.MaxTokens));
    }

    public override long ByteLength => tensor.ByteLength;

    public override HiddenForm Form => form;

    public override int Grain => RowTile.TileRows;

    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
    {
        TokenTiles tiles = new(tokens, RowTile.MaxTokens);
        int rows = Math.Max(1, RowBytesTogether / (Columns * sizeof(ushort)) / RowTile.TileRows) * RowTile.TileRows;
        for (int first = from; first < to; first += rows)
            for (int tile = 0; tile < tiles.Count; tile += tilesTogether)
            {
                int row = first, last = Math.Min(to, first + rows), end = Math.Min(tiles.Count, tile + tilesTogether);
                if (tokens > RowByRowTokens)
                    for (; row <= last - RowTile.TileRows; row += RowTile.TileRows) Run(fours, RowTile.TileRows, row, written, tiles, tile, end, y, yStride);
                for (; row < last; row++) Run(ones, 1, row, written, tiles, tile, end, y, yStride);
            }
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

    /// <summary>Some rows times some tiles. The first tiles share the work of asking for the rows that come next.</summary>
    private void Run(TileKernels[] kernels, int rows, int row, byte* written, TokenTiles tiles, int from, int to, float* y, nint yStride)
    {
        nint rowBytes = (nint)Columns * sizeof(ushort);
        TileArguments arguments = new() { Weights = (byte*)tensor.Address + row * rowBytes, OutputStride = yStride * sizeof(float) };
        arguments.Ahead = arguments.Weights + RowTile.TileRows * rowBytes;
        int ahead = tiles.First(tiles.Count) > ForeseenTokens ? rows : 0; // rows not asked for yet
        int kind = to - from >= rows ? 1 : to - from > 1 ? 2 : 3, token = tiles.First(from);
        for (int tile = from; tile < to; tile++)
        {
            if (ahead == 0) kind = 0;
            int end = tiles.First(tile + 1);
            arguments.Activations = written + token * form.RowBytes;
            arguments.Output = y + token * yStride + row;
            kernels[kind].Run(end - token, &arguments);
            arguments.Ahead += linesAhead[kind] * rowBytes;
            ahead -= linesAhead[kind];
            token = end;
        }
    }

    private static TileKernels[] Kernels(int columns, int rows) => kernelsOf.GetOrAdd((columns, rows), size
        => [.. linesAhead.Select(lines => new AssembledKernels(RowTile.MaxTokens, tokens => new RowTile(size.Columns, size.Rows, lines).Assemble(tokens)))]);
}
