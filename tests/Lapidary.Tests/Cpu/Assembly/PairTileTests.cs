using Iced.Intel;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;
using static Lapidary.Tests.Cpu.Assembly.CompactWeights;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>Compact weights times hidden states rounded to bfloat16, against float64 and against themselves.</summary>
public sealed unsafe class PairTileTests
{
    private static void Require() => Assert.SkipUnless(CpuFeatures.HasAvx512Bf16, "needs AVX512-BF16");

    private static float[] Multiply(ushort[] weights, int rows, int columns, float[] x, int tokens, int from, int to)
    {
        float[] y = new float[tokens * rows];
        fixed (ushort* w = weights)
        fixed (float* xs = x, ys = y)
        {
            using CompactAvx512 matrix = new(Matrix(w, rows, columns), DType.BF16);
            matrix.Multiply(from, to, xs, columns, tokens, ys, rows);
        }
        return y;
    }

    public static MatrixTheoryData<Kind, int> Cases() => new([Kind.Normal, Kind.Mixed, Kind.Outliers, Kind.Uncodable], [1, 2, 11, 12, 13, 25, 40]);

    [Theory, MemberData(nameof(Cases))]
    public void Results_are_sums_of_products(Kind kind, int tokens)
    {
        Require();
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(32, 32), (33, 96), (64, 256), (47, 288), (96, 704), (32, 4896)])
        {
            ushort[] weights = Weights(kind, rows * columns);
            float[] x = Tokens(tokens * columns), y = Multiply(weights, rows, columns, x, tokens, 0, rows);
            for (int row = 0; row < rows; row++)
            {
                double error = 0, norm = 0;
                for (int t = 0; t < tokens; t++)
                {
                    double sum = 0;
                    for (int i = 0; i < columns; i++)
                    {
                        double product = (double)Value(weights[row * columns + i]) * Value(Rounded(x[t * columns + i]));
                        sum += product;
                        norm += product * product;
                    }
                    error += Math.Pow(sum - y[t * rows + row], 2);
                }
                Assert.True(Math.Sqrt(error / norm) < 5e-6, $"{rows} x {columns}, row {row}: relative error {Math.Sqrt(error / norm)}");
            }
            weights[^1] = 0x4974; // a million
            Assert.NotEqual(y, Multiply(weights, rows, columns, x, tokens, 0, rows));
        }

        static ushort Rounded(float value)
        {
            uint bits = BitConverter.SingleToUInt32Bits(value), low = bits & 0xffff, even = bits >> 16 & 1;
            return (ushort)((bits >> 16) + (low > 0x8000 || (low == 0x8000 && even == 1) ? 1u : 0));
        }
    }

    [Fact]
    public void A_token_does_not_depend_on_its_neighbours_nor_a_row_on_its_share()
    {
        Require();
        const int rows = 150, columns = 608, most = 40;
        ushort[] weights = Weights(Kind.Mixed, rows * columns);
        float[] x = Tokens(most * columns), all = Multiply(weights, rows, columns, x, most, 0, rows);
        for (int tokens = 1; tokens < most; tokens++)
            Assert.Equal(all[((most - tokens) * rows)..], Multiply(weights, rows, columns, x[((most - tokens) * columns)..], tokens, 0, rows));
        foreach (int tokens in (int[])[1, most])
            foreach ((int from, int to) in (ReadOnlySpan<(int, int)>)[(32, 150), (0, 64), (5, 141), (8, 24), (24, 150), (7, 7)])
            {
                float[] part = Multiply(weights, rows, columns, x, tokens, from, to);
                for (int i = 0; i < part.Length; i++) Assert.Equal(i % rows >= from && i % rows < to ? all[i] : 0, part[i]);
            }
    }

    [Theory, InlineData(DType.F32), InlineData(DType.BF16)]
    public void Kernels_use_no_instructions_but_those_asked_for(DType hiddenStates)
    {
        CpuidFeature[] known = [CpuidFeature.INTEL8086, CpuidFeature.INTEL386, CpuidFeature.X64, CpuidFeature.CMOV, CpuidFeature.SSE, CpuidFeature.PREFETCHW, CpuidFeature.AVX, CpuidFeature.AVX512F, CpuidFeature.AVX512BW, hiddenStates == DType.BF16 ? CpuidFeature.AVX512_BF16 : CpuidFeature.AVX512F];
        for (int tokens = 1; tokens <= PairTile.MaxTokens; tokens++)
            foreach ((bool coded, bool unpacks) in (ReadOnlySpan<(bool, bool)>)[(true, false), (true, true), (false, false)])
                foreach (Instruction instruction in Disassembly.Of(new PairTile(hiddenStates, coded, unpacks, asks: !coded).Assemble(tokens)))
                {
                    Assert.NotEqual(Code.INVALID, instruction.Code);
                    Assert.Empty(instruction.CpuidFeatures.Except(known));
                }
    }
}
