using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// <see cref="IntegerTile"/> for processors with AVX2 and no dot products: the same panels, the same steps in the same order,
/// therefore the same bits. 16 rows × 4 tokens are multiplied at a time; for more tokens a step's codes are unpacked to the stack
/// first. Float32 sums lie on the stack.
/// </summary>
/// <remarks>
/// Products of two columns are added to 16 bits (vpmaddubsw), and those of some quads too, as many as cannot overflow: of 4-bit
/// codes 8 · 2 · 15 · 127 = 30,480, of 5- and 6-bit codes 2 · 2 · 63 · 127 = 32,004. Two products of 8-bit codes fit no 16 bits:
/// codes and hidden states become 16 bits wide and sums 32 (vpmaddwd), which is as many instructions a column as the low
/// nibbles and the bits above them apart would be, and fewer for the sums.
/// </remarks>
internal sealed class Avx2IntegerTile(PanelLayout layout)
{
    private const int RegisterBytes = 32, Lanes = 8, TokensTogether = 4;

    private static readonly AssemblerRegister64 Weights = r8, Activations = r9, BlockScales = rdx, Ahead = r10, Sums = r11;
    private static readonly AssemblerRegisterYMM Value = ymm12, Product = ymm13, Scale = ymm8, Offset = ymm9; // scales when codes are done with

    private readonly Int8Form form = FormOf(layout, PanelLayout.StepColumns);
    private Label mask, bitsAbove, ones, lowerRows, upperRows;
    private AssemblerRegisterYMM? maskRegister, bitsAboveRegister, onesRegister; // null where there is none left: loads are the bound of one token

    private Assembler Code { get; } = new(64);

    /// <summary>What these kernels read.</summary>
    public static Int8Form FormOf(PanelLayout layout, int columns) => Int8Form.For(layout, columns, wide: layout.CodeBits == 8);

    /// <summary>Whether codes and hidden states are multiplied in 16 bits.</summary>
    private bool IsWide => form.IsWide;

    /// <summary>Whether products of a part stay in 16 bits; else pairs of quads do, and their sums are 32 bits wide.</summary>
    private bool StaysIn16Bits => layout.CodeBits == 4;

    /// <summary>Quads whose codes are in registers at the same time.</summary>
    private int QuadsTogether => layout.CodeBits is 5 or 6 ? 2 : 1;

    /// <summary>Registers of 8 rows that hold those: of a wide quad columns 0 and 2, then columns 1 and 3.</summary>
    private int CodeRegisters => QuadsTogether * (IsWide ? 2 : 1);

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        mask = Code.CreateLabel();
        bitsAbove = Code.CreateLabel();
        ones = Code.CreateLabel();
        lowerRows = Code.CreateLabel();
        upperRows = Code.CreateLabel();
        AssemblyConvention.Begin(Code, (Weights, nameof(TileArguments.Weights)), (Activations, nameof(TileArguments.Activations)),
            (Ahead, nameof(TileArguments.Ahead)), (rax, nameof(TileArguments.Steps)));
        bool unpacks = tokens > TokensTogether;
        int frame = SumsAt + tokens * PanelLayout.Register;
        Code.mov(rdx, rsp);
        Code.sub(rsp, frame + 2 * sizeof(long));
        Code.and(rsp, -PanelLayout.Register);
        Code.mov(__qword_ptr[rsp + frame], rdx);
        Code.mov(__qword_ptr[rsp + frame + sizeof(long)], AssemblyConvention.Arguments);
        Code.vpxor(Value, Value, Value);
        for (int sum = SumsAt; sum < frame; sum += RegisterBytes) Code.vmovdqa(__ymmword_ptr[rsp + sum], Value);
        if (QuadsTogether == 1) (maskRegister, onesRegister) = (PairOfQuads(0), PairOfQuads(1));
        else if (tokens <= 2) (maskRegister, bitsAboveRegister, onesRegister) = (Products(2, 0), Products(2, 1), Products(3, 0));
        Keep(maskRegister, mask);
        Keep(bitsAboveRegister, bitsAbove);
        Keep(onesRegister, ones);

        StepLoop.Write(Code, layout, Weights, BlockScales, () =>
        {
            StepLoop.AskAhead(Code, layout, Ahead);
            for (int part = 0; part < layout.ScalesPerStep && unpacks; part++)
                foreach (int quad in QuadsOf(part)) UnpackToStack(quad);
            for (int part = 0; part < layout.ScalesPerStep; part++) Multiply(part, tokens, unpacks);
            Code.add(Activations, tokens * form.StepBytes);
        });
        Store(tokens, __qword_ptr[rsp + frame + sizeof(long)]);
        Code.mov(rsp, __qword_ptr[rsp + frame]);
        return AssemblyConvention.End(Code, Constants);
    }

    private void Keep(AssemblerRegisterYMM? register, Label constant)
    {
        if (register is { } kept) Code.vmovdqu(kept, __ymmword_ptr[constant]);
    }

    private void And(AssemblerRegisterYMM result, AssemblerRegisterYMM value, AssemblerRegisterYMM? register, Label constant)
    {
        if (register is { } kept) Code.vpand(result, value, kept);
        else Code.vpand(result, value, __ymmword_ptr[constant]);
    }

    /// <summary>Pairs of 16-bit numbers to their sums in 32.</summary>
    private void AddPairs(AssemblerRegisterYMM result, AssemblerRegisterYMM value)
    {
        if (onesRegister is { } kept) Code.vpmaddwd(result, value, kept);
        else Code.vpmaddwd(result, value, __ymmword_ptr[ones]);
    }

    /// <summary>Products of a token among those together.</summary>
    private static AssemblerRegisterYMM Products(int token, int half) => new(Register.YMM0 + 2 * token + half);

    private AssemblerRegisterYMM Codes(int register, int half) => new(Register.YMM8 + CodeRegisters * half + register);

    /// <summary>In 16 bits, of two quads.</summary>
    private static AssemblerRegisterYMM PairOfQuads(int half) => new(Register.YMM14 + half);

    private AssemblerMemoryOperand Unpacked(int quad, int register, int half)
        => __ymmword_ptr[rsp + ((quad / QuadsTogether * CodeRegisters + register) * 2 + half) * RegisterBytes];

    /// <summary>Where float32 sums begin on the stack, behind a step's codes.</summary>
    private int SumsAt => PanelLayout.Quads / QuadsTogether * CodeRegisters * PanelLayout.Register;

    private AssemblerMemoryOperand FloatSum(int token, int half) => __ymmword_ptr[rsp + Sums + (SumsAt + token * PanelLayout.Register + half * RegisterBytes)];

    private void Constants()
    {
        Data(mask, IsWide ? 0x00ff00ffu : 0x0f0f0f0f);
        Data(bitsAbove, layout.CodeBits == 5 ? 0x10101010u : 0x30303030);
        Data(ones, 0x00010001);
        Data(lowerRows, 1, shift: 1);
        Data(upperRows, 1 << Lanes, shift: 1);
    }

    private void Data(Label label, uint value, int shift = 0)
    {
        Code.Label(ref label);
        for (int i = 0; i < Lanes; i++) Code.dd(value << (i * shift));
    }

    /// <summary>Tokens times the columns that share a scale.</summary>
    private void Multiply(int part, int tokens, bool unpacked)
    {
        // A loop over tokens: were it unrolled, processors whose decoded instructions do not fit would take twice the time.
        int groups = tokens / TokensTogether, rest = tokens % TokensTogether;
        Code.xor(Sums, Sums);
        if (groups > 0)
        {
            Label loop = Code.CreateLabel();
            Code.Label(ref loop);
            MultiplyTokens(TokensTogether, part, unpacked);
            Code.add(Activations, TokensTogether * form.StepBytes);
            Code.add(Sums, TokensTogether * PanelLayout.Register);
            if (groups > 1)
            {
                Code.cmp(Sums, groups * TokensTogether * PanelLayout.Register);
                Code.jne(loop);
            }
        }
        if (rest > 0) MultiplyTokens(rest, part, unpacked);
        if (groups > 0) Code.sub(Activations, groups * TokensTogether * form.StepBytes);
    }

    private void MultiplyTokens(int count, int part, bool unpacked)
    {
        bool begins = true;
        foreach (int quad in QuadsOf(part))
        {
            for (int half = 0; half < 2 && !unpacked; half++) Unpack(quad, half);
            if (QuadsTogether == 2) MultiplyPair(quad, count, unpacked, begins);
            else
                for (int i = 0; i < CodeRegisters; i++) MultiplyQuad(quad, i, count, unpacked, begins && i == 0);
            begins = false;
        }
        for (int half = 0; half < 2; half++)
        {
            WidenScales(Scale, layout.ScaleOffset(part), blockOffset: 0, half);
            if (layout.HasOffsets) WidenScales(Offset, layout.OffsetOffset(part), PanelLayout.BlockScaleBytes, half);
            AddToSums(count, half, part);
        }
    }

    /// <summary>The first of the quads that are multiplied together; of 4-bit codes those after each other that share a register.</summary>
    private IEnumerable<int> QuadsOf(int part)
    {
        int quads = PanelLayout.Quads / layout.ScalesPerStep;
        return SharesRegisters ? Enumerable.Range(0, quads).Select(i => i / 2 + i % 2 * quads / 2)
            : Enumerable.Range(0, quads / QuadsTogether).Select(i => part * quads + i * QuadsTogether);
    }

    private bool SharesRegisters => layout.CodeBits == 4 && layout.ScalesPerStep == 1;

    /// <summary>One register of a quad and of each half of the rows.</summary>
    private void MultiplyQuad(int quad, int register, int count, bool unpacked, bool begins)
    {
        for (int half = 0; half < 2 && unpacked; half++) Code.vmovdqa(Codes(register, half), Unpacked(quad, register, half));
        for (int t = 0; t < count; t++)
        {
            Code.vpbroadcastd(Value, __dword_ptr[Activations + (t * form.StepBytes + register * RegisterBytes + 4 * quad)]);
            for (int half = 0; half < 2; half++)
            {
                AssemblerRegisterYMM products = Products(t, half), product = begins ? products : Product;
                if (IsWide) Code.vpmaddwd(product, Codes(register, half), Value);
                else Code.vpmaddubsw(product, Codes(register, half), Value);
                if (begins) continue;
                if (IsWide) Code.vpaddd(products, products, Product);
                else Code.vpaddw(products, products, Product);
            }
        }
    }

    /// <summary>Two quads, whose products are added in 16 bits.</summary>
    private void MultiplyPair(int quad, int count, bool unpacked, bool begins)
    {
        for (int i = 0; i < 2 && unpacked; i++)
            for (int half = 0; half < 2; half++) Code.vmovdqa(Codes(i, half), Unpacked(quad, i, half));
        for (int t = 0; t < count; t++)
        {
            for (int i = 0; i < 2; i++)
            {
                Code.vpbroadcastd(Value, __dword_ptr[Activations + (t * form.StepBytes + 4 * (quad + i))]);
                for (int half = 0; half < 2; half++)
                {
                    Code.vpmaddubsw(i == 0 ? PairOfQuads(half) : Product, Codes(i, half), Value);
                    if (i == 1) Code.vpaddw(PairOfQuads(half), PairOfQuads(half), Product);
                }
            }
            for (int half = 0; half < 2; half++)
            {
                AssemblerRegisterYMM products = Products(t, half);
                AddPairs(begins ? products : PairOfQuads(half), PairOfQuads(half));
                if (!begins) Code.vpaddd(products, products, PairOfQuads(half));
            }
        }
    }

    private void UnpackToStack(int quad)
    {
        for (int half = 0; half < 2; half++)
        {
            Unpack(quad, half);
            for (int i = 0; i < CodeRegisters; i++) Code.vmovdqa(Unpacked(quad, i, half), Codes(i, half));
        }
    }

    /// <summary>The codes of 8 rows and the quads that are multiplied together.</summary>
    private void Unpack(int quad, int half)
    {
        if (!IsWide)
        {
            for (int i = 0; i < QuadsTogether; i++) UnpackBytes(quad + i, half, Codes(i, half));
            return;
        }
        Code.vmovdqu(Codes(1, half), Stored(quad, half));
        And(Codes(0, half), Codes(1, half), maskRegister, mask);
        Code.vpsrlw(Codes(1, half), Codes(1, half), 8);
    }

    /// <summary>A quad's codes of 8 rows, one unsigned byte each.</summary>
    private void UnpackBytes(int quad, int half, AssemblerRegisterYMM codes)
    {
        const int pairs = PanelLayout.Quads / 2;
        AssemblerRegisterYMM stored = QuadsTogether == 1 ? new(Register.YMM10 + half) : codes;
        if (quad < pairs || !SharesRegisters) Code.vmovdqu(stored, Stored(quad % pairs, half));
        if (quad >= pairs) Code.vpsrld(stored, stored, 4);
        And(codes, stored, maskRegister, mask);
        if (layout.CodeBits == 4) return;
        int bits = layout.CodeBits - 4, perRegister = 8 / bits, left = 4 - quad % perRegister * bits; // they belong at bit 4 of each byte
        Code.vmovdqu(Value, Stored(pairs + quad / perRegister, half));
        if (left > 0) Code.vpslld(Value, Value, (byte)left);
        else if (left < 0) Code.vpsrld(Value, Value, (byte)-left);
        And(Value, Value, bitsAboveRegister, bitsAbove);
        Code.vpor(codes, codes, Value);
    }

    private static AssemblerMemoryOperand Stored(int register, int half) => __ymmword_ptr[Weights + (register * PanelLayout.Register + half * RegisterBytes)];

    /// <summary>8 scales, or offsets, to float32.</summary>
    private void WidenScales(AssemblerRegisterYMM register, int offset, int blockOffset, int half)
    {
        switch (layout.Scales)
        {
            case ScaleKind.Single:
                Code.vmovups(register, __ymmword_ptr[Weights + (offset + 4 * Lanes * half)]);
                break;
            case ScaleKind.Half:
                Code.vcvtph2ps(register, __xmmword_ptr[Weights + (offset + 2 * Lanes * half)]);
                break;
            case ScaleKind.BFloat16:
                Code.vpmovzxwd(register, __xmmword_ptr[Weights + (offset + 2 * Lanes * half)]);
                Code.vpslld(register, register, 16);
                break;
            case ScaleKind.Factored:
                Code.vpmovsxbd(register, __qword_ptr[Weights + (offset + Lanes * half)]);
                Code.vcvtdq2ps(register, register);
                Code.vcvtph2ps(Value, __xmmword_ptr[BlockScales + (blockOffset + 2 * Lanes * half)]);
                Code.vmulps(register, register, Value);
                break;
        }
    }

    /// <summary>
    /// Products of a part to float32 and onto the sums on the stack, one instruction for all tokens after the other: a token's
    /// depend on each other. Its terms lie behind its scale.
    /// </summary>
    private void AddToSums(int count, int half, int part)
    {
        AssemblerMemoryOperand TokenScale(int token, int offset = 0) => __dword_ptr[Activations + (token * form.StepBytes + form.ValueBytes + offset)];
        int term = 4 + 4 * part;
        for (int t = 0; t < count && StaysIn16Bits; t++) AddPairs(Products(t, half), Products(t, half));
        for (int t = 0; t < count && layout.ZeroPoint != 0; t++)
        {
            Code.vpbroadcastd(Value, TokenScale(t, term)); // -zero point · Σ activations
            Code.vpaddd(Products(t, half), Products(t, half), Value);
        }
        for (int t = 0; t < count; t++) Code.vcvtdq2ps(Products(t, half), Products(t, half));
        for (int t = 0; t < count; t++)
        {
            Code.vbroadcastss(Value, TokenScale(t));
            Code.vmulps(Products(t, half), Products(t, half), Value);
        }
        for (int t = 0; t < count; t++) Code.vfmadd213ps(Products(t, half), Scale, FloatSum(t, half));
        for (int t = 0; t < count && layout.HasOffsets; t++)
        {
            Code.vbroadcastss(Value, TokenScale(t, term));
            Code.vfmadd231ps(Products(t, half), Offset, Value);
        }
        for (int t = 0; t < count; t++) Code.vmovaps(FloatSum(t, half), Products(t, half));
    }

    private void Store(int tokens, AssemblerMemoryOperand arguments)
    {
        Code.mov(rdx, arguments);
        Code.mov(r10, Argument(nameof(TileArguments.Output)));
        Code.mov(rax, Argument(nameof(TileArguments.OutputStride)));
        Code.vpbroadcastd(Value, __dword_ptr[rdx + AssemblyConvention.Offset(nameof(TileArguments.RowMask))]);
        for (int half = 0; half < 2; half++)
        {
            Code.vmovdqu(Product, __ymmword_ptr[half == 0 ? lowerRows : upperRows]);
            Code.vpand(PairOfQuads(half), Value, Product);
            Code.vpcmpeqd(PairOfQuads(half), PairOfQuads(half), Product);
        }
        Code.xor(Sums, Sums);
        for (int t = 0; t < tokens; t++)
        {
            for (int half = 0; half < 2; half++)
            {
                Code.vmovaps(Value, FloatSum(t, half));
                Code.vmaskmovps(__ymmword_ptr[r10 + half * RegisterBytes], PairOfQuads(half), Value);
            }
            Code.add(r10, rax);
        }

        static AssemblerMemoryOperand Argument(string field) => __qword_ptr[rdx + AssemblyConvention.Offset(field)];
    }
}
