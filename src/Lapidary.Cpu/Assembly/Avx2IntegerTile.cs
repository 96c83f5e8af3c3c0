using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// <see cref="IntegerTile"/> for processors with AVX2 and no dot products: the same panels, the same steps in the same order,
/// therefore the same bits. Codes of 8 rows stay in registers while all tokens pass by; sums lie on the stack.
/// </summary>
/// <remarks>
/// Products of two columns are added to 16 bits (vpmaddubsw), and those of some quads too, as many as cannot overflow: of 4-bit
/// codes 8 · 2 · 15 · 127 = 30,480, of 5-bit codes 4 · 2 · 31 · 127 = 31,496, of 6-bit codes 2 · 2 · 63 · 127 = 32,004. Two
/// products of 8-bit codes fit no 16 bits: codes and hidden states become 16 bits wide and sums 32 (vpmaddwd), which is as many
/// instructions a column as the low nibbles and the bits above them apart would be, and fewer for the sums.
/// </remarks>
internal sealed class Avx2IntegerTile(PanelLayout layout)
{
    private const int RegisterBytes = 32, Lanes = 8;

    private static readonly AssemblerRegister64 Weights = r8, Activations = r9, BlockScales = rdx, Ahead = r10, Sums = r11;
    private static readonly AssemblerRegisterYMM Value = ymm12, Product = ymm13, Scale = ymm14, Offset = ymm15;

    private readonly int activationBytes = FormOf(layout, PanelLayout.StepColumns).StepBytes;
    private readonly int valueBytes = FormOf(layout, PanelLayout.StepColumns).ValueBytes;
    private Label mask, bitsAbove, ones, lowerRows, upperRows;

    private Assembler Code { get; } = new(64);

    /// <summary>What these kernels read.</summary>
    public static Int8Form FormOf(PanelLayout layout, int columns) => Int8Form.For(layout, columns, wide: layout.CodeBits == 8);

    private bool IsWide => layout.CodeBits == 8;

    /// <summary>Quads that fill the registers and share a scale.</summary>
    private int PieceQuads => IsWide ? PanelLayout.Quads / 2 : PanelLayout.Quads / layout.ScalesPerStep;

    /// <summary>Quads whose products are added in 16 bits.</summary>
    private int QuadsIn16Bits => layout.CodeBits switch { 4 => 8, 5 => 4, _ => 2 };

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
        int frame = tokens * SumBytes;
        Code.mov(rdx, rsp);
        Code.sub(rsp, frame + 2 * sizeof(long));
        Code.and(rsp, -PanelLayout.Register);
        Code.mov(__qword_ptr[rsp + frame], rdx);
        Code.mov(__qword_ptr[rsp + frame + sizeof(long)], AssemblyConvention.Arguments);
        Code.vpxor(Value, Value, Value);
        for (int sum = 0; sum < frame; sum += RegisterBytes) Code.vmovdqa(__ymmword_ptr[rsp + sum], Value);

        StepLoop.Write(Code, layout, Weights, BlockScales, () =>
        {
            if (tokens > 2) StepLoop.AskAhead(Code, layout, Ahead);
            for (int half = 0; half < 2; half++)
                for (int quad = 0; quad < PanelLayout.Quads; quad += PieceQuads) Multiply(quad, half, tokens);
            Code.add(Activations, tokens * activationBytes);
        });
        Store(tokens, __qword_ptr[rsp + frame + sizeof(long)]);
        Code.mov(rsp, __qword_ptr[rsp + frame]);
        return AssemblyConvention.End(Code, Constants);
    }

    /// <summary>Tokens whose sums depend on each other's by nothing, at once: one chain of sums alone would wait for itself.</summary>
    private int TokensTogether => layout.CodeBits is 5 or 6 ? 2 : 4;

    private static AssemblerRegisterYMM Codes(int register) => new(Register.YMM0 + register);

    /// <summary>Of a token among those together, in 32 bits.</summary>
    private static AssemblerRegisterYMM Sum(int i) => new(Register.YMM8 + i);

    /// <summary>Of a token among those together, in 16 bits.</summary>
    private AssemblerRegisterYMM Products(int i) => new(Register.YMM8 + i + (TokensTogether == 2 ? 2 : 0));

    /// <summary>Of a token: float32 sums of both halves; of 8-bit codes, a sum between the two pieces that share a scale.</summary>
    private int SumBytes => PanelLayout.Register * (IsWide ? 2 : 1);

    private AssemblerMemoryOperand FloatSum(int token, int half) => __ymmword_ptr[rsp + Sums + (token * SumBytes + half * RegisterBytes)];

    private AssemblerMemoryOperand PartialSum(int token) => __ymmword_ptr[rsp + Sums + (token * SumBytes + PanelLayout.Register)];

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

    /// <summary>Some quads of a step and 8 rows times all tokens.</summary>
    private void Multiply(int quad, int half, int tokens)
    {
        int quads = PanelLayout.Quads / layout.ScalesPerStep, part = quad / quads;
        bool begins = quad % quads == 0, ends = (quad + PieceQuads) % quads == 0; // the columns of a scale
        for (int i = 0; i < PieceQuads; i++)
        {
            if (IsWide) Widen(quad + i, half, Codes(2 * i), Codes(2 * i + 1));
            else Unpack(quad + i, half, Codes(i));
        }
        if (ends)
        {
            WidenScales(Scale, layout.ScaleOffset(part), blockOffset: 0, half);
            if (layout.HasOffsets) WidenScales(Offset, layout.OffsetOffset(part), PanelLayout.BlockScaleBytes, half);
        }
        // A loop over tokens: were it unrolled, processors whose decoded instructions do not fit would take twice the time.
        int groups = tokens / TokensTogether, rest = tokens % TokensTogether;
        Code.xor(Sums, Sums);
        if (groups > 0)
        {
            Label loop = Code.CreateLabel();
            Code.Label(ref loop);
            Multiply(TokensTogether);
            Code.add(Activations, TokensTogether * activationBytes);
            Code.add(Sums, TokensTogether * SumBytes);
            if (groups > 1)
            {
                Code.cmp(Sums, groups * TokensTogether * SumBytes);
                Code.jne(loop);
            }
        }
        if (rest > 0) Multiply(rest);
        if (groups > 0) Code.sub(Activations, groups * TokensTogether * activationBytes);

        void Multiply(int count)
        {
            if (IsWide) AddWideProducts(count, quad);
            else AddProducts(count, quad);
            for (int i = 0; i < count; i++)
            {
                if (!begins) Code.vpaddd(Sum(i), Sum(i), PartialSum(i));
                if (!ends) Code.vmovdqa(PartialSum(i), Sum(i));
            }
            if (ends) AddToSums(count, half, part);
        }
    }

    /// <summary>A quad's codes of 8 rows, one unsigned byte each.</summary>
    private void Unpack(int quad, int half, AssemblerRegisterYMM codes)
    {
        const int pairs = PanelLayout.Quads / 2;
        Code.vmovdqu(codes, Stored(quad % pairs, half));
        if (quad >= pairs) Code.vpsrld(codes, codes, 4);
        Code.vpand(codes, codes, __ymmword_ptr[mask]);
        if (layout.CodeBits == 4) return;
        int bits = layout.CodeBits - 4, perRegister = 8 / bits, left = 4 - quad % perRegister * bits; // they belong at bit 4 of each byte
        Code.vmovdqu(Value, Stored(pairs + quad / perRegister, half));
        if (left > 0) Code.vpslld(Value, Value, (byte)left);
        else if (left < 0) Code.vpsrld(Value, Value, (byte)-left);
        Code.vpand(Value, Value, __ymmword_ptr[bitsAbove]);
        Code.vpor(codes, codes, Value);
    }

    /// <summary>A quad's codes in 16 bits: columns 0 and 2, columns 1 and 3.</summary>
    private void Widen(int quad, int half, AssemblerRegisterYMM even, AssemblerRegisterYMM odd)
    {
        Code.vmovdqu(odd, Stored(quad, half));
        Code.vpand(even, odd, __ymmword_ptr[mask]);
        Code.vpsrlw(odd, odd, 8);
    }

    private static AssemblerMemoryOperand Stored(int register, int half) => __ymmword_ptr[Weights + (register * PanelLayout.Register + half * RegisterBytes)];

    /// <summary>Sums of the tokens = products of a piece.</summary>
    private void AddProducts(int count, int quad)
    {
        for (int q = 0; q < PieceQuads; q++)
        {
            bool first = q % QuadsIn16Bits == 0, last = (q + 1) % QuadsIn16Bits == 0 || q == PieceQuads - 1, only = q < QuadsIn16Bits;
            for (int i = 0; i < count; i++)
            {
                Code.vpbroadcastd(Value, __dword_ptr[Activations + (i * activationBytes + 4 * (quad + q))]);
                Code.vpmaddubsw(first ? Products(i) : Product, Codes(q), Value);
                if (!first) Code.vpaddw(Products(i), Products(i), Product);
                if (!last) continue;
                Code.vpmaddwd(only ? Sum(i) : Products(i), Products(i), __ymmword_ptr[ones]);
                if (!only) Code.vpaddd(Sum(i), Sum(i), Products(i));
            }
        }
    }

    /// <summary>As <see cref="AddProducts"/>, in 16 bits.</summary>
    private void AddWideProducts(int count, int quad)
    {
        for (int pair = 0; pair < 2 * PieceQuads; pair++)
            for (int i = 0; i < count; i++)
            {
                Code.vpbroadcastd(Value, __dword_ptr[Activations + (i * activationBytes + pair % 2 * RegisterBytes + 4 * (quad + pair / 2))]);
                Code.vpmaddwd(pair == 0 ? Sum(i) : Product, Codes(pair), Value);
                if (pair > 0) Code.vpaddd(Sum(i), Sum(i), Product);
            }
    }

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
    /// Sums of a part to float32 and onto those on the stack, one instruction for all tokens after the other: a token's depend on
    /// each other. Its terms lie behind its scale.
    /// </summary>
    private void AddToSums(int count, int half, int part)
    {
        AssemblerMemoryOperand TokenScale(int i, int offset = 0) => __dword_ptr[Activations + (i * activationBytes + valueBytes + offset)];
        int term = 4 + 4 * part;
        for (int i = 0; i < count && layout.ZeroPoint != 0; i++)
        {
            Code.vpbroadcastd(Value, TokenScale(i, term)); // -zero point · Σ activations
            Code.vpaddd(Sum(i), Sum(i), Value);
        }
        for (int i = 0; i < count; i++) Code.vcvtdq2ps(Sum(i), Sum(i));
        for (int i = 0; i < count; i++)
        {
            Code.vbroadcastss(Value, TokenScale(i));
            Code.vmulps(Sum(i), Sum(i), Value);
        }
        for (int i = 0; i < count; i++) Code.vfmadd213ps(Sum(i), Scale, FloatSum(i, half));
        for (int i = 0; i < count && layout.HasOffsets; i++)
        {
            Code.vbroadcastss(Value, TokenScale(i, term));
            Code.vfmadd231ps(Sum(i), Offset, Value);
        }
        for (int i = 0; i < count; i++) Code.vmovaps(FloatSum(i, half), Sum(i));
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
            Code.vpand(Codes(half), Value, Product);
            Code.vpcmpeqd(Codes(half), Codes(half), Product);
        }
        Code.xor(Sums, Sums);
        for (int t = 0; t < tokens; t++)
        {
            for (int half = 0; half < 2; half++)
            {
                Code.vmovaps(Sum(0), FloatSum(t, half));
                Code.vmaskmovps(__ymmword_ptr[r10 + half * RegisterBytes], Codes(half), Sum(0));
            }
            Code.add(r10, rax);
        }

        static AssemblerMemoryOperand Argument(string field) => __qword_ptr[rdx + AssemblyConvention.Offset(field)];
    }
}
