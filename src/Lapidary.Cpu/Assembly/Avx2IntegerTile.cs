using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// <see cref="IntegerTile"/> for processors with AVX2 and no dot products: the same panels, the same steps in the same order,
/// therefore the same bits. 16 registers do not hold a tile's sums, so a tile is multiplied in passes of some tokens with all
/// 16 rows, or with 8.
/// </summary>
/// <remarks>
/// Products of two columns are added to 16 bits (vpmaddubsw), over a step's 8 quads too: of 4-bit parts that is at most
/// 8 · 2 · 15 · 127 = 30,480. Wider codes therefore are two parts, the low nibble and what is above it, which meet in 32 bits.
/// </remarks>
internal sealed class Avx2IntegerTile(PanelLayout layout)
{
    private const int RegisterBytes = 32, Lanes = 8;

    private static readonly AssemblerRegister64 Arguments = r11, Weights = r8, Activations = r9, BlockScales = rdx, Ahead = r10;
    private static readonly AssemblerRegisterYMM Low = ymm12, Above = ymm13, Value = ymm14, Product = ymm15;

    private Label nibbles, bitsAbove, ones, sixteens, lowerRows, upperRows;

    private Assembler Code { get; } = new(64);

    /// <summary>Whether codes have bits above their low nibble.</summary>
    private bool IsWide => layout.CodeBits > 4;

    /// <summary>Sums of 8 rows and one token each that a pass holds, with their products.</summary>
    private int MaxSums => IsWide ? 4 : 6;

    /// <summary>The machine code of void kernel(TileArguments*) for that many tokens.</summary>
    public byte[] Assemble(int tokens)
    {
        nibbles = Code.CreateLabel();
        bitsAbove = Code.CreateLabel();
        ones = Code.CreateLabel();
        sixteens = Code.CreateLabel();
        lowerRows = Code.CreateLabel();
        upperRows = Code.CreateLabel();
        AssemblyConvention.Begin(Code);
        Code.mov(Arguments, AssemblyConvention.Arguments);
        int halves = tokens * 2 <= MaxSums ? 2 : 1, passes = (tokens * halves + MaxSums - 1) / MaxSums;
        for (int pass = 0; pass < passes; pass++)
            for (int half = 0; half < 2; half += halves)
                Multiply(new Pass(tokens, tokens * pass / passes, tokens * (pass + 1) / passes, half, halves));
        return AssemblyConvention.End(Code, Constants);
    }

    /// <summary>Tokens [First, End) of a tile with some halves of a panel's rows.</summary>
    private readonly record struct Pass(int Tokens, int First, int End, int Half, int Halves)
    {
        public int Sum(int token, int half) => (token - First) * Halves + half - Half;
    }

    private static AssemblerRegisterYMM Ymm(int i) => new(Register.YMM0 + i);

    private AssemblerRegisterYMM LowProducts(int sum) => Ymm(MaxSums + sum);

    private AssemblerRegisterYMM AboveProducts(int sum) => Ymm(2 * MaxSums + sum);

    private void Constants()
    {
        Data(nibbles, 0x0f0f0f0f);
        Data(bitsAbove, layout.CodeBits switch { 5 => 0x01010101, 6 => 0x03030303, _ => 0x0f0f0f0f });
        Data(ones, 0x00010001);
        Data(sixteens, 0x00100010);
        Data(lowerRows, 1, shift: 1);
        Data(upperRows, 1 << Lanes, shift: 1);
    }

    private void Data(Label label, uint value, int shift = 0)
    {
        Code.Label(ref label);
        for (int i = 0; i < Lanes; i++) Code.dd(value << (i * shift));
    }

    private void Load(AssemblerRegister64 register, string field) => Code.mov(register, __qword_ptr[Arguments + AssemblyConvention.Offset(field)]);

    private void Multiply(Pass pass)
    {
        Load(Weights, nameof(TileArguments.Weights));
        Load(Activations, nameof(TileArguments.Activations));
        Load(rax, nameof(TileArguments.Steps));
        // Only the first pass meets new weights.
        bool asks = pass is { First: 0, Half: 0, Halves: 1 };
        if (asks) Load(Ahead, nameof(TileArguments.Ahead));
        for (int sum = 0; sum < (pass.End - pass.First) * pass.Halves; sum++) Code.vpxor(Ymm(sum), Ymm(sum), Ymm(sum));

        StepLoop.Write(Code, layout, Weights, BlockScales, () =>
        {
            if (asks) StepLoop.AskAhead(Code, layout, Ahead);
            for (int part = 0; part < layout.ScalesPerStep; part++) MultiplyPart(pass, part);
            Code.add(Activations, pass.Tokens * layout.ActivationBytes);
        });
        Store(pass);
    }

    /// <summary>The columns of a step that share a weight scale.</summary>
    private void MultiplyPart(Pass pass, int part)
    {
        int quads = PanelLayout.Quads / layout.ScalesPerStep;
        for (int q = part * quads; q < (part + 1) * quads; q++)
            for (int half = pass.Half; half < pass.Half + pass.Halves; half++)
            {
                Unpack(q, half);
                for (int t = pass.First; t < pass.End; t++)
                {
                    AssemblerMemoryOperand value = __dword_ptr[Activations + (t * layout.ActivationBytes + 4 * q)];
                    bool first = q == part * quads;
                    int sum = pass.Sum(t, half);
                    Code.vpbroadcastd(Value, value);
                    AddProducts(LowProducts(sum), Low, first);
                    if (IsWide) AddProducts(AboveProducts(sum), Above, first);
                }
            }
        for (int half = pass.Half; half < pass.Half + pass.Halves; half++)
        {
            Widen(Low, layout.ScaleOffset(part), blockOffset: 0, half);
            if (layout.HasOffsets) Widen(Above, layout.OffsetOffset(part), PanelLayout.BlockScaleBytes, half);
            for (int t = pass.First; t < pass.End; t++) AddToSum(pass.Sum(t, half), t * layout.ActivationBytes + PanelLayout.StepColumns, part);
        }
    }

    /// <summary>A quad's codes of 8 rows, low nibbles and what is above them, one unsigned byte each.</summary>
    private void Unpack(int quad, int half)
    {
        const int pairs = PanelLayout.Quads / 2;
        bool bytes = layout.CodeBits == 8;
        AssemblerMemoryOperand low = Codes(bytes ? quad : quad % pairs, half);
        Code.vmovdqu(Low, low);
        if (!bytes && quad >= pairs) Code.vpsrld(Low, Low, 4);
        Code.vpand(Low, Low, __ymmword_ptr[nibbles]);
        if (!IsWide) return;
        int bits = layout.CodeBits - 4, perRegister = 8 / bits;
        Code.vmovdqu(Above, bytes ? low : Codes(pairs + quad / perRegister, half));
        int shift = bytes ? 4 : quad % perRegister * bits;
        if (shift > 0) Code.vpsrld(Above, Above, (byte)shift);
        Code.vpand(Above, Above, __ymmword_ptr[bitsAbove]);
    }

    private static AssemblerMemoryOperand Codes(int register, int half) => __ymmword_ptr[Weights + (register * PanelLayout.Register + half * RegisterBytes)];

    private void AddProducts(AssemblerRegisterYMM products, AssemblerRegisterYMM codes, bool first)
    {
        Code.vpmaddubsw(first ? products : Product, codes, Value);
        if (!first) Code.vpaddw(products, products, Product);
    }

    /// <summary>8 scales, or offsets, to float32.</summary>
    private void Widen(AssemblerRegisterYMM register, int offset, int blockOffset, int half)
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

    /// <summary>Products of a part to float32 and onto their sum; scales are in Low, offsets in Above.</summary>
    /// <param name="scale">Where the token's scale lies, its terms after it.</param>
    private void AddToSum(int sum, int scale, int part)
    {
        AssemblerRegisterYMM products = LowProducts(sum);
        Code.vpmaddwd(products, products, __ymmword_ptr[ones]);
        if (IsWide)
        {
            Code.vpmaddwd(AboveProducts(sum), AboveProducts(sum), __ymmword_ptr[sixteens]);
            Code.vpaddd(products, products, AboveProducts(sum));
        }
        AssemblerMemoryOperand term = __dword_ptr[Activations + (scale + 4 + 4 * part)];
        if (layout.ZeroPoint != 0)
        {
            Code.vpbroadcastd(Value, term); // -zero point · Σ activations
            Code.vpaddd(products, products, Value);
        }
        Code.vcvtdq2ps(products, products);
        Code.vbroadcastss(Value, __dword_ptr[Activations + scale]);
        Code.vmulps(products, products, Value);
        Code.vfmadd231ps(Ymm(sum), products, Low);
        if (!layout.HasOffsets) return;
        Code.vbroadcastss(Value, term);
        Code.vfmadd231ps(Ymm(sum), Above, Value);
    }

    private void Store(Pass pass)
    {
        Load(r10, nameof(TileArguments.Output));
        Load(rax, nameof(TileArguments.OutputStride));
        for (int half = pass.Half; half < pass.Half + pass.Halves; half++)
        {
            AssemblerRegisterYMM exists = half == pass.Half ? Low : Above;
            Code.vpbroadcastd(Value, __dword_ptr[Arguments + AssemblyConvention.Offset(nameof(TileArguments.RowMask))]);
            Code.vmovdqu(exists, __ymmword_ptr[half == 0 ? lowerRows : upperRows]);
            Code.vpand(Value, Value, exists);
            Code.vpcmpeqd(exists, Value, exists);
        }
        for (int t = 0; t < pass.First; t++) Code.add(r10, rax);
        for (int t = pass.First; t < pass.End; t++)
        {
            for (int half = pass.Half; half < pass.Half + pass.Halves; half++)
                Code.vmaskmovps(__ymmword_ptr[r10 + half * RegisterBytes], half == pass.Half ? Low : Above, Ymm(pass.Sum(t, half)));
            Code.add(r10, rax);
        }
    }
}
