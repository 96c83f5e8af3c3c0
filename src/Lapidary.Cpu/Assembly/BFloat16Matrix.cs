using System.Collections.Concurrent;
using Lapidary.Checkpoints;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// bfloat16 weights where they are stored, times hidden states with assembled kernels: rounded to bfloat16 where the processor
/// has products of those, else in float32. Nothing is packed.
/// </summary>
internal sealed unsafe class BFloat16Matrix : AssembledMatrix
{
    private const int RowBytesTogether = 1 << 20; // of rows that stay in the third cache while blocks of hidden states pass by
    private const int ForeseenTokens = 2; // with which the processor foresees the next rows by itself

    private static readonly int[] linesAhead = [0, 1, 2, 4];
    private static readonly ConcurrentDictionary<(int Columns, int Rows, bool Rounded), Lazy<TileKernels[]>> kernelsOf = new();
    private readonly StoredTensor tensor;
    private readonly TileKernels[] fours, ones;
    private readonly RowForm form;
    private readonly int tilesTogether; // of hidden states that stay in a core's second cache while rows pass by
    private readonly int rowByRowTokens; // up to so many tokens the memory is the bound, and it is fastest row by row

    /// <param name="rounded">Whether hidden states are.</param>
    public BFloat16Matrix(StoredTensor tensor, bool rounded)
        : base(checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]))
    {
        this.tensor = tensor;
        form = rounded ? new BFloat16Form(Columns) : new EvenOddForm(Columns);
        (fours, ones) = (Kernels(Columns, RowTile.TileRows, rounded), Kernels(Columns, 1, rounded));
        tilesTogether = Math.Max(1, (int)((rounded ? 512 << 10 : 256 << 10) / form.RowBytes / form.MaxTokens));
        rowByRowTokens = rounded ? 5 : 0;
    }

    /// <summary>Whether this processor's kernels round hidden states.</summary>
    public static bool Rounds => CpuFeatures.HasAvx512Bf16;

    /// <summary>Why no kernel multiplies a matrix of that shape, or null.</summary>
    public static string? Refusal(AssemblyUse assembly, StoredTensor tensor) => AssemblySupport.RefusesBFloat16(assembly) is { } refusal ? refusal
        : !Rounds && tensor.Shape[1] % 2 != 0 ? "the number of columns is odd"
        : null;

    public override long ByteLength => tensor.ByteLength;

    public override HiddenForm Form => form;

    public override int Grain => RowTile.TileRows;

    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
    {
        TokenTiles tiles = new(tokens, form.MaxTokens);
        int rows = Math.Max(1, RowBytesTogether / (Columns * sizeof(ushort)) / RowTile.TileRows) * RowTile.TileRows;
        for (int first = from; first < to; first += rows)
            for (int tile = 0; tile < tiles.Count; tile += tilesTogether)
            {
                int row = first, last = Math.Min(to, first + rows), end = Math.Min(tiles.Count, tile + tilesTogether);
                if (tokens > rowByRowTokens)
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

    private static TileKernels[] Kernels(int columns, int rows, bool rounded) => kernelsOf.GetOrAdd((columns, rows, rounded), size => new(() =>
        [.. linesAhead.Select(lines => size.Rounded
            ? new AssembledKernels(RowTile.MaxTokens, tokens => new RowTile(size.Columns, size.Rows, lines).Assemble(tokens))
            : new AssembledKernels(FmaRowTile.MaxTokens, tokens => new FmaRowTile(size.Columns, size.Rows, lines).Assemble(tokens)))])).Value;
}
