using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;
using Lapidary.Quantization;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>Kernels of all widths against float64 over the same codes and the same 8-bit activations, and against themselves.</summary>
public sealed unsafe class IntegerMatrixTests
{
    public static TheoryData<string, int, bool, string> Formats()
    {
        TheoryData<string, int, bool, string> data = new();
        foreach (CodeType code in (CodeType[])[CodeType.Int(4), CodeType.UInt(4), CodeType.Int(5), CodeType.UInt(5), CodeType.Int(6), CodeType.Int(8), CodeType.UInt(3), CodeType.Int(7)])
            foreach (int group in (int[])[16, 32, 64, 0])
                foreach (bool offsets in (bool[])[false, true])
                    foreach (string scale in (string[])["half", "bfloat16", "single"])
                        data.Add(code.Name, group, offsets, scale);
        return data;
    }

    public static TheoryData<string, int, bool> FactoredFormats => new()
    {
        { "uint4", 32, true }, { "uint5", 32, true }, { "uint2", 16, true }, { "int3", 16, false }, { "int6", 16, false },
    };

    internal static RandomMatrix Matrix(string code, int group, bool offsets, string scale, int rows, int columns) => new(
        rows, columns, WeightFormat.OfCodes(CodeType.All.Single(c => c.Name == code), group, offsets), seed: 5, scale switch
        {
            "half" => value => (float)(Half)value,
            "bfloat16" => value => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xffff0000),
            _ => value => value,
        });

    /// <summary>Every kind of kernel that runs here.</summary>
    private static IEnumerable<(string Name, Func<PanelLayout, TileKernels> Create)> Kernels()
    {
        if (AssemblySupport.RefusesInt8(AssemblyUse.Allowed) is null)
        {
            if (CpuFeatures.HasAvx512Vnni) yield return ("assembled with VNNI", IntegerMatrix.AssembledVnni);
            if (CpuFeatures.HasAvx2Half) yield return ("assembled with AVX2", IntegerMatrix.AssembledAvx2);
        }
        yield return ("512 bits", VectorTile.For<V16>);
        yield return ("256 bits", VectorTile.For<V8>);
        yield return ("128 bits", VectorTile.For<V4>);
        yield return ("scalar", VectorTile.For<V1>);
    }

    private static float[] Activations(int tokens, int columns, int seed = 9)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, tokens * columns).Select(_ => (random.NextSingle() - 0.5f) * 4)];
    }

    private static float[] Multiply(IntegerMatrix matrix, float[] x, int tokens, int from, int to)
    {
        float[] y = new float[tokens * matrix.Rows];
        fixed (float* xs = x, ys = y) matrix.Multiply(from, to, xs, matrix.Columns, tokens, ys, matrix.Rows);
        return y;
    }

    /// <summary>The definition in float64: activations to the nearest of 255 steps in groups of 32, then plain sums.</summary>
    private static double[] Expected(QuantizedMatrix matrix, float[] x, int tokens)
    {
        double[] y = new double[tokens * matrix.Rows];
        float[] weights = new float[matrix.Columns];
        for (int row = 0; row < matrix.Rows; row++)
        {
            matrix.ReadRow(row, weights);
            for (int t = 0; t < tokens; t++)
                for (int first = 0; first < matrix.Columns; first += 32)
                {
                    ReadOnlySpan<float> group = x.AsSpan(t * matrix.Columns + first, Math.Min(32, matrix.Columns - first));
                    float largest = 0;
                    foreach (float value in group) largest = MathF.Max(largest, MathF.Abs(value));
                    for (int i = 0; i < group.Length; i++)
                        y[t * matrix.Rows + row] += (double)weights[first + i] * Math.Round(group[i] * (127 / largest)) * (largest / 127);
                }
        }
        return y;
    }

    private static double RelativeError(double[] expected, float[] actual)
        => Math.Sqrt(expected.Zip(actual, (e, a) => (e - a) * (e - a)).Sum() / expected.Sum(e => e * e));

    [Theory, MemberData(nameof(Formats))]
    public void Results_are_those_of_the_definition(string code, int group, bool offsets, string scale)
    {
        foreach ((int rows, int columns, int tokens) in (ReadOnlySpan<(int, int, int)>)[(16, 64, 1), (37, 96, 5), (22, 88, 17), (64, 352, 33)])
        {
            RandomMatrix source = Matrix(code, group, offsets, scale, rows, columns);
            float[] x = Activations(tokens, columns);
            double[] expected = Expected(source, x, tokens);
            foreach ((string kernels, Func<PanelLayout, TileKernels> create) in Kernels())
            {
                using IntegerMatrix matrix = new(source, create, store: null);
                double error = RelativeError(expected, Multiply(matrix, x, tokens, 0, rows));
                Assert.True(error < 2e-6, $"{kernels}, {rows} x {columns}, {tokens} tokens: relative error {error}");
            }
        }
    }

    [Theory, MemberData(nameof(FactoredFormats))]
    public void Factors_of_a_block_scale_are_multiplied_as_stored(string code, int group, bool offsets)
    {
        foreach ((int rows, int columns, int tokens) in (ReadOnlySpan<(int, int, int)>)[(16, 256, 1), (37, 512, 5), (16, 512, 15), (22, 768, 17)])
        {
            FactoredMatrix source = new(rows, columns, WeightFormat.OfCodes(CodeType.All.Single(c => c.Name == code), group, offsets), seed: 5);
            float[] x = Activations(tokens, columns);
            foreach ((string kernels, Func<PanelLayout, TileKernels> create) in Kernels())
            {
                using IntegerMatrix matrix = new(source, create, store: null);
                float[] y = Multiply(matrix, x, tokens, 0, rows);
                Assert.True(RelativeError(Expected(source, x, tokens), y) < 2e-6, $"{kernels}, {rows} x {columns}, {tokens} tokens");
                Assert.True(RelativeError(Expected(source, Activations(tokens, columns, seed: 10), tokens), y) > 0.1);
                double bits = 8.0 * matrix.ByteLength / (double)columns / ((rows + 15) / 16 * 16);
                Assert.True(bits < CodeBits(code) + (offsets ? 2 : 1) * (8.0 / group + 16.0 / 256) + 0.01, $"{bits} bits a weight");
            }
        }

        static int CodeBits(string code) => Math.Max(4, code[^1] - '0');
    }

    [Fact]
    public void Another_token_is_noticed()
    {
        RandomMatrix source = Matrix("int4", 32, false, "half", 32, 64);
        using IntegerMatrix matrix = new(source, AssemblyUse.Allowed);
        Assert.True(RelativeError(Expected(source, Activations(2, 64, seed: 10), 2), Multiply(matrix, Activations(2, 64), 2, 0, 32)) > 0.1);
    }

    [Fact]
    public void A_token_does_not_depend_on_its_neighbours()
    {
        RandomMatrix source = Matrix("uint4", 32, true, "half", 48, 128);
        using IntegerMatrix matrix = new(source, AssemblyUse.Allowed);
        float[] x = Activations(40, 128), all = Multiply(matrix, x, 40, 0, 48);
        for (int tokens = 1; tokens < 40; tokens++)
        {
            float[] some = Multiply(matrix, x[((40 - tokens) * 128)..], tokens, 0, 48);
            Assert.Equal(all[((40 - tokens) * 48)..], some);
        }
    }

    [Theory]
    [InlineData("int4", 32, false)]
    [InlineData("uint5", 16, true)]
    [InlineData("int8", 64, false)]
    public void Kernels_of_all_widths_give_the_same_bits(string code, int group, bool offsets)
    {
        Assert.SkipUnless(Fma.IsSupported || AdvSimd.IsSupported, "needs multiplication and addition in one");
        RandomMatrix source = Matrix(code, group, offsets, "half", 39, 160);
        float[] x = Activations(7, 160);
        float[][] results = [.. Kernels().Select(kernels =>
        {
            using IntegerMatrix matrix = new(source, kernels.Create, store: null);
            return Multiply(matrix, x, 7, 0, 39);
        })];
        Assert.All(results, y => Assert.Equal(results[0], y));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(8)]
    public void Codes_and_values_at_their_extremes_do_not_overflow(int bits)
    {
        ExtremeMatrix source = new(16, 64, bits);
        float[] x = [.. Enumerable.Range(0, 5 * 64).Select(i => i / 64 % 2 == 0 ? 1f : -1f)];
        foreach ((string kernels, Func<PanelLayout, TileKernels> create) in Kernels())
        {
            using IntegerMatrix matrix = new(source, create, store: null);
            float[] y = Multiply(matrix, x, 5, 0, 16);
            for (int t = 0; t < 5; t++)
                for (int row = 0; row < 16; row++)
                {
                    float expected = (row % 2 == 0 ? (1 << (bits - 1)) - 1 : -1 << (bits - 1)) * 64 * x[t * 64];
                    Assert.Equal(expected, y[t * 16 + row], tolerance: 1e-6f * MathF.Abs(expected));
                }
        }
    }

    [Fact]
    public void Shares_of_rows_touch_nothing_else()
    {
        RandomMatrix source = Matrix("int8", 32, false, "half", 40, 64);
        using IntegerMatrix matrix = new(source, AssemblyUse.Allowed);
        float[] x = Activations(3, 64), all = Multiply(matrix, x, 3, 0, 40), part = Multiply(matrix, x, 3, 16, 40);
        for (int i = 0; i < part.Length; i++) Assert.Equal(i % 40 < 16 ? 0 : all[i], part[i]);
    }

    [Fact]
    public void Tokens_of_zeros_and_of_one_spike_are_exact()
    {
        RandomMatrix source = Matrix("int4", 32, false, "half", 16, 64);
        using IntegerMatrix matrix = new(source, AssemblyUse.Allowed);
        float[] x = new float[128];
        x[64 + 7] = 3;
        float[] y = Multiply(matrix, x, 2, 0, 16), weights = new float[64];
        for (int row = 0; row < 16; row++)
        {
            source.ReadRow(row, weights);
            Assert.Equal(0, y[row]);
            Assert.Equal(3 * weights[7], y[16 + row], tolerance: 1e-5f);
        }
    }

    [Theory]
    [InlineData("int4", 32, nameof(ScaleKind.Half))]
    [InlineData("uint5", 16, nameof(ScaleKind.Factored))]
    [InlineData("int6", 16, nameof(ScaleKind.BFloat16))]
    [InlineData("int8", 32, nameof(ScaleKind.Single))]
    public void Kernels_for_AVX2_hold_no_later_instruction(string name, int group, string scales)
    {
        CodeType code = CodeType.All.Single(c => c.Name == name);
        PanelLayout layout = PanelLayout.For(WeightFormat.OfCodes(code, group), Enum.Parse<ScaleKind>(scales), groupsPerBlock: 256 / group);
        for (int tokens = 1; tokens <= IntegerTile.MaxTokens; tokens++)
            foreach (Iced.Intel.Instruction instruction in Disassembly.Of(new Avx2IntegerTile(layout).Assemble(tokens))) Disassembly.IsOfAvx2(instruction);
    }

    [Fact]
    public void Kernels_hold_the_dot_product_instruction()
    {
        byte[] code = new IntegerTile(PanelLayout.For(WeightFormat.OfCodes(CodeType.Int(4), 32), ScaleKind.Half)).Assemble(4);
        var decoder = Iced.Intel.Decoder.Create(64, code);
        int dots = 0;
        while (decoder.IP < (ulong)code.Length)
        {
            Iced.Intel.Instruction instruction = decoder.Decode();
            Assert.NotEqual(Iced.Intel.Code.INVALID, instruction.Code);
            if (instruction.Mnemonic == Iced.Intel.Mnemonic.Vpdpbusd) dots++;
        }
        Assert.Equal(4 * 8, dots);
    }
}
