using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>bfloat16 by bfloat16 against float64, at widths with and without a rest, and against themselves.</summary>
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

    private static void Require() => Assert.SkipUnless(CpuFeatures.HasAvx512Bf16, "needs AVX512-BF16");

    private static float[] Multiply(ushort[] weights, int rows, int columns, float[] x, int tokens, int from, int to)
    {
        float[] y = new float[tokens * rows];
        fixed (ushort* w = weights)
        fixed (float* xs = x, ys = y)
        {
            using BFloat16Matrix matrix = new(new StoredTensor("w", DType.BF16, [rows, columns], (nint)w, owner: null));
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
    [InlineData(4, 32, 1)]
    [InlineData(7, 88, 5)]
    [InlineData(22, 66, 17)]
    [InlineData(33, 704, 6)]
    [InlineData(5, 31, 13)]
    [InlineData(6, 8200, 65)]
    public void Results_are_sums_of_products(int rows, int columns, int tokens)
    {
        Require();
        ushort[] weights = Weights(rows, columns);
        float[] x = Tokens(tokens, columns), y = Multiply(weights, rows, columns, x, tokens, 0, rows);
        double error = 0, norm = 0;
        for (int t = 0; t < tokens; t++)
            for (int row = 0; row < rows; row++)
            {
                double sum = 0;
                for (int i = 0; i < columns; i++) sum += (double)Value(weights[row * columns + i]) * Value(Bits(x[t * columns + i]));
                error += Math.Pow(sum - y[t * rows + row], 2);
                norm += sum * sum;
            }
        Assert.True(Math.Sqrt(error / norm) < 1e-6, $"relative error {Math.Sqrt(error / norm)}");
        weights[^1] ^= 0x8000; // the sign of the last weight of the last row
        Assert.NotEqual(y, Multiply(weights, rows, columns, x, tokens, 0, rows));
    }

    [Theory]
    [InlineData(23, 88, 26)]
    [InlineData(6, 8200, 65)] // more tokens than one pass over the rows takes
    public void A_token_does_not_depend_on_its_neighbours_nor_a_row_on_its_share(int rows, int columns, int tokens)
    {
        Require();
        ushort[] weights = Weights(rows, columns);
        float[] x = Tokens(tokens, columns), all = Multiply(weights, rows, columns, x, tokens, 0, rows);
        for (int last = 1; last < tokens; last++)
            Assert.Equal(all[((tokens - last) * rows)..], Multiply(weights, rows, columns, x[((tokens - last) * columns)..], last, 0, rows));
        float[] part = Multiply(weights, rows, columns, x, tokens, 1, rows - 1);
        for (int i = 0; i < part.Length; i++) Assert.Equal(i % rows >= 1 && i % rows < rows - 1 ? all[i] : 0, part[i]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(13)]
    [InlineData(32)]
    public void Threads_write_their_tokens_where_one_would(int tokens)
    {
        Require();
        const int columns = 70;
        BFloat16Form form = new(columns, RowTile.MaxTokens, RowTile.StepColumns);
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
            TokenTiles tiles = new(tokens, RowTile.MaxTokens);
            int first = tiles.First(tiles.Of(token)), count = tiles.First(tiles.Of(token) + 1) - first, steps = (int)form.RowBytes / RowTile.StepBytes;
            Assert.InRange(token, first, first + count - 1);
            Assert.InRange(count, 1, RowTile.MaxTokens);
            return Enumerable.Range(0, steps).Sum(step =>
            {
                ReadOnlySpan<byte> values = whole.AsSpan((first * steps + step * count + token - first) * RowTile.StepBytes, RowTile.StepBytes);
                return MemoryMarshal.Cast<byte, ushort>(values).ToArray().Count(bits => bits != 0);
            });
        }
    }

    [Theory]
    [InlineData(33)]
    public void Nothing_past_the_last_column_is_read(int columns)
    {
        Require();
        // What a whole register would read beyond a row is the next row, here NaN.
        ushort[] weights = [.. Weights(1, columns), .. Enumerable.Repeat((ushort)0x7fc0, 64)];
        float[] y = Multiply(weights, 1, columns, Tokens(1, columns), 1, 0, 1);
        Assert.True(float.IsFinite(y[0]));
    }
}
