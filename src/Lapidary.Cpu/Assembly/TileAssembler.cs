using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// What all tile kernels share: arguments to registers, the loop over steps, accumulators 16 to 31 stored under the row mask.
/// Only registers that both calling conventions let a callee change are used, and on Windows xmm6 to xmm15 are kept.
/// </summary>
internal abstract class TileAssembler
{
    /// <summary>Most tokens of a tile: their sums fill half the registers.</summary>
    public const int MaxTokens = 16;

    // Registers common to both conventions: r8 weights, r9 activations, r10 output, r11 output stride, rax steps left.
    protected static readonly AssemblerRegister64 Weights = r8, Activations = r9;

    protected static readonly AssemblerRegisterZMM[] Zmm =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    protected Assembler Code { get; } = new(64);

    protected static AssemblerRegisterZMM Sum(int token) => Zmm[16 + token];

    /// <summary>Bytes that the weights and the activations of one tile advance per step.</summary>
    protected abstract (int Weights, int Activations) StepBytes(int tokens);

    protected abstract void Constants();

    protected abstract void Step(int tokens);

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        bool windows = OperatingSystem.IsWindows();
        AssemblerRegister64 arguments = windows ? rcx : rdi;
        if (windows) KeepLowRegisters();
        Load(r8, nameof(TileArguments.Weights));
        Load(r9, nameof(TileArguments.Activations));
        Load(r10, nameof(TileArguments.Output));
        Load(r11, nameof(TileArguments.OutputStride));
        Load(rax, nameof(TileArguments.Steps));
        Load(rdx, nameof(TileArguments.RowMask));
        Code.kmovw(k1, edx);
        Constants();
        for (int t = 0; t < tokens; t++) Code.vpxord(Sum(t), Sum(t), Sum(t));

        Label loop = Code.CreateLabel();
        Code.Label(ref loop);
        Step(tokens);
        (int weights, int activations) = StepBytes(tokens);
        Code.add(r8, weights);
        Code.add(r9, activations);
        Code.dec(rax);
        Code.jnz(loop);

        for (int t = 0; t < tokens; t++)
        {
            Code.vmovups(__zmmword_ptr[r10].k1, Sum(t));
            if (t < tokens - 1) Code.add(r10, r11);
        }
        if (windows) RestoreLowRegisters();
        Code.vzeroupper();
        Code.ret();

        using MemoryStream bytes = new();
        Code.Assemble(new StreamCodeWriter(bytes), rip: 0);
        return bytes.ToArray();

        void Load(AssemblerRegister64 register, string field)
            => Code.mov(register, __qword_ptr[arguments + (int)Marshal.OffsetOf<TileArguments>(field)]);
    }

    private void KeepLowRegisters()
    {
        Code.sub(rsp, 168);
        for (int i = 6; i < 16; i++) Code.vmovups(__xmmword_ptr[rsp + 16 * (i - 6)], Xmm(i));
    }

    private void RestoreLowRegisters()
    {
        for (int i = 6; i < 16; i++) Code.vmovups(Xmm(i), __xmmword_ptr[rsp + 16 * (i - 6)]);
        Code.add(rsp, 168);
    }

    private static AssemblerRegisterXMM Xmm(int i) => new(Register.XMM0 + i);
}
