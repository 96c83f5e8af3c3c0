using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;
using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;
using static Lapidary.Tests.Cpu.Assembly.CompactWeights;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>bfloat16 weights in three quarters of their bytes: none is changed, and products are those of the weights themselves.</summary>
public sealed unsafe class CompactMatrixTests
{
    public enum Kernels
    {
        Avx2,
        Avx512,
    }

    private static void Require(Kernels kernels = Kernels.Avx2)
    {
        if (kernels == Kernels.Avx2) Assert.SkipUnless(CpuFeatures.HasAvx2Half, "needs AVX2 with FMA");
        else Assert.SkipUnless(CpuFeatures.VectorBits == 512, "needs AVX-512");
    }

    private static float[] Multiply(Kernels kernels, ushort[] weights, int rows, int columns, float[] x, int tokens, int from, int to)
    {
        float[] y = new float[tokens * rows];
        fixed (ushort* w = weights)
        fixed (float* xs = x, ys = y)
        {
            DenseMatrix source = Matrix(w, rows, columns);
            using CompactMatrix matrix = kernels == Kernels.Avx2 ? new CompactAvx2(source) : new CompactAvx512(source, DType.F32);
            matrix.Multiply(from, to, xs, columns, tokens, ys, rows);
        }
        return y;
    }

    /// <summary>Column by column, each product and sum rounded once.</summary>
    private static float[] Expected(ushort[] weights, int rows, int columns, float[] x, int tokens)
    {
        float[] y = new float[tokens * rows];
        for (int t = 0; t < tokens; t++)
            for (int row = 0; row < rows; row++)
                for (int i = 0; i < columns; i++)
                    y[t * rows + row] = MathF.FusedMultiplyAdd(Value(weights[row * columns + i]), x[t * columns + i], y[t * rows + row]);
        return y;
    }

    public static MatrixTheoryData<Kernels, Kind, int> Cases() => new(Enum.GetValues<Kernels>(), [Kind.Normal, Kind.Mixed, Kind.Uncodable], [1, 2, 5, 6, 7, 12, 13, 26]);

    [Theory, MemberData(nameof(Cases))]
    public void Results_are_sums_of_products_in_order(Kernels kernels, Kind kind, int tokens)
    {
        Require(kernels);
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(32, 32), (33, 96), (64, 256), (47, 288), (130, 512), (96, 704), (32, 4896)])
        {
            ushort[] weights = Weights(kind, rows * columns);
            float[] x = Tokens(tokens * columns), y = Multiply(kernels, weights, rows, columns, x, tokens, 0, rows);
            Assert.Equal(Expected(weights, rows, columns, x, tokens), y);
            weights[^1] ^= 1; // the last bit of the last weight
            Assert.NotEqual(y, Multiply(kernels, weights, rows, columns, x, tokens, 0, rows));
        }
    }

    [Theory, InlineData(Kernels.Avx2), InlineData(Kernels.Avx512)]
    public void A_token_does_not_depend_on_its_neighbours_nor_a_row_on_its_share(Kernels kernels)
    {
        Require(kernels);
        const int rows = 150, columns = 608;
        ushort[] weights = Weights(Kind.Mixed, rows * columns);
        float[] x = Tokens(13 * columns), all = Multiply(kernels, weights, rows, columns, x, 13, 0, rows);
        for (int tokens = 1; tokens < 13; tokens++)
            Assert.Equal(all[((13 - tokens) * rows)..], Multiply(kernels, weights, rows, columns, x[((13 - tokens) * columns)..], tokens, 0, rows));
        foreach (int tokens in (int[])[1, 13])
            foreach ((int from, int to) in (ReadOnlySpan<(int, int)>)[(32, 150), (0, 64), (5, 141), (8, 24), (24, 150), (7, 7)])
            {
                float[] part = Multiply(kernels, weights, rows, columns, x, tokens, from, to);
                for (int i = 0; i < part.Length; i++) Assert.Equal(i % rows >= from && i % rows < to ? all[i] : 0, part[i]);
            }
    }

    /// <summary>Also those that are no numbers, which products would not tell apart.</summary>
    [Theory, InlineData(Kind.Normal), InlineData(Kind.Mixed), InlineData(Kind.Uncodable)]
    public void No_bit_of_a_weight_is_changed(Kind kind)
    {
        Require();
        const int rows = 64, columns = 1024;
        ushort[] weights = Weights(kind, rows * columns), all = [.. Enumerable.Range(0, 65536).Select(bits => (ushort)bits)];
        foreach (ushort[] stored in (ushort[][])[weights, all, [.. all.Reverse()]])
        {
            uint[] copied = new uint[columns], unpacked = new uint[CompactBlock.Rows * CompactBlock.Columns];
            fixed (ushort* w = stored)
            fixed (uint* target = unpacked, rowTarget = copied)
            {
                using CompactPanels panels = new(Matrix(w, rows, columns));
                for (int row = 0; row < rows; row++)
                {
                    panels.CopyRow(row, (float*)rowTarget);
                    for (int column = 0; column < columns; column++) Assert.Equal((uint)stored[row * columns + column] << 16, copied[column]);
                }
                for (int group = 0; group < panels.Groups; group++)
                    for (int block = 0; block < panels.Blocks; block++)
                    {
                        panels.Unpack(group, block, (float*)target);
                        for (int row = 0; row < CompactBlock.Rows; row++)
                            for (int column = 0; column < CompactBlock.Columns; column++)
                                Assert.Equal((uint)stored[(group * CompactBlock.Rows + row) * columns + block * CompactBlock.Columns + column] << 16,
                                    unpacked[(row / CompactBlock.Lanes * CompactBlock.Columns + column) * CompactBlock.Lanes + row % CompactBlock.Lanes]);
                    }
            }
        }
    }

    [Fact]
    public void Threads_write_the_blocks_of_a_large_matrix()
    {
        Require();
        const int rows = 1610, columns = 2816; // more than is written by one thread
        ushort[] weights = Weights(Kind.Mixed, rows * columns);
        uint[] row = new uint[columns];
        fixed (ushort* w = weights)
        fixed (uint* target = row)
        {
            using CompactPanels panels = new(Matrix(w, rows, columns));
            for (int r = 0; r < rows; r++)
            {
                panels.CopyRow(r, (float*)target);
                Assert.True(row.AsSpan().SequenceEqual([.. weights.AsSpan(r * columns, columns).ToArray().Select(bits => (uint)bits << 16)]), $"row {r}");
            }
        }
    }

    [Fact]
    public void Weights_of_one_size_take_three_quarters_of_their_bytes_and_others_hardly_more_than_theirs()
    {
        Require();
        Assert.InRange(Share(Kind.Normal), 0.75, 0.775);
        Assert.InRange(Share(Kind.Outliers), 0.75, 0.78);
        Assert.InRange(Share(Kind.Uncodable), 1, 1.005);

        static double Share(Kind kind)
        {
            const int rows = 512, columns = 2816;
            fixed (ushort* w = Weights(kind, rows * columns))
            {
                using CompactAvx2 matrix = new(Matrix(w, rows, columns));
                return matrix.ByteLength / (2.0 * rows * columns);
            }
        }
    }

    [Fact]
    public void Other_matrices_are_refused_with_the_reason()
    {
        ushort zero = 0;
        Assert.Contains("F16", CompactMatrix.Refusal(new DenseMatrix(new StoredTensor("w", DType.F16, [32, 32], (nint)(&zero), owner: null))));
        Assert.Contains("36 columns", CompactMatrix.Refusal(Matrix(&zero, 32, 36)));
        Assert.Contains("31 rows", CompactMatrix.Refusal(Matrix(&zero, 31, 32)));
        Assert.Null(CompactMatrix.Refusal(Matrix(&zero, 32, 32)));
    }

    [Fact]
    public void A_matrix_is_compact_where_that_is_wanted_and_kernels_can_be_assembled()
    {
        Require();
        CpuOptions options = new();
        fixed (ushort* w = Weights(Kind.Normal, 32 * 64))
            foreach ((CpuOptions chosen, bool compact) in (ReadOnlySpan<(CpuOptions, bool)>)[
                (options, true), (options with { Arithmetic = Arithmetic.Fast }, true),
                (options with { CompactBFloat16 = false }, false), (options with { Assembly = AssemblyUse.Refused }, false)])
            {
                using WeightMatrix matrix = WeightMatrix.Load(Matrix(w, 32, 64), chosen);
                Assert.Equal(compact, matrix is CompactMatrix);
                bool rounds = chosen.Arithmetic == Arithmetic.Fast && CpuFeatures.HasAvx512Bf16 && !CpuFeatures.IsSlowAtBFloat16;
                Assert.Equal(compact && rounds, matrix is CompactAvx512 { Form: BFloat16Form });
                Assert.Equal(compact && !rounds && CpuFeatures.VectorBits == 512, matrix is CompactAvx512 { Form: null });
            }
    }

    [Fact]
    public void Kernels_use_instructions_of_AVX2_only()
    {
        foreach (Iced.Intel.Instruction instruction in Disassembly.Of(new CompactTile().Assemble())) Disassembly.IsOfAvx2(instruction);
        for (int tokens = 1; tokens <= ShortRowTile.MaxTokens; tokens++)
            foreach (Iced.Intel.Instruction instruction in Disassembly.Of(new ShortRowTile(DType.F32, 256).Assemble(tokens))) Disassembly.IsOfAvx2(instruction);
    }
}
