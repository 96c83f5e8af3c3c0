using System.Collections.Concurrent;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Two panels of <see cref="Gemm.ShortRows"/>, one after the other, times up to 6 rows of float32 hidden states, for processors
/// with AVX2 and FMA. Every sum goes column by column. A processor that shares its decoders with another thread runs this
/// at the rate of its instructions, so that there are none but loads and products: compiled code has half as many again.
/// </summary>
/// <param name="element">Of the panels.</param>
internal sealed class ShortRowTile(DType element, int columns)
{
    public const int Panels = 2, MaxTokens = 6;

    private const int Lanes = 8, ColumnsTogether = 4, TokensOfPointer = 3; // base, base + stride, base + 2 strides

    private static readonly AssemblerRegister64 Weights = r8, First = r9, Fourth = r10, Stride = r11;
    private static readonly ConcurrentDictionary<(DType Element, int Columns), TileKernels> kernels = new();
    private readonly Assembler code = new(64);
    private readonly int columnBytes = Lanes * element.Size();

    /// <summary>For panels of those elements.</summary>
    public static TileKernels Kernels(DType element, int columns) => kernels.GetOrAdd((element, columns), kind
        => new AssembledKernels(MaxTokens, tokens => new ShortRowTile(kind.Element, kind.Columns).Assemble(tokens)));

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        AssemblyConvention.Begin(code, (Weights, nameof(TileArguments.Weights)), (First, nameof(TileArguments.Activations)),
            (Stride, nameof(TileArguments.ActivationStride)));
        if (tokens > TokensOfPointer)
        {
            code.lea(Fourth, __[First + Stride * 2]);
            code.add(Fourth, Stride);
        }
        AssemblyConvention.BeginSums(code, () => Clear(tokens), () => Transfer(tokens, (output, sum) => code.vmovups(sum, output)));
        if (columns >= ColumnsTogether)
        {
            code.mov(eax, columns / ColumnsTogether);
            Label loop = code.CreateLabel();
            code.Label(ref loop);
            for (int column = 0; column < ColumnsTogether; column++) Multiply(column, tokens);
            code.add(Weights, ColumnsTogether * columnBytes);
            code.add(First, ColumnsTogether * sizeof(float));
            if (tokens > TokensOfPointer) code.add(Fourth, ColumnsTogether * sizeof(float));
            code.dec(eax);
            code.jnz(loop);
        }
        for (int column = 0; column < columns % ColumnsTogether; column++) Multiply(column, tokens);
        Transfer(tokens, (output, sum) => code.vmovups(output, sum));
        return AssemblyConvention.End(code);
    }

    private static AssemblerRegisterYMM Ymm(int i) => new(Register.YMM0 + i);

    private static AssemblerRegisterYMM Sum(int token, int panel) => Ymm(token * Panels + panel);

    private void Clear(int tokens)
    {
        for (int i = 0; i < Panels * tokens; i++) code.vxorps(Ymm(i), Ymm(i), Ymm(i));
    }

    private void Multiply(int column, int tokens)
    {
        for (int panel = 0; panel < Panels; panel++) Load(Ymm(12 + panel), Weights + (panel * columns + column) * columnBytes);
        for (int t = 0; t < tokens; t++)
        {
            AssemblerRegisterYMM value = Ymm(14 + t % 2);
            AssemblerRegister64 pointer = t < TokensOfPointer ? First : Fourth;
            int at = column * sizeof(float);
            code.vbroadcastss(value, (t % TokensOfPointer) switch
            {
                0 => __dword_ptr[pointer + at],
                1 => __dword_ptr[pointer + Stride + at],
                _ => __dword_ptr[pointer + Stride * 2 + at],
            });
            for (int panel = 0; panel < Panels; panel++) code.vfmadd231ps(Sum(t, panel), Ymm(12 + panel), value);
        }
    }

    private void Load(AssemblerRegisterYMM register, AssemblerMemoryOperand address)
    {
        switch (element)
        {
            case DType.F32:
                code.vmovups(register, __ymmword_ptr[address]);
                break;
            case DType.F16:
                code.vcvtph2ps(register, __xmmword_ptr[address]);
                break;
            default:
                code.vpmovzxwd(register, __xmmword_ptr[address]);
                code.vpslld(register, register, 16);
                break;
        }
    }

    /// <param name="move">Between a token's output and its sums of a panel.</param>
    private void Transfer(int tokens, Action<AssemblerMemoryOperand, AssemblerRegisterYMM> move)
    {
        code.mov(rax, __qword_ptr[AssemblyConvention.Arguments + AssemblyConvention.Offset(nameof(TileArguments.Output))]);
        code.mov(rdx, __qword_ptr[AssemblyConvention.Arguments + AssemblyConvention.Offset(nameof(TileArguments.OutputStride))]);
        for (int t = 0; t < tokens; t++)
        {
            for (int panel = 0; panel < Panels; panel++) move(__ymmword_ptr[rax + panel * Lanes * sizeof(float)], Sum(t, panel));
            if (t + 1 < tokens) code.add(rax, rdx);
        }
    }
}
