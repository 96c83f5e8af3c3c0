using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Cpu.Assembly;
using Lapidary.Cpu.Gemm;
using Lapidary.Quantization;
using Lapidary.Tests.Cpu.Assembly;

namespace Lapidary.Tests.Gemm;

/// <summary>Packed matrices of short rows against float64, and against themselves.</summary>
public sealed unsafe class ShortRowsTests
{
    private static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 4 - 2)];
    }

    private static float[] Multiply<TLane>(ReadOnlySpan<byte> weights, DType dtype, int rows, int columns, float[] x, int tokens, int from, int to, AssemblyUse assembly = AssemblyUse.Allowed)
        where TLane : struct, IFloatLane<TLane>
    {
        float[] y = new float[tokens * rows];
        fixed (byte* w = weights)
        fixed (float* xs = x, ys = y)
        {
            using WeightMatrix matrix = ShortRows.Load<TLane>(new StoredTensor("w", dtype, [rows, columns], (nint)w, owner: null), assembly);
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

    public static MatrixTheoryData<DType, int> Cases() => new([DType.F32, DType.F16, DType.BF16], [1, 2, 3, 4, 5, 6, 11]);

    [Theory, MemberData(nameof(Cases))]
    public void Results_are_sums_of_products(DType dtype, int tokens)
    {
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(1, 1), (16, 64), (22, 66), (129, 88), (300, 512)])
        {
            (byte[] bytes, float[] weights) = Weights(dtype, rows * columns);
            float[] x = Values(tokens * columns, seed: 4), other = Values(tokens * columns, seed: 5);
            foreach (float[] y in (float[][])[
                Multiply<V16>(bytes, dtype, rows, columns, x, tokens, 0, rows), Multiply<V8>(bytes, dtype, rows, columns, x, tokens, 0, rows),
                Multiply<V8>(bytes, dtype, rows, columns, x, tokens, 0, rows, AssemblyUse.Refused),
                Multiply<V4>(bytes, dtype, rows, columns, x, tokens, 0, rows), Multiply<V1>(bytes, dtype, rows, columns, x, tokens, 0, rows)])
            {
                Assert.True(RelativeError(weights, rows, columns, x, tokens, y) < 2e-6, $"{rows} x {columns}");
                if (columns > 1) Assert.True(RelativeError(weights, rows, columns, other, tokens, y) > 0.1);
            }
        }
    }

    /// <summary>Whose rows are packed: short ones that float32 multiplies, and those of a router (128 experts, 2816 hidden states).</summary>
    [Theory]
    [InlineData(DType.BF16, 6144, 256, Arithmetic.Exact, true)]
    [InlineData(DType.BF16, 6144, 1024, Arithmetic.Exact, false)]
    [InlineData(DType.F32, 128, 2816, Arithmetic.Fast, true)]
    [InlineData(DType.BF16, 128, 2816, Arithmetic.Fast, false)]
    [InlineData(DType.F32, 1024, 2816, Arithmetic.Fast, false)]
    public void Matrices_that_suit_are_packed(DType dtype, int rows, int columns, Arithmetic arithmetic, bool packed)
    {
        nint memory = (nint)NativeMemory.AllocZeroed((nuint)(rows * columns), (nuint)dtype.Size());
        using WeightMatrix matrix = WeightMatrix.Load(new DenseMatrix(new StoredTensor("w", dtype, [rows, columns], memory, owner: null)), new CpuOptions { Arithmetic = arithmetic, CompactBFloat16 = false });
        Assert.Equal(packed, matrix.GetType().Name.StartsWith("ShortRows", StringComparison.Ordinal));
        NativeMemory.Free((void*)memory);
    }

    [Fact]
    public void A_token_does_not_depend_on_its_neighbours_nor_a_row_on_its_share()
    {
        Holds<V16>(AssemblyUse.Refused);
        Holds<V8>(AssemblyUse.Refused);
        Holds<V8>(AssemblyUse.Allowed);
    }

    private static void Holds<TLane>(AssemblyUse assembly) where TLane : struct, IFloatLane<TLane>
    {
        (byte[] bytes, _) = Weights(DType.BF16, 150 * 87);
        float[] x = Values(13 * 87, seed: 4), all = Multiply<TLane>(bytes, DType.BF16, 150, 87, x, 13, 0, 150, assembly);
        for (int tokens = 1; tokens < 13; tokens++)
            Assert.Equal(all[((13 - tokens) * 150)..], Multiply<TLane>(bytes, DType.BF16, 150, 87, x[((13 - tokens) * 87)..], tokens, 0, 150, assembly));
        foreach ((int from, int to) in (ReadOnlySpan<(int, int)>)[(16, 150), (0, 64), (5, 141), (8, 24), (24, 150), (7, 7)])
        {
            float[] part = Multiply<TLane>(bytes, DType.BF16, 150, 87, x, 13, from, to, assembly);
            for (int i = 0; i < part.Length; i++) Assert.Equal(i % 150 >= from && i % 150 < to ? all[i] : 0, part[i]);
        }
    }

    [Theory, InlineData(DType.F32), InlineData(DType.F16), InlineData(DType.BF16)]
    public void Assembled_kernels_give_the_bits_of_compiled_ones(DType dtype)
    {
        if (AssemblySupport.RefusesShortRows(AssemblyUse.Allowed, 256) is { } refusal) Assert.Skip(refusal);
        foreach ((int rows, int columns) in (ReadOnlySpan<(int, int)>)[(1, 1), (8, 3), (40, 66), (129, 256)])
            for (int tokens = 1; tokens <= 14; tokens++)
            {
                (byte[] bytes, _) = Weights(dtype, rows * columns);
                float[] x = Values(tokens * columns, seed: 4);
                Assert.Equal(Multiply<V8>(bytes, dtype, rows, columns, x, tokens, 0, rows, AssemblyUse.Refused), Multiply<V8>(bytes, dtype, rows, columns, x, tokens, 0, rows));
            }
    }

    [Theory, InlineData(DType.F32), InlineData(DType.F16), InlineData(DType.BF16)]
    public void Kernels_use_instructions_of_AVX2_only(DType dtype)
    {
        for (int tokens = 1; tokens <= ShortRowTile.MaxTokens; tokens++)
            foreach (Iced.Intel.Instruction instruction in Disassembly.Of(new ShortRowTile(dtype, 70).Assemble(tokens))) Disassembly.IsOfAvx2(instruction);
    }
}
