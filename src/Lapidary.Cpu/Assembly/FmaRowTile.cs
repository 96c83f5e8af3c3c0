using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// As <see cref="RowTile"/> for processors with AVX2 and FMA: rows of bfloat16 weights times a tile of <see cref="EvenOddForm"/>,
/// 4 rows × up to 3 tokens, or 1 row. A bfloat16 is the upper half of a float32, so that 16 columns become those of even and of
/// odd number without changing lanes; products and sums are float32. Every (row, token) pair is summed in the same order.
/// </summary>
/// <param name="columns">An even number.</param>
/// <param name="linesAhead">How many lines of rows that come next a step asks for.</param>
internal sealed class FmaRowTile(int columns, int rows, int linesAhead)
{
    public const int MaxTokens = 3, StepBytes = 4 * RowForm.StepColumns;

    private const int RegisterColumns = 16, RegisterBytes = 32;

    private static readonly AssemblerRegisterYMM Weights = ymm15;
    private readonly Assembler code = new(64);
    private readonly int weightStride = 2 * columns;
    private Label upperHalves, pairsLeft;

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        upperHalves = code.CreateLabel();
        pairsLeft = code.CreateLabel();
        AssemblyConvention.Begin(code, (r8, nameof(TileArguments.Weights)), (r9, nameof(TileArguments.Activations)),
            (r10, nameof(TileArguments.Output)), (r11, nameof(TileArguments.OutputStride)), (rdx, nameof(TileArguments.Ahead)));
        for (int i = 0; i < rows * tokens; i++) code.vxorps(Ymm(i), Ymm(i), Ymm(i));
        int whole = columns / RowForm.StepColumns, rest = columns % RowForm.StepColumns;
        if (whole > 0)
        {
            code.mov(eax, whole);
            Label loop = code.CreateLabel();
            code.Label(ref loop);
            for (int i = 0; i < linesAhead; i++) code.prefetcht0(__byte_ptr[rdx + i * PanelLayout.Register]);
            if (linesAhead > 0) code.add(rdx, linesAhead * PanelLayout.Register);
            Multiply(tokens, 0, masked: false);
            Multiply(tokens, 1, masked: false);
            code.add(r8, 2 * RowForm.StepColumns);
            code.add(r9, tokens * StepBytes);
            code.dec(eax);
            code.jnz(loop);
        }
        for (int half = 0; half * RegisterColumns < rest; half++) Multiply(tokens, half, masked: rest < (half + 1) * RegisterColumns);
        for (int t = 0; t < tokens; t++) Store(t, tokens);
        return AssemblyConvention.End(code, () =>
        {
            code.Label(ref upperHalves);
            for (int i = 0; i < 8; i++) code.dd(0xffff0000);
            code.Label(ref pairsLeft);
            for (int i = 0; i < 8; i++) code.dd(i < columns % RegisterColumns / 2 ? uint.MaxValue : 0);
        });
    }

    private static AssemblerRegisterYMM Ymm(int i) => new(Register.YMM0 + i);

    private static AssemblerRegisterYMM Value(int token) => Ymm(12 + token);

    private static AssemblerRegisterYMM Sum(int row, int token, int tokens) => Ymm(row * tokens + token);

    /// <param name="half">Of the step's columns.</param>
    /// <param name="masked">Only the columns that are left are read.</param>
    private void Multiply(int tokens, int half, bool masked)
    {
        for (int odd = 0; odd < 2; odd++)
        {
            for (int t = 0; t < tokens; t++) code.vmovups(Value(t), __ymmword_ptr[r9 + (t * StepBytes + (2 * half + odd) * RegisterBytes)]);
            for (int row = 0; row < rows; row++)
            {
                AssemblerMemoryOperand stored = __ymmword_ptr[r8 + (row * weightStride + half * RegisterBytes)];
                if (masked)
                {
                    code.vmovdqu(Weights, __ymmword_ptr[pairsLeft]);
                    code.vpmaskmovd(Weights, Weights, stored);
                }
                else code.vmovdqu(Weights, stored);
                if (odd == 0) code.vpslld(Weights, Weights, 16);
                else code.vpand(Weights, Weights, __ymmword_ptr[upperHalves]);
                for (int t = 0; t < tokens; t++) code.vfmadd231ps(Sum(row, t, tokens), Weights, Value(t));
            }
        }
    }

    /// <summary>Adds up the 8 lanes of a token's sums: neighbours twice, which brings the rows together, then halves.</summary>
    private void Store(int token, int tokens)
    {
        AssemblerRegisterYMM first = Sum(0, token, tokens), later = rows == RowTile.TileRows ? Sum(2, token, tokens) : first;
        code.vhaddps(first, first, rows == RowTile.TileRows ? Sum(1, token, tokens) : first);
        if (rows == RowTile.TileRows) code.vhaddps(later, later, Sum(3, token, tokens));
        code.vhaddps(first, first, later);
        AssemblerRegisterXMM low = new(Register.XMM0 + token);
        code.vextractf128(xmm15, first, 1);
        code.vaddps(low, low, xmm15);
        if (rows == RowTile.TileRows) code.vmovups(__xmmword_ptr[r10], low);
        else code.vmovss(__dword_ptr[r10], low);
        code.add(r10, r11);
    }
}
