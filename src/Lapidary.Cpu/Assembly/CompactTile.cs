using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// A <see cref="CompactBlock"/> times one row of float32 hidden states, added to the sums of its 32 rows, for processors with AVX2
/// and FMA. Every sum goes column by column, as in <see cref="ShortRowTile"/>. Upper bytes come out of the table by a shuffle; lower
/// and upper bytes in turn are bfloat16, the upper halves of float32: of two columns in a register one is shifted there, and one is
/// there already.
/// </summary>
internal sealed class CompactTile
{
    private const int Ahead = 2048; // bytes: what lies there is asked for

    private static readonly AssemblerRegister64 Block = r8, X = r9, Sums = r10, Uncoded = r11, Steps = rdx;
    private static readonly AssemblerRegisterYMM Lower = ymm4, Upper = ymm5, Pair = ymm6, Weights = ymm7, Table = ymm8, Place = ymm9, Places = ymm10, UpperHalves = ymm11;
    private readonly Assembler code = new(64);

    public static TileKernels Kernels { get; } = new AssembledKernels(1, _ => new CompactTile().Assemble());

    /// <summary>The machine code of void kernel(TileArguments*).</summary>
    public byte[] Assemble()
    {
        Label loop = code.CreateLabel(), uncoded = code.CreateLabel(), next = code.CreateLabel(), place = code.CreateLabel(), upperHalves = code.CreateLabel();
        AssemblyConvention.Begin(code, (Block, nameof(TileArguments.Weights)), (X, nameof(TileArguments.Activations)),
            (Sums, nameof(TileArguments.Output)), (Steps, nameof(TileArguments.Steps)));
        AssemblyConvention.BeginSums(code,
            () => ForPanels(panel => code.vxorps(Sum(panel), Sum(panel), Sum(panel))), () => ForPanels(panel => code.vmovups(Sum(panel), __ymmword_ptr[Sums + panel * CompactBlock.Register])));
        code.vbroadcasti128(Table, __xmmword_ptr[Block]);
        code.mov(Uncoded, __qword_ptr[Block + CompactBlock.UncodedOffset]);
        code.add(Block, CompactBlock.HeaderBytes);
        code.vmovdqu(Place, __ymmword_ptr[place]);
        code.vmovdqu(UpperHalves, __ymmword_ptr[upperHalves]);

        code.Label(ref loop);
        for (int line = 0; line < CompactBlock.StepBytes; line += CompactBlock.Line) code.prefetcht0(__byte_ptr[Block + (Ahead + line)]);
        for (int column = 0; column < CompactBlock.StepColumns; column++) code.vbroadcastss(Value(column), __dword_ptr[X + column * sizeof(float)]);
        code.shr(Uncoded, 1);
        code.jc(uncoded);
        for (int panel = 0; panel < CompactBlock.Panels; panel++)
        {
            if (panel % 2 == 0)
            {
                code.vmovdqu(Places, __ymmword_ptr[Block + (CompactBlock.PlacesOffset + panel / 2 * CompactBlock.Register)]);
                code.vpand(Upper, Places, Place);
            }
            else
            {
                code.vpsrlw(Upper, Places, 4);
                code.vpand(Upper, Upper, Place);
            }
            code.vpshufb(Upper, Table, Upper);
            code.vmovdqu(Lower, __ymmword_ptr[Block + panel * CompactBlock.Register]);
            code.vpunpcklbw(Pair, Lower, Upper);
            Multiply(panel, 0);
            code.vpunpckhbw(Pair, Lower, Upper);
            Multiply(panel, 2);
        }
        code.add(Block, CompactBlock.StepBytes);
        code.Label(ref next);
        code.add(X, CompactBlock.StepColumns * sizeof(float));
        code.dec(Steps);
        code.jnz(loop);
        ForPanels(panel => code.vmovups(__ymmword_ptr[Sums + panel * CompactBlock.Register], Sum(panel)));
        Label end = code.CreateLabel();
        code.jmp(end);

        code.Label(ref uncoded);
        for (int pair = 0; pair < 2 * CompactBlock.Panels; pair++)
        {
            code.vmovdqu(Pair, __ymmword_ptr[Block + pair * CompactBlock.Register]);
            Multiply(pair / 2, pair % 2 * 2);
        }
        code.add(Block, CompactBlock.UncodedStepBytes);
        code.jmp(next);
        code.Label(ref end);
        return AssemblyConvention.End(code, () =>
        {
            code.Label(ref place);
            for (int i = 0; i < 8; i++) code.dd(0x0f0f0f0f);
            code.Label(ref upperHalves);
            for (int i = 0; i < 8; i++) code.dd(0xffff0000);
        });
    }

    private static void ForPanels(Action<int> write)
    {
        for (int panel = 0; panel < CompactBlock.Panels; panel++) write(panel);
    }

    private static AssemblerRegisterYMM Sum(int panel) => new(Register.YMM0 + panel);

    private static AssemblerRegisterYMM Value(int column) => new(Register.YMM12 + column);

    /// <summary>The pair of columns in a register.</summary>
    private void Multiply(int panel, int column)
    {
        code.vpslld(Weights, Pair, 16);
        code.vfmadd231ps(Sum(panel), Weights, Value(column));
        code.vpand(Pair, Pair, UpperHalves);
        code.vfmadd231ps(Sum(panel), Pair, Value(column + 1));
    }
}
