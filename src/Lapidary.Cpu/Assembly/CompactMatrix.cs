using System.Runtime.Intrinsics.X86;
using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// bfloat16 weights in three quarters of their bytes (<see cref="CompactBlock"/>) times float32 hidden states. One token is at the
/// memory's mercy, and reads that much less; for more a block is unpacked into the first caches and multiplied there. Every sum
/// goes column by column, whatever the tile.
/// </summary>
internal sealed unsafe class CompactMatrix : WeightMatrix
{
    private const int LinesAhead = 16; // of the next block, asked for beside each tile: more than the processor foresees
    private const int TileRows = ShortRowTile.Panels * CompactBlock.Lanes;

    private readonly CompactPanels panels;
    private readonly TileKernels[] kernels; // for each block of a row: sums begin with the first

    /// <param name="source">What has no <see cref="Refusal"/>.</param>
    public CompactMatrix(DenseMatrix source) : base(source.Rows, source.Columns)
    {
        panels = new CompactPanels(source);
        kernels = [.. Enumerable.Range(0, panels.Blocks).Select(block
            => ShortRowTile.Kernels(DType.F32, panels.Steps(block) * CompactBlock.StepColumns, resumes: block > 0))];
    }

    /// <summary>Why that matrix is not packed so, or null.</summary>
    public static string? Refusal(DenseMatrix matrix)
        => matrix.Tensor.DType != DType.BF16 ? $"it is {matrix.Tensor.DType}, not BF16"
        : matrix.Columns % CompactBlock.ColumnsTogether != 0 ? $"it has {matrix.Columns} columns, no multiple of {CompactBlock.ColumnsTogether}"
        : matrix.Rows < CompactBlock.Rows ? $"it has {matrix.Rows} rows, fewer than {CompactBlock.Rows}"
        : null;

    public override long ByteLength => panels.ByteLength;

    public override int Grain => CompactBlock.Rows;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        if (from >= to) return;
        int end = (to + CompactBlock.Rows - 1) / CompactBlock.Rows;
        for (int group = from / CompactBlock.Rows; group < end; group++)
        {
            if (tokens == 1) MultiplyOne(group, from, to, x, y);
            else MultiplySome(group, from, to, x, xStride, tokens, y, yStride);
        }
    }

    private void MultiplyOne(int group, int from, int to, float* x, float* y)
    {
        float* sums = stackalloc float[CompactBlock.Rows];
        int row = group * CompactBlock.Rows;
        bool whole = row >= from && row + CompactBlock.Rows <= to;
        TileArguments arguments = new() { Output = whole ? y + row : sums };
        new Span<float>(arguments.Output, CompactBlock.Rows).Clear();
        for (int block = 0; block < panels.Blocks; block++)
        {
            arguments.Weights = panels.Block(group, block);
            arguments.Activations = (byte*)(x + block * CompactBlock.Columns);
            arguments.Steps = panels.Steps(block);
            CompactTile.Kernels.Run(1, &arguments);
        }
        if (!whole) Store(sums, row, from, to, y);
    }

    private void MultiplySome(int group, int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        const int BlockFloats = CompactBlock.Rows * CompactBlock.Columns;
        int row = group * CompactBlock.Rows;
        bool whole = row >= from && row + CompactBlock.Rows <= to;
        float* weights = ThreadScratch.Floats(BlockFloats + (whole ? 0 : tokens * CompactBlock.Rows)), output = y + row;
        nint outputStride = yStride;
        if (!whole)
        {
            output = weights + BlockFloats;
            outputStride = CompactBlock.Rows;
        }
        TokenTiles tiles = new(tokens, ShortRowTile.MaxTokens);
        for (int block = 0; block < panels.Blocks; block++)
        {
            panels.Unpack(group, block, weights);
            int columns = panels.Steps(block) * CompactBlock.StepColumns;
            byte* ahead = panels.Block(group, block + 1), end = ahead + CompactBlock.HeaderBytes + panels.Steps(block) * CompactBlock.StepBytes;
            TileArguments arguments = new() { ActivationStride = xStride * sizeof(float), OutputStride = outputStride * sizeof(float) };
            for (int half = 0; half < CompactBlock.Rows; half += TileRows)
            {
                arguments.Weights = (byte*)(weights + half * columns);
                for (int tile = 0, token = 0, next; tile < tiles.Count; tile++, token = next)
                {
                    for (int line = 0; line < LinesAhead && ahead < end; line++, ahead += 64) Sse.Prefetch1(ahead);
                    next = tiles.First(tile + 1);
                    arguments.Activations = (byte*)(x + token * xStride + block * CompactBlock.Columns);
                    arguments.Output = output + token * outputStride + half;
                    kernels[block].Run(next - token, &arguments);
                }
            }
        }
        if (!whole)
            for (int t = 0; t < tokens; t++) Store(output + t * outputStride, row, from, to, y + t * yStride);
    }

    /// <summary>Sums of the rows that lie in [from, to).</summary>
    private static void Store(float* sums, int row, int from, int to, float* y)
    {
        for (int i = Math.Max(row, from); i < Math.Min(row + CompactBlock.Rows, to); i++) y[i] = sums[i - row];
    }

    public override void CopyRow(int row, float scale, float* output)
    {
        panels.CopyRow(row, output);
        for (int i = 0; i < Columns; i++) output[i] *= scale;
    }

    public override void Dispose() => panels.Dispose();
}
