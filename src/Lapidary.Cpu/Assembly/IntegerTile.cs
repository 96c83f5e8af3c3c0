using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// 16 rows × up to 16 tokens of integer weights times int8 activations with VNNI. Per step and token: 8 dot products of 4
/// columns in int32, exact; then sum += (dot · activation scale) · weight scale in float32, and for formats with offsets
/// sum += offset · Σ activations. Every sum takes its steps in order, whatever the tile's width, so a token's result does
/// not depend on its neighbours.
/// </summary>
internal sealed class IntegerTile(PanelLayout layout)
{
    /// <summary>Most tokens of a tile: their sums fill half the registers.</summary>
    public const int MaxTokens = 16;

    private static readonly AssemblerRegister64 Weights = r8, Activations = r9, BlockScales = rdx, Ahead = r10;
    private static readonly AssemblerRegisterZMM[] Zmm = VectorRegisters.All;
    private static readonly AssemblerRegisterZMM LowBits = zmm10, HighBits = zmm15; // zmm11 to 14: dots
    private static readonly AssemblerRegisterZMM BlockScale = zmm30, BlockOffset = zmm31; // where sums leave them free

    private Assembler Code { get; } = new(64);

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        AssemblyConvention.Begin(Code, (Weights, nameof(TileArguments.Weights)), (Activations, nameof(TileArguments.Activations)),
            (Ahead, nameof(TileArguments.Ahead)), (rax, nameof(TileArguments.Steps)), (rdx, nameof(TileArguments.RowMask)));
        Code.mov(r11, AssemblyConvention.Arguments);
        Code.kmovw(k1, edx);
        if (layout.CodeBits < 8) Broadcast(LowBits, 0x0f0f0f0f);
        if (layout.CodeBits is 5 or 6) Broadcast(HighBits, layout.CodeBits == 5 ? 0x10101010 : 0x30303030);
        for (int t = 0; t < tokens; t++) Code.vpxord(Sum(t), Sum(t), Sum(t));

        StepLoop.Write(Code, layout, Weights, BlockScales, step: () =>
        {
            if (tokens > TokenTiles.Few || TokenTiles.AsksTwice(tokens)) StepLoop.AskAhead(Code, layout, Ahead);
            if (TokenTiles.AsksTwice(tokens)) StepLoop.AskNear(Code, layout, Weights);
            Step(tokens);
            Code.add(Activations, tokens * layout.ActivationBytes);
        }, beginBlock: () => WidenBlockScales(tokens));

        Code.mov(r10, __qword_ptr[r11 + AssemblyConvention.Offset(nameof(TileArguments.Output))]);
        Code.mov(rax, __qword_ptr[r11 + AssemblyConvention.Offset(nameof(TileArguments.OutputStride))]);
        for (int t = 0; t < tokens; t++)
        {
            Code.vmovups(__zmmword_ptr[r10].k1, Sum(t));
            if (t < tokens - 1) Code.add(r10, rax);
        }
        return AssemblyConvention.End(Code);
    }

    private static AssemblerRegisterZMM Sum(int token) => Zmm[16 + token];

    private void Broadcast(AssemblerRegisterZMM register, int value)
    {
        Code.mov(edx, value);
        Code.vpbroadcastd(register, edx);
    }

    private void Step(int tokens)
    {
        Unpack();
        for (int part = 0; part < layout.ScalesPerStep; part++)
        {
            Widen(zmm8, layout.ScaleOffset(part), BlockScale, blockOffset: 0, tokens);
            if (layout.HasOffsets) Widen(zmm9, layout.OffsetOffset(part), BlockOffset, PanelLayout.BlockScaleBytes, tokens);
            // Four tokens at a time: their chains of dot products run side by side.
            for (int first = 0; first < tokens; first += 4) Multiply(part, first, Math.Min(4, tokens - first));
        }
    }

    /// <summary>The step's codes to zmm0 … zmm7, one unsigned byte each.</summary>
    private void Unpack()
    {
        const int pairs = PanelLayout.Quads / 2;
        for (int q = 0; q < (layout.CodeBits == 8 ? PanelLayout.Quads : pairs); q++)
            Code.vmovdqu32(Zmm[q], __zmmword_ptr[Weights + q * PanelLayout.Register]);
        if (layout.CodeBits == 8) return;
        for (int q = 0; q < pairs; q++)
        {
            Code.vpsrld(Zmm[q + pairs], Zmm[q], 4);
            Code.vpandd(Zmm[q], Zmm[q], LowBits);
            Code.vpandd(Zmm[q + pairs], Zmm[q + pairs], LowBits);
        }
        if (layout.CodeBits == 4) return;
        int bits = layout.CodeBits - 4, perRegister = 8 / bits;
        for (int q = 0; q < PanelLayout.Quads; q++)
        {
            if (q % perRegister == 0) Code.vmovdqu32(zmm13, __zmmword_ptr[Weights + (pairs + q / perRegister) * PanelLayout.Register]);
            int left = 4 - q % perRegister * bits; // the quad's bits belong at bit 4 of each byte
            if (left > 0) Code.vpslld(zmm14, zmm13, (byte)left);
            else if (left < 0) Code.vpsrld(zmm14, zmm13, (byte)-left);
            Code.vpternlogd(Zmm[q], left == 0 ? zmm13 : zmm14, HighBits, 0xf8); // q |= bits & mask
        }
    }

    /// <summary>Whether sums leave registers for the scales of a block.</summary>
    private static bool KeepsBlockScales(int tokens) => tokens <= MaxTokens - 2;

    private void WidenBlockScales(int tokens)
    {
        if (!KeepsBlockScales(tokens)) return;
        Code.vcvtph2ps(BlockScale, __ymmword_ptr[BlockScales]);
        if (layout.HasOffsets) Code.vcvtph2ps(BlockOffset, __ymmword_ptr[BlockScales + PanelLayout.BlockScaleBytes]);
    }

    /// <summary>16 scales, or offsets, to float32. The registers of dots are free between the parts of a step.</summary>
    private void Widen(AssemblerRegisterZMM register, int offset, AssemblerRegisterZMM block, int blockOffset, int tokens)
    {
        switch (layout.Scales)
        {
            case ScaleKind.Single:
                Code.vmovups(register, __zmmword_ptr[Weights + offset]);
                break;
            case ScaleKind.Half:
                Code.vcvtph2ps(register, __ymmword_ptr[Weights + offset]);
                break;
            case ScaleKind.BFloat16:
                Code.vpmovzxwd(register, __ymmword_ptr[Weights + offset]);
                Code.vpslld(register, register, 16);
                break;
            case ScaleKind.Factored:
                Code.vpmovsxbd(register, __xmmword_ptr[Weights + offset]);
                Code.vcvtdq2ps(register, register);
                if (!KeepsBlockScales(tokens)) Code.vcvtph2ps(block = Dot(0), __ymmword_ptr[BlockScales + blockOffset]);
                Code.vmulps(register, register, block);
                break;
        }
    }

    private void Multiply(int part, int first, int count)
    {
        int quads = PanelLayout.Quads / layout.ScalesPerStep;
        for (int t = 0; t < count; t++)
        {
            if (layout.ZeroPoint == 0) Code.vpxord(Dot(t), Dot(t), Dot(t));
            else Code.vpbroadcastd(Dot(t), __dword_ptr[Activations + Term(first + t, part)]); // -zero point · Σ activations
        }
        for (int q = part * quads; q < (part + 1) * quads; q++)
            for (int t = 0; t < count; t++)
                Code.vpdpbusd(Dot(t), Zmm[q], __dword_bcst[Activations + ((first + t) * layout.ActivationBytes + 4 * q)]);
        for (int t = 0; t < count; t++) Code.vcvtdq2ps(Dot(t), Dot(t));
        for (int t = 0; t < count; t++)
            Code.vmulps(Dot(t), Dot(t), __dword_bcst[Activations + ((first + t) * layout.ActivationBytes + PanelLayout.StepColumns)]);
        for (int t = 0; t < count; t++) Code.vfmadd231ps(Sum(first + t), Dot(t), zmm8);
        if (!layout.HasOffsets) return;
        for (int t = 0; t < count; t++) Code.vfmadd231ps(Sum(first + t), zmm9, __dword_bcst[Activations + Term(first + t, part)]);
    }

    private static AssemblerRegisterZMM Dot(int token) => Zmm[11 + token];

    private int Term(int token, int part) => token * layout.ActivationBytes + PanelLayout.StepColumns + 4 + 4 * part;
}
