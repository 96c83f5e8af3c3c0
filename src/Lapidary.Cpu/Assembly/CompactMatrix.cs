using System.Runtime.CompilerServices;
using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// bfloat16 weights in three quarters of their bytes (<see cref="CompactBlock"/>). Few tokens are at the memory's mercy, and read that
/// much less; for more a block is unpacked into the first caches and multiplied there. Every sum goes in the order of columns,
/// whatever the tile.
/// </summary>
internal abstract unsafe class CompactMatrix : WeightMatrix
{
    /// <param name="source">What has no <see cref="Refusal"/>.</param>
    protected CompactMatrix(DenseMatrix source) : base(source.Rows, source.Columns) => Panels = new CompactPanels(source);

    /// <summary>Why that matrix is not packed so, or null.</summary>
    public static string? Refusal(DenseMatrix matrix)
        => matrix.Tensor.DType != DType.BF16 ? $"it is {matrix.Tensor.DType}, not BF16"
        : matrix.Columns % CompactBlock.ColumnsTogether != 0 ? $"it has {matrix.Columns} columns, no multiple of {CompactBlock.ColumnsTogether}"
        : matrix.Rows < CompactBlock.Rows ? $"it has {matrix.Rows} rows, fewer than {CompactBlock.Rows}"
        : null;

    public override long ByteLength => Panels.ByteLength;

    public override int Grain => CompactBlock.Rows;

    protected CompactPanels Panels { get; }

    /// <summary>Of a tile.</summary>
    protected abstract int MaxTokens { get; }

    /// <summary>Blocks of the same rows that a tile takes at once.</summary>
    protected abstract int BlocksTogether { get; }

    /// <summary>Floats of their unpacked weights.</summary>
    protected abstract int UnpackedFloats { get; }

    /// <summary>Of one column of the hidden states of a tile.</summary>
    protected abstract nint ColumnBytes(int tokens);

    /// <summary>Adds the products of a tile with some blocks to the tile's sums. Tiles come one after the other.</summary>
    /// <param name="arguments">All but the weights; they may be left unpacked for the tiles that follow.</param>
    protected abstract void Multiply(int group, int block, int end, int tokens, int tile, int tiles, TileArguments* arguments);

    /// <param name="tokenBytes">From one token's hidden states to those of the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected void MultiplyRows(int from, int to, byte* x, nint tokenBytes, int tokens, float* y, nint yStride)
    {
        TokenTiles tiles = new(tokens, MaxTokens);
        float* unpacked = ThreadScratch.Floats(UnpackedFloats + tokens * CompactBlock.Rows), sums = unpacked + UnpackedFloats;
        TileArguments arguments = new() { ActivationStride = tokenBytes, Unpacked = (byte*)unpacked };
        for (int group = from / CompactBlock.Rows; group * CompactBlock.Rows < to; group++)
        {
            int row = group * CompactBlock.Rows;
            bool whole = row >= from && row + CompactBlock.Rows <= to;
            float* output = whole ? y + row : sums;
            nint stride = whole ? yStride : CompactBlock.Rows;
            arguments.OutputStride = stride * sizeof(float);
            for (int block = 0, end; block < Panels.Blocks; block = end)
            {
                end = Math.Min(Panels.Blocks, block + BlocksTogether);
                arguments.Steps = (Math.Min(Columns, end * CompactBlock.Columns) - block * CompactBlock.Columns) / CompactBlock.StepColumns;
                arguments.Resumes = block;
                for (int tile = 0, token = 0, next; tile < tiles.Count; tile++, token = next)
                {
                    next = tiles.First(tile + 1);
                    arguments.Activations = x + token * tokenBytes + block * CompactBlock.Columns * ColumnBytes(next - token);
                    arguments.Output = output + token * stride;
                    Multiply(group, block, end, next - token, tile, tiles.Count, &arguments);
                }
            }
            if (whole) continue;
            for (int t = 0; t < tokens; t++)
                for (int i = Math.Max(row, from); i < Math.Min(row + CompactBlock.Rows, to); i++) y[t * yStride + i] = sums[t * stride + i - row];
        }
    }

    public override void CopyRow(int row, float scale, float* output)
    {
        Panels.CopyRow(row, output);
        for (int i = 0; i < Columns; i++) output[i] *= scale;
    }

    public override void Dispose() => Panels.Dispose();
}
