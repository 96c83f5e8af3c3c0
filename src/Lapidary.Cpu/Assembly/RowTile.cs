using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Rows of bfloat16 weights as they are stored times a tile of <see cref="BFloat16Form"/> (AVX512-BF16): 4 rows × up to 6 tokens,
/// or 1 row. A register holds 32 columns of one row; products and sums are float32. Every (row, token) pair is summed in the same
/// order whatever the tile. The rows' stride and the last columns' mask are part of the code. Rows lie one after the other, which
/// the processor foresees in a tile of 1 row and few tokens only; others ask for rows that come next, in that order.
/// </summary>
/// <param name="linesAhead">How many lines of such rows a step asks for.</param>
internal sealed class RowTile(int columns, int rows, int linesAhead)
{
    public const int MaxTokens = 6, TileRows = 4, StepColumns = 32, StepBytes = 2 * StepColumns;

    private const int TokensTogether = 4; // whose sums are added up at once

    private static readonly AssemblerRegisterZMM[] zmm = VectorRegisters.All;
    private readonly Assembler code = new(64);
    private readonly int weightStride = 2 * columns;

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
            Multiply(tokens, linesAhead);
            if (linesAhead > 0) code.add(rdx, linesAhead * StepBytes);
            code.add(r8, StepBytes);
            code.add(r9, tokens * StepBytes);
            code.dec(eax);
            code.jnz(loop);
        }
        if (rest > 0)
        {
            code.mov(eax, (1u << rest) - 1);
            code.kmovd(k1, eax);
            for (int r = 0; r < rows; r++) code.vmovdqu16(zmm[r].k1.z, __zmmword_ptr[r8 + r * weightStride]); // masked lanes are not read
            Multiply(tokens, ahead: 0);
        }
        for (int t = 0; t < tokens; t += TokensTogether) Store(t, Math.Min(TokensTogether, tokens - t), tokens);
        return AssemblyConvention.End(code);
    }

    private static AssemblerRegisterZMM Sum(int row, int token, int tokens) => zmm[8 + row * tokens + token];

    /// <param name="ahead">Lines to ask for, between the products of tokens.</param>
    private void Multiply(int tokens, int ahead)
    {
        for (int t = 0; t < tokens; t++)
        {
            code.vmovdqu32(zmm[4 + t % 4], __zmmword_ptr[r9 + t * StepBytes]);
            for (int r = 0; r < rows; r++) code.vdpbf16ps(Sum(r, t, tokens), zmm[r], zmm[4 + t % 4]);
            if (t < ahead) code.prefetcht0(__byte_ptr[rdx + t * StepBytes]);
        }
    }

    /// <summary>
    /// Adds up the 16 lanes of the sums of 4 rows and up to 4 tokens at once: halves first, then quarters, which brings the tokens
    /// into one register a row, then neighbours, which brings the rows together. One float a row is stored for each token.
    /// </summary>
    private void Store(int token, int count, int tokens)
    {
        for (int r = 0; r < rows; r++)
        {
            AssemblerRegisterZMM first = Sum(r, token, tokens), third = first;
            AddHalves(first, Sum(r, token + Math.Min(1, count - 1), tokens));
            if (count > 2) AddHalves(third = Sum(r, token + 2, tokens), Sum(r, token + count - 1, tokens));
            code.vshuff64x2(zmm[0], first, third, 0b10_00_10_00);
            code.vshuff64x2(zmm[1], first, third, 0b11_01_11_01);
            code.vaddps(first, zmm[0], zmm[1]);
        }
        AssemblerRegisterZMM all = Sum(0, token, tokens), later = all;
        AddNeighbours(all, Sum(rows == TileRows ? 1 : 0, token, tokens));
        if (rows == TileRows) AddNeighbours(later = Sum(2, token, tokens), Sum(3, token, tokens));
        AddNeighbours(all, later);
        for (int i = 0; i < count; i++)
        {
            code.vextractf32x4(xmm0, all, (byte)i);
            if (rows == TileRows) code.vmovups(__xmmword_ptr[r10], xmm0);
            else code.vmovss(__dword_ptr[r10], xmm0);
            code.add(r10, r11);
        }
    }

    /// <summary>a = [halves of a added, halves of b added]</summary>
    private void AddHalves(AssemblerRegisterZMM a, AssemblerRegisterZMM b)
    {
        code.vshuff64x2(zmm[0], a, b, 0b01_00_01_00);
        code.vshuff64x2(zmm[1], a, b, 0b11_10_11_10);
        code.vaddps(a, zmm[0], zmm[1]);
    }

    /// <summary>In each quarter of a register, a = [a0 + a1, a2 + a3, b0 + b1, b2 + b3].</summary>
    private void AddNeighbours(AssemblerRegisterZMM a, AssemblerRegisterZMM b)
    {
        code.vshufps(zmm[0], a, b, 0b10_00_10_00);
        code.vshufps(zmm[1], a, b, 0b11_01_11_01);
        code.vaddps(a, zmm[0], zmm[1]);
    }
}
