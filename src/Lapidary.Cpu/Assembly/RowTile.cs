using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Rows of bfloat16 weights as they are stored times tokens in bfloat16 (AVX512-BF16): 4 rows × up to 6 tokens, or 1 row.
/// A register holds 32 columns of one row; products and sums are float32. Every (row, token) pair is summed in the same
/// order whatever the tile. Strides and the last columns' mask are part of the code. Rows lie one after the other, which
/// the processor foresees in a tile of 1 row and few tokens only; others ask for rows that come next, in that order.
/// </summary>
internal sealed class RowTile(int columns, int rows)
{
    public const int MaxTokens = 6, TileRows = 4, StepColumns = 32, StepBytes = 2 * StepColumns;

    private static readonly AssemblerRegisterZMM[] zmm = VectorRegisters.All;
    private readonly Assembler code = new(64);
    private readonly int weightStride = 2 * columns, tokenStride = (columns + StepColumns - 1) / StepColumns * StepBytes;

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        AssemblyConvention.Begin(code, (r8, nameof(TileArguments.Weights)), (r9, nameof(TileArguments.Activations)),
            (r10, nameof(TileArguments.Output)), (r11, nameof(TileArguments.OutputStride)), (rdx, nameof(TileArguments.Ahead)));
        for (int i = 0; i < rows * tokens; i++) code.vpxord(zmm[8 + i], zmm[8 + i], zmm[8 + i]);
        int whole = columns / StepColumns, rest = columns % StepColumns;
        if (whole > 0)
        {
            code.mov(eax, whole);
            Label loop = code.CreateLabel();
            code.Label(ref loop);
            for (int r = 0; r < rows; r++) code.vmovdqu32(zmm[r], __zmmword_ptr[r8 + r * weightStride]);
            for (int i = 0; i < LinesAhead(rows, tokens); i++) code.prefetcht1(__byte_ptr[rdx + i * StepBytes]);
            code.add(rdx, LinesAhead(rows, tokens) * StepBytes);
            Multiply(tokens);
            code.add(r8, StepBytes);
            code.add(r9, StepBytes);
            code.dec(eax);
            code.jnz(loop);
        }
        if (rest > 0)
        {
            code.mov(eax, (1u << rest) - 1);
            code.kmovd(k1, eax);
            for (int r = 0; r < rows; r++) code.vmovdqu16(zmm[r].k1.z, __zmmword_ptr[r8 + r * weightStride]); // masked lanes are not read
            Multiply(tokens);
        }
        for (int t = 0; t < tokens; t++)
        {
            Reduce(t, tokens);
            if (rows == TileRows) code.vmovups(__xmmword_ptr[r10], xmm0);
            else code.vmovss(__dword_ptr[r10], xmm0);
            if (t < tokens - 1) code.add(r10, r11);
        }
        return AssemblyConvention.End(code);
    }

    /// <summary>How many lines a step asks for, so how many rows a tile does.</summary>
    public static int LinesAhead(int rows, int tokens) => rows == TileRows ? 4 : tokens > 2 ? 2 : 0;

    private static AssemblerRegisterZMM Sum(int row, int token, int tokens) => zmm[8 + row * tokens + token];

    private void Multiply(int tokens)
    {
        for (int t = 0; t < tokens; t++)
        {
            code.vmovdqu32(zmm[4 + t % 4], __zmmword_ptr[r9 + t * tokenStride]);
            for (int r = 0; r < rows; r++) code.vdpbf16ps(Sum(r, t, tokens), zmm[r], zmm[4 + t % 4]);
        }
    }

    /// <summary>The 16 lanes of each row's sum added up, halves first, to xmm0: one float a row.</summary>
    private void Reduce(int token, int tokens)
    {
        for (int r = 0; r < rows; r++)
        {
            code.vextractf64x4(Ymm(zmm[4]), Sum(r, token, tokens), 1);
            code.vaddps(zmm[r], Sum(r, token, tokens), zmm[4]); // only the lower half matters
            code.vextractf128(Xmm(zmm[4]), Ymm(zmm[r]), 1);
            code.vaddps(Xmm(zmm[r]), Xmm(zmm[r]), Xmm(zmm[4]));
        }
        if (rows == TileRows)
        {
            code.vhaddps(xmm0, xmm0, xmm1);
            code.vhaddps(xmm2, xmm2, xmm3);
            code.vhaddps(xmm0, xmm0, xmm2);
            return;
        }
        code.vhaddps(xmm0, xmm0, xmm0);
        code.vhaddps(xmm0, xmm0, xmm0);
    }

    private static AssemblerRegisterYMM Ymm(AssemblerRegisterZMM register) => new(register.Value - Register.ZMM0 + Register.YMM0);

    private static AssemblerRegisterXMM Xmm(AssemblerRegisterZMM register) => new(register.Value - Register.ZMM0 + Register.XMM0);
}
