using System.Runtime.Intrinsics.X86;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>Compact weights times float32 hidden states (AVX2 with FMA), one token by blocks as they lie.</summary>
internal sealed unsafe class CompactAvx2 : CompactMatrix
{
    private const int LinesAhead = 16; // of the next block, asked for beside each tile: more than the processor foresees
    private const int TileRows = ShortRowTile.Panels * CompactBlock.Lanes, Halves = CompactBlock.Rows / TileRows;

    private readonly TileKernels wholeBlock, lastBlock; // for blocks of a row

    /// <param name="source">What has no <see cref="CompactMatrix.Refusal"/>.</param>
    public CompactAvx2(DenseMatrix source) : base(source)
    {
        wholeBlock = Kernels(0);
        lastBlock = Kernels(Panels.Blocks - 1);

        TileKernels Kernels(int block) => ShortRowTile.Kernels(DType.F32, Panels.Steps(block) * CompactBlock.StepColumns);
    }

    protected override int MaxTokens => ShortRowTile.MaxTokens;

    protected override int BlocksTogether => 1;

    protected override int UnpackedFloats => CompactBlock.Rows * CompactBlock.Columns;

    public override void Multiply(int from, int to, float* x, nint xStride, int tokens, float* y, nint yStride)
        => MultiplyRows(from, to, (byte*)x, xStride * sizeof(float), tokens, y, yStride);

    protected override nint ColumnBytes(int tokens) => sizeof(float); // tokens lie one after the other

    protected override void Multiply(int group, int block, int end, int tokens, int tile, int tiles, TileArguments* arguments)
    {
        if (tiles == 1 && tokens == 1)
        {
            arguments->Weights = Panels.Block(group, block);
            CompactTile.Kernels.Run(tokens, arguments);
            return;
        }
        if (tile == 0) Panels.Unpack(group, block, (float*)arguments->Unpacked);
        arguments->Weights = arguments->Unpacked;
        TileKernels products = block < Panels.Blocks - 1 ? wholeBlock : lastBlock;
        byte* ahead = Panels.Block(group, end) + tile * Halves * LinesAhead * CompactBlock.Line, last = Panels.Block(group, end) + arguments->Steps * CompactBlock.StepBytes;
        for (int half = 0; half < Halves; half++)
        {
            for (int line = 0; line < LinesAhead && ahead < last; line++, ahead += CompactBlock.Line) Sse.Prefetch1(ahead);
            products.Run(tokens, arguments);
            arguments->Weights += TileRows * arguments->Steps * CompactBlock.StepColumns * sizeof(float);
            arguments->Output += TileRows;
        }
    }
}
