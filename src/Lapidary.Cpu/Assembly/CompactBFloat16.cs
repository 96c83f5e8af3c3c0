using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>Compact weights times hidden states rounded to bfloat16 (AVX512-BF16). Of several tiles the first leaves a block unpacked for the others.</summary>
internal sealed unsafe class CompactBFloat16 : CompactMatrix
{
    private static readonly Lazy<TileKernels> alone = Kernels(coded: true), first = Kernels(coded: true, unpacks: true),
        second = Kernels(coded: false, asks: true), others = Kernels(coded: false);

    /// <param name="source">What has no <see cref="CompactMatrix.Refusal"/>.</param>
    public CompactBFloat16(DenseMatrix source) : base(source) => Form = new BFloat16Form(Columns, PairTile.MaxTokens, PairTile.StepColumns);

    public override HiddenForm Form { get; }

    protected override int MaxTokens => PairTile.MaxTokens;

    protected override int BlocksTogether => 16; // 256 KB unpacked, in a core's second cache

    protected override int UnpackedFloats => Math.Min(Panels.Blocks, BlocksTogether) * CompactBlock.Rows * CompactBlock.Columns / 2;

    public override void MultiplyWritten(int from, int to, byte* written, int tokens, float* y, nint yStride)
        => MultiplyRows(from, to, written, Form.RowBytes, tokens, y, yStride);

    protected override nint ColumnBytes(int tokens) => tokens * sizeof(ushort);

    protected override void Multiply(int group, int block, int end, int tokens, int tile, int tiles, TileArguments* arguments)
    {
        arguments->Weights = tile == 0 ? Panels.Block(group, block) : arguments->Unpacked;
        arguments->Ahead = Panels.Block(group, end);
        TileKernels kernels = (tile switch
        {
            0 => tiles == 1 ? alone : first,
            1 => second,
            _ => others,
        }).Value;
        kernels.Run(tokens, arguments);
    }

    private static Lazy<TileKernels> Kernels(bool coded, bool unpacks = false, bool asks = false) => new(() => new AssembledKernels(PairTile.MaxTokens, tokens => new PairTile(coded, unpacks, asks).Assemble(tokens)));
}
