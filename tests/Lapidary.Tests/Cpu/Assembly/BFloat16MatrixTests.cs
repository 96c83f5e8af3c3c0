using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>bfloat16 by bfloat16, or by float32, against float64, at widths with and without a rest, and against themselves.</summary>
public sealed unsafe class BFloat16MatrixTests
{
    private static ushort[] Weights(int rows, int columns)
    {
        Random random = new(3);
        return [.. Enumerable.Range(0, rows * columns).Select(_ => Bits(random.NextSingle() - 0.5f))];
    }

    private static ushort Bits(float value)
    {
        // To nearest, ties to even, in float64: the half-way value and its neighbours are exact there.
        uint low = BitConverter.SingleToUInt32Bits(value) >> 16;
        float below = Value((ushort)low), above = Value((ushort)(low + 1));
        double toBelow = Math.Abs((double)value - below), toAbove = Math.Abs((double)above - value);
        return (ushort)(toBelow < toAbove || (toBelow == toAbove && low % 2 == 0) ? low : low + 1);
    }

    private static float Value(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    private static void Require(bool rounded)
        => Assert.SkipUnless(rounded ? CpuFeatures.HasAvx512Bf16 : CpuFeatures.HasAvx2Half, rounded ? "needs AVX512-BF16" : "needs AVX2 with FMA");

    private static float[] Multiply(bool rounded, ushort[] weights, int rows, int columns, float[] x, int tokens, int from, int to)
    {
        float[] y = new float[tokens * rows];
        fixed (ushort* w = weights)
        fixed (float* xs = x, ys = y)
        {
            using BFloat16Matrix matrix = new(new StoredTensor("w", DType.BF16, [rows, columns], (nint)w, owner: null), rounded);
            matrix.Multiply(from, to, xs, columns, tokens, ys, rows);
        }
        return y;
    }

    private static float[] Tokens(int tokens, int columns)
    {
        Random random = new(4);
        return [.. Enumerable.Range(0, tokens * columns).Select(_ => random.NextSingle() * 4 - 2)];
    }

    [Theory]
    [InlineData(true, 4, 32, 1)]
    [InlineData(true, 7, 88, 5)]
    [InlineData(true, 22, 66, 17)]
    [InlineData(true, 33, 704, 6)]
    [InlineData(true, 5, 31, 13)]
    [InlineData(true, 6, 8200, 65)]
    [InlineData(false, 4, 32, 1)]
    [InlineData(false, 7, 88, 5)]
    [InlineData(false, 22, 66, 17)]
    [InlineData(false, 33, 704, 6)]
    [InlineData(false, 5, 30, 13)]
    [InlineData(false, 3, 16, 2)]
    [InlineData(false, 6, 8200, 65)]
    public void Results_are_sums_of_products(bool rounded, int rows, int columns, int tokens)
    {
        Require(rounded);
        ushort[] weights = Weights(rows, columns);
        float[] x = Tokens(tokens, columns), y = Multiply(rounded, weights, rows, columns, x, tokens, 0, rows);
        double error = 0, norm = 0;
        for (int t = 0; t < tokens; t++)
            for (int row = 0; row < rows; row++)
            {
                double sum = 0;
                for (int i = 0; i < columns; i++) sum += (double)Value(weights[row * columns + i]) * (rounded ? Value(Bits(x[t * columns + i])) : x[t * columns + i]);
                error += Math.Pow(sum - y[t * rows + row], 2);
                norm += sum * sum;
            }
        Assert.True(Math.Sqrt(error / norm) < 1e-6, $"relative error {Math.Sqrt(error / norm)}");
        weights[^1] ^= 0x8000; // the sign of the last weight of the last row
        Assert.NotEqual(y, Multiply(rounded, weights, rows, columns, x, tokens, 0, rows));
    }

    [Theory]
    [InlineData(true, 23, 88, 26)]
    [InlineData(true, 6, 8200, 65)] // more tokens than one pass over the rows takes
    [InlineData(false, 23, 88, 26)]
    [InlineData(false, 6, 8200, 65)]
    public void A_token_does_not_depend_on_its_neighbours_nor_a_row_on_its_share(bool rounded, int rows, int columns, int tokens)
    {
        Require(rounded);
        ushort[] weights = Weights(rows, columns);
        float[] x = Tokens(tokens, columns), all = Multiply(rounded, weights, rows, columns, x, tokens, 0, rows);
        for (int last = 1; last < tokens; last++)
            Assert.Equal(all[((tokens - last) * rows)..], Multiply(rounded, weights, rows, columns, x[((tokens - last) * columns)..], last, 0, rows));
        float[] part = Multiply(rounded, weights, rows, columns, x, tokens, 1, rows - 1);
        for (int i = 0; i < part.Length; i++) Assert.Equal(i % rows >= 1 && i % rows < rows - 1 ? all[i] : 0, part[i]);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 13)]
    [InlineData(true, 32)]
    [InlineData(false, 1)]
    [InlineData(false, 13)]
    [InlineData(false, 32)]
    public void Threads_write_their_tokens_where_one_would(bool rounded, int tokens)
    {
        Require(rounded);
        const int columns = 70;
        RowForm form = rounded ? new BFloat16Form(columns) : new EvenOddForm(columns);
        byte[] whole = new byte[tokens * form.RowBytes], parts = new byte[whole.Length];
        fixed (float* x = Tokens(tokens, columns))
        fixed (byte* atOnce = whole, byParts = parts)
        {
            form.Write(x, columns, 0, tokens, tokens, atOnce);
            for (int from = 0; from < tokens; from += 3) form.Write(x, columns, from, Math.Min(tokens, from + 3), tokens, byParts);
        }
        Assert.Equal(whole, parts);
        for (int t = 0; t < tokens; t++) Assert.Equal(columns, NonZeros(t));

        // A token's values, in its tile, step by step.
        int NonZeros(int token)
        {
            TokenTiles tiles = new(tokens, form.MaxTokens);
            int first = tiles.First(tiles.Of(token)), count = tiles.First(tiles.Of(token) + 1) - first, steps = (int)form.RowBytes / form.StepBytes;
            Assert.InRange(token, first, first + count - 1);
            Assert.InRange(count, 1, form.MaxTokens);
            return Enumerable.Range(0, steps).Sum(step =>
            {
                ReadOnlySpan<byte> values = whole.AsSpan((first * steps + step * count + token - first) * form.StepBytes, form.StepBytes);
                return rounded ? MemoryMarshal.Cast<byte, ushort>(values).ToArray().Count(bits => bits != 0) : MemoryMarshal.Cast<byte, float>(values).ToArray().Count(value => value != 0);
            });
        }
    }

    [Theory]
    [InlineData(true, 33)]
    [InlineData(false, 34)]
    [InlineData(false, 50)]
    public void Nothing_past_the_last_column_is_read(bool rounded, int columns)
    {
        Require(rounded);
        // What a whole register would read beyond a row is the next row, here NaN.
        ushort[] weights = [.. Weights(1, columns), .. Enumerable.Repeat((ushort)0x7fc0, 64)];
        float[] y = Multiply(rounded, weights, 1, columns, Tokens(1, columns), 1, 0, 1);
        Assert.True(float.IsFinite(y[0]));
    }

    [Fact]
    public void Kernels_for_AVX2_hold_no_later_instruction()
    {
        foreach (int rows in (int[])[1, 4])
            for (int tokens = 1; tokens <= FmaRowTile.MaxTokens; tokens++)
                foreach (Iced.Intel.Instruction instruction in Disassembly.Of(new FmaRowTile(70, rows, linesAhead: 1).Assemble(tokens)))
                    Disassembly.IsOfAvx2(instruction);
    }
}
