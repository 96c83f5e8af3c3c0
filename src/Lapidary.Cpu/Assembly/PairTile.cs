using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// 32 rows × 4 columns of bfloat16 weights at a time, times up to 12 tokens. A register holds a pair of columns of 16 rows.
/// AVX512-BF16 multiplies it with a pair of hidden states, which lie in a <see cref="BFloat16Form"/> of such steps; for rows in
/// float32 it becomes two registers, one shifted and one masked. Every sum goes in the order of columns, whatever the tile. The
/// first tile takes weights out of a <see cref="CompactBlock"/>, beside its products, and leaves them unpacked for those that follow.
/// </summary>
/// <param name="hiddenStates">F32 or BF16.</param>
/// <param name="coded">Whether the weights are blocks as they lie, one after the other.</param>
/// <param name="unpacks">Whether they are left unpacked.</param>
/// <param name="asks">Whether the block that comes next is asked for.</param>
internal sealed class PairTile(DType hiddenStates, bool coded, bool unpacks, bool asks)
{
    public const int MaxTokens = 12;

    private const int Line = CompactBlock.Line, Near = 2048, Far = 6144, Ahead = 3072; // bytes; what lies ahead is asked for
    private const int Pairs = 2, Halves = 2; // of a step's columns, of its rows; unpacked [pair, half, row, column of the pair]
    private const int TokensOfRow = 3, FormBytes = CompactBlock.StepColumns * sizeof(ushort); // row, row + stride, row + 2 strides; of a token's step

    private static readonly AssemblerRegisterZMM[] zmm = VectorRegisters.All;
    private static readonly AssemblerRegister64 Weights = r8, X = r9, Steps = r10, StepsOfBlock = r11, Uncoded = rax, UnpackedOrNext = rdx, Stride = r14, Output = r8, OutputStride = r9;
    private static readonly AssemblerRegister64[] rowsOfTokens = [X, rbx, r12, r13];
    private static readonly AssemblerRegisterZMM Lower = zmm4, Upper = zmm5, Value = zmm6, Table = zmm7;
    private readonly Assembler code = new(64);
    private readonly bool inRows = hiddenStates == DType.F32;
    private readonly AssemblerRegister64[] kept = hiddenStates == DType.F32 ? [Stride, .. rowsOfTokens[1..]] : [];

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        Label block = code.CreateLabel(), loop = code.CreateLabel(), uncoded = code.CreateLabel(), multiply = code.CreateLabel(), shifts = code.CreateLabel(), place = code.CreateLabel(), upperHalves = code.CreateLabel();
        AssemblyConvention.Keep(code, kept);
        AssemblyConvention.Begin(code);
        AssemblyConvention.BeginSums(code, () => Clear(tokens), () => Transfer(tokens, (output, sum) => code.vmovups(sum, output)));
        AssemblyConvention.Load(code, (Weights, nameof(TileArguments.Weights)), (X, nameof(TileArguments.Activations)), (Steps, nameof(TileArguments.Steps)),
            (UnpackedOrNext, asks ? nameof(TileArguments.Ahead) : nameof(TileArguments.Unpacked)));
        if (inRows)
        {
            AssemblyConvention.Load(code, (Stride, nameof(TileArguments.ActivationStride)));
            for (int i = 1; i < Rows(tokens); i++)
            {
                code.lea(rowsOfTokens[i], __[rowsOfTokens[i - 1] + Stride * 2]);
                code.add(rowsOfTokens[i], Stride);
            }
        }
        if (coded)
        {
            code.Label(ref block);
            BeginBlock();
        }

        code.Label(ref loop);
        if (coded)
        {
            if (TokenTiles.AsksTwice(tokens)) AskTwice();
            else ForLines(line => code.prefetcht0(__byte_ptr[Weights + (Ahead + line)]));
            TakeCoded(uncoded, shifts, place);
            code.Label(ref multiply);
        }
        else
        {
            TakeUnpacked();
        }
        if (unpacks) LeaveUnpacked();
        if (asks) AskAhead();
        for (int pair = 0; pair < Pairs; pair++)
        {
            if (inRows) MultiplyColumns(tokens, pair, upperHalves);
            else Multiply(tokens, pair, half => Pair(pair, half), code.vdpbf16ps);
        }
        if (inRows) for (int i = 0; i < Rows(tokens); i++) code.add(rowsOfTokens[i], CompactBlock.StepColumns * sizeof(float));
        else code.add(X, tokens * FormBytes);
        code.dec(coded ? StepsOfBlock : Steps);
        code.jnz(loop);
        if (coded)
        {
            code.test(Steps, Steps);
            code.jnz(block);
        }
        Transfer(tokens, (output, sum) => code.vmovups(output, sum));
        Label end = code.CreateLabel();
        if (coded)
        {
            code.jmp(end);
            code.Label(ref uncoded);
            TakeUncoded();
            code.jmp(multiply);
            code.Label(ref end);
        }
        return AssemblyConvention.End(code, () =>
        {
            code.Label(ref shifts);
            for (int i = 0; i < 16; i++) code.dd(i < 8 ? 0u : 0x00040004); // the second panel's places are the upper bits
            code.Label(ref place);
            code.dd(0x0f0f0f0f);
            code.Label(ref upperHalves);
            code.dd(0xffff0000);
        }, kept);
    }

    /// <summary>How many registers say where tokens are.</summary>
    private static int Rows(int tokens) => (tokens + TokensOfRow - 1) / TokensOfRow;

    private static AssemblerRegisterZMM Sum(int token, int half) => zmm[8 + token * Halves + half];

    private static AssemblerRegisterZMM Pair(int pair, int half) => zmm[pair * Halves + half];

    private void Clear(int tokens)
    {
        for (int t = 0; t < tokens; t++)
            for (int half = 0; half < Halves; half++) code.vpxord(Sum(t, half), Sum(t, half), Sum(t, half));
    }

    private void BeginBlock()
    {
        code.vbroadcasti32x4(Table, __xmmword_ptr[Weights]);
        code.mov(Uncoded, __qword_ptr[Weights + CompactBlock.UncodedOffset]);
        code.add(Weights, CompactBlock.HeaderBytes);
        code.mov(r11d, CompactBlock.Columns / CompactBlock.StepColumns);
        code.cmp(Steps, StepsOfBlock);
        code.cmovb(StepsOfBlock, Steps);
        code.sub(Steps, StepsOfBlock);
    }

    /// <summary>A step's weights out of a block.</summary>
    /// <param name="uncoded">Where those go on that lie there as they are.</param>
    private void TakeCoded(Label uncoded, Label shifts, Label place)
    {
        code.shr(Uncoded, 1);
        code.jc(uncoded);
        for (int half = 0; half < Halves; half++) Decode(half, shifts, place);
        code.add(Weights, CompactBlock.StepBytes);
    }

    private void TakeUncoded()
    {
        for (int pair = 0; pair < Pairs; pair++)
            for (int half = 0; half < Halves; half++) LoadUncoded(pair, half);
        code.add(Weights, CompactBlock.UncodedStepBytes);
    }

    private void TakeUnpacked()
    {
        for (int i = 0; i < Pairs * Halves; i++) code.vmovdqu32(zmm[i], __zmmword_ptr[Weights + i * Line]);
        code.add(Weights, CompactBlock.UncodedStepBytes);
    }

    private void LeaveUnpacked()
    {
        for (int i = 0; i < Pairs * Halves; i++) code.vmovdqu32(__zmmword_ptr[UnpackedOrNext + i * Line], zmm[i]);
        code.add(UnpackedOrNext, CompactBlock.UncodedStepBytes);
    }

    private static void ForLines(Action<int> ask)
    {
        for (int line = 0; line < CompactBlock.StepBytes; line += Line) ask(line);
    }

    private void AskTwice()
    {
        ForLines(line => code.prefetcht0(__byte_ptr[Weights + (Near + line)]));
        ForLines(line => code.prefetcht1(__byte_ptr[Weights + (Far + line)]));
    }

    private void AskAhead()
    {
        ForLines(line => code.prefetcht1(__byte_ptr[UnpackedOrNext + line]));
        code.add(UnpackedOrNext, CompactBlock.StepBytes);
    }

    /// <summary>Two panels of 8 rows: lower and upper bytes in turns are pairs of columns.</summary>
    private void Decode(int half, Label shifts, Label place)
    {
        code.vbroadcasti64x4(Upper, __ymmword_ptr[Weights + (CompactBlock.PlacesOffset + half * CompactBlock.Register)]);
        code.vpsrlvw(Upper, Upper, __zmmword_ptr[shifts]);
        code.vpandd(Upper, Upper, __dword_bcst[place]);
        code.vpshufb(Upper, Table, Upper);
        code.vmovdqu32(Lower, __zmmword_ptr[Weights + half * 2 * CompactBlock.Register]);
        code.vpunpcklbw(Pair(0, half), Lower, Upper);
        code.vpunpckhbw(Pair(1, half), Lower, Upper);
    }

    /// <summary>The column of a pair that is in the lower halves, then the other.</summary>
    private void MultiplyColumns(int tokens, int pair, Label upperHalves)
    {
        for (int half = 0; half < Halves; half++) code.vpslld(zmm[4 + half], Pair(pair, half), 16);
        Multiply(tokens, 2 * pair, half => zmm[4 + half], code.vfmadd231ps);
        for (int half = 0; half < Halves; half++) code.vpandd(Pair(pair, half), Pair(pair, half), __dword_bcst[upperHalves]);
        Multiply(tokens, 2 * pair + 1, half => Pair(pair, half), code.vfmadd231ps);
    }

    /// <param name="at">Which 4 bytes of a token's step.</param>
    private void Multiply(int tokens, int at, Func<int, AssemblerRegisterZMM> weights, Action<AssemblerRegisterZMM, AssemblerRegisterZMM, AssemblerRegisterZMM> product)
    {
        for (int t = 0; t < tokens; t++)
        {
            AssemblerRegister64 row = rowsOfTokens[t / TokensOfRow];
            code.vbroadcastss(Value, !inRows ? __dword_ptr[X + (t * FormBytes + at * sizeof(float))] : (t % TokensOfRow) switch
            {
                0 => __dword_ptr[row + at * sizeof(float)],
                1 => __dword_ptr[row + Stride + at * sizeof(float)],
                _ => __dword_ptr[row + Stride * 2 + at * sizeof(float)],
            });
            for (int half = 0; half < Halves; half++) product(Sum(t, half), weights(half), Value);
        }
    }

    private void LoadUncoded(int pair, int half)
    {
        AssemblerRegisterZMM both = Pair(pair, half);
        int first = (half * 4 + pair) * CompactBlock.Register;
        code.vmovdqu(new AssemblerRegisterYMM(Register.YMM0 + (pair * Halves + half)), __ymmword_ptr[Weights + first]);
        code.vinserti64x4(both, both, __ymmword_ptr[Weights + (first + 2 * CompactBlock.Register)], 1);
    }

    /// <param name="move">Between a token's output and its sums of half of the rows.</param>
    private void Transfer(int tokens, Action<AssemblerMemoryOperand, AssemblerRegisterZMM> move)
    {
        AssemblyConvention.Load(code, (Output, nameof(TileArguments.Output)), (OutputStride, nameof(TileArguments.OutputStride)));
        for (int t = 0; t < tokens; t++)
        {
            if (t > 0) code.add(Output, OutputStride);
            for (int half = 0; half < Halves; half++) move(__zmmword_ptr[Output + half * Line], Sum(t, half));
        }
    }
}
