using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>Compact weights times hidden states in float32, or rounded to bfloat16 (<see cref="PairTile"/>).</summary>
internal sealed unsafe class CompactAvx512 : CompactMatrix
{
    private static readonly Tiles inFloat32 = new(DType.F32), inBFloat16 = new(DType.BF16);

    private readonly Tiles tiles;

    /// <param name="source">What has no <see cref="CompactMatrix.Refusal"/>.</param>
    /// <param name="hiddenStates">F32 or BF16.</param>
    public CompactAvx512(DenseMatrix source, DType hiddenStates) : base(source)
    {
        tiles = hiddenStates == DType.F32 ? inFloat32 : inBFloat16;
        if (hiddenStates == DType.BF16) Form = new BFloat16Form(Columns, PairTile.MaxTokens, CompactBlock.StepColumns);
    }

    public override HiddenForm? Form { get; }

    protected override int MaxTokens => PairTile.MaxTokens;

    protected override int BlocksTogether => 16; // 256 KB unpacked, in a core's second cache

    protected override int UnpackedFloats => Math.Min(Panels.Blocks, BlocksTogether) * CompactBlock.Rows * CompactBlock.Columns / 2;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
    {
        if (Form is null) MultiplyRows(from, to, (byte*)x, xStride * sizeof(float), tokens, y, yStride);
        else base.Multiply(from, to, x, xStride, tokens, y, yStride);
    }

    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
        => MultiplyRows(from, to, written, Form!.RowBytes, tokens, y, yStride);

    protected override nint ColumnBytes(int tokens) => Form is null ? sizeof(float) : tokens * sizeof(ushort);

    protected override void Multiply(int group, int block, int end, int tokens, int tile, int count, TileArguments* arguments)
    {
        arguments->Weights = tile == 0 ? Panels.Block(group, block) : arguments->Unpacked;
        if (tile == 1) arguments->Ahead = Panels.Block(group, end);
        TileKernels kernels = tile switch
        {
            0 => count == 1 ? tiles.Alone : tiles.First,
            1 => tiles.Second,
            _ => tiles.Others,
        };
        kernels.Run(tokens, arguments);
    }

    /// <summary>Kernels by what a tile is among those of the same weights.</summary>
    private sealed class Tiles(DType hiddenStates)
    {
        public TileKernels Alone { get; } = Kernels(hiddenStates, coded: true);
        public TileKernels First { get; } = Kernels(hiddenStates, coded: true, unpacks: true);
        public TileKernels Second { get; } = Kernels(hiddenStates, coded: false, asks: true);
        public TileKernels Others { get; } = Kernels(hiddenStates, coded: false);

        private static AssembledKernels Kernels(DType hiddenStates, bool coded, bool unpacks = false, bool asks = false)
            => new(PairTile.MaxTokens, tokens => new PairTile(hiddenStates, coded, unpacks, asks).Assemble(tokens));
    }
}
