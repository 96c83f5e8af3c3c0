using Lapidary.Checkpoints;
using Lapidary.Cpu.Gemm;

namespace Lapidary.Tests.Gemm;

/// <summary>Packed matrices of short rows against float64, and against themselves.</summary>
public sealed unsafe class ShortRowsTests
{
    private static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 4 - 2)];
    }

    private static float[] Multiply<TLane>(ReadOnlySpan<byte> weights, DType dtype, int rows, int columns, float[] x, int tokens, int from, int to)
        where TLane : struct, IFloatLane<TLane>
    {
        float[] y = new float[tokens * rows];
        fixed (byte* w = weights)
        fixed (float* xs = x, ys = y)
        {
            using WeightMatrix matrix = ShortRows.Load<TLane>(new StoredTensor("w", dtype, [rows, columns], (nint)w, owner: null));
            matrix.Multiply(from, to, xs, columns, tokens, ys, rows);
        }
        return y;
    }

    private static (byte[] Bytes, float[] Values) Weights(DType dtype, int count)
    {
        float[] values = Values(count, seed: 3);
        byte[] bytes = new byte[count * dtype.Size()];
        for (int i = 0; i < count; i++)
        {
            if (dtype == DType.F32) BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), values[i]);
            else if (dtype == DType.F16)
            {
                BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (Half)values[i]);
                values[i] = (float)(Half)values[i];
            }
            else
            {
                uint bits = BitConverter.SingleToUInt32Bits(values[i]) & 0xffff0000;
                BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (ushort)(bits >> 16));
                values[i] = BitConverter.UInt32BitsToSingle(bits);
            }
        }
        return (bytes, values);
    }

    private static double RelativeError(float[] weights, int rows, int columns, float[] x, int tokens, float[] y)
    {
        double error = 0, norm = 0;
        for (int t = 0; t < tokens; t++)
            for (int row = 0; row < rows; row++)
            {
                double sum = 0;
                for (int i = 0; i < columns; i++) sum += (double)weights[row * columns + i] * x[t * columns + i];
                error += Math.Pow(sum - y[t * rows + row], 2);
                norm += sum * sum;
            }
        return Math.Sqrt(error / norm);
    }

    public static MatrixTheoryData<DType, int> Cases() => new([DType.F32, DType.F16, DType.BF16], [1, 4, 11]);

    [Theory, MemberData(nameof(Cases))]
    public void Results_are_sums_of_products(DType dtype, int tokens)
    {
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(1, 1), (16, 64), (22, 66), (129, 88), (300, 512)])
        {
            (byte[] bytes, float[] weights) = Weights(dtype, rows * columns);
            float[] x = Values(tokens * columns, seed: 4), other = Values(tokens * columns, seed: 5);
            foreach (float[] y in (float[][])[
                Multiply<V16>(bytes, dtype, rows, columns, x, tokens, 0, rows), Multiply<V8>(bytes, dtype, rows, columns, x, tokens, 0, rows),
                Multiply<V4>(bytes, dtype, rows, columns, x, tokens, 0, rows), Multiply<V1>(bytes, dtype, rows, columns, x, tokens, 0, rows)])
            {
                Assert.True(RelativeError(weights, rows, columns, x, tokens, y) < 2e-6, $"{rows} x {columns}");
                if (columns > 1) Assert.True(RelativeError(weights, rows, columns, other, tokens, y) > 0.1);
            }
        }
    }

    [Fact]
    public void A_token_does_not_depend_on_its_neighbours_nor_a_row_on_its_share()
    {
        (byte[] bytes, _) = Weights(DType.BF16, 150 * 88);
        float[] x = Values(13 * 88, seed: 4), all = Multiply<V16>(bytes, DType.BF16, 150, 88, x, 13, 0, 150);
        for (int tokens = 1; tokens < 13; tokens++)
            Assert.Equal(all[((13 - tokens) * 150)..], Multiply<V16>(bytes, DType.BF16, 150, 88, x[((13 - tokens) * 88)..], tokens, 0, 150));
        foreach ((int from, int to) in (ReadOnlySpan<(int, int)>)[(16, 150), (0, 64), (5, 141), (7, 7)])
        {
            float[] part = Multiply<V16>(bytes, DType.BF16, 150, 88, x, 13, from, to);
            for (int i = 0; i < part.Length; i++) Assert.Equal(i % 150 >= from && i % 150 < to ? all[i] : 0, part[i]);
        }
    }
}
