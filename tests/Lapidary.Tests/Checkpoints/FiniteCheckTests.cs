using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

public sealed class FiniteCheckTests
{
    [Fact]
    public void Every_16_bit_pattern_is_judged_as_its_float_is()
    {
        for (int bits = 0; bits <= 0xFFFF; bits++)
        {
            bool half = Half.IsFinite(BitConverter.UInt16BitsToHalf((ushort)bits));
            bool bfloat = float.IsFinite(BitConverter.UInt32BitsToSingle((uint)bits << 16));
            Assert.Equal(half ? -1 : 0, First(DType.F16, BitConverter.GetBytes((ushort)bits)));
            Assert.Equal(bfloat ? -1 : 0, First(DType.BF16, BitConverter.GetBytes((ushort)bits)));
        }
    }

    [Theory]
    [InlineData(DType.F32, float.NaN)]
    [InlineData(DType.F32, float.NegativeInfinity)]
    [InlineData(DType.BF16, float.NaN)]
    [InlineData(DType.F16, float.PositiveInfinity)]
    public void First_of_any_position_and_length_is_found(DType dtype, float bad)
    {
        for (int length = 1; length <= 300; length += 13)
        {
            byte[] bytes = Values(dtype, length);
            Assert.Equal(-1, First(dtype, bytes));
            for (int at = 0; at < length; at++)
            {
                byte[] spoiled = [.. bytes];
                Put(dtype, spoiled, at, bad);
                Put(dtype, spoiled, Math.Min(length - 1, at + 40), bad);
                Assert.Equal(at, First(dtype, spoiled));
            }
        }
    }

    [Fact]
    public unsafe void Unaligned_and_out_of_range_bytes_are_read_right()
    {
        // One byte off, with bad values just before and just after the tensor.
        byte[] bytes = new byte[1 + 4 * 102];
        bytes.AsSpan().Fill(0xFF);
        bytes.AsSpan(1 + 4, 4 * 100).Clear();
        fixed (byte* first = bytes)
        {
            Assert.Equal(-1, FiniteCheck.FirstNonFinite(new StoredTensor("t", DType.F32, [100], (nint)(first + 5), null)));
            Assert.Equal(100, FiniteCheck.FirstNonFinite(new StoredTensor("t", DType.F32, [101], (nint)(first + 5), null)));
            Assert.Equal(-1, FiniteCheck.FirstNonFinite(new StoredTensor("t", DType.F32, [0], (nint)first, null)));
        }
    }

    [Fact]
    public unsafe void Refusal_names_tensor_and_position()
    {
        float[] values = new float[24];
        fixed (float* first = values)
        {
            StoredTensor tensor = new("w", DType.F32, [2, 3, 4], (nint)first, null);
            FiniteCheck.Require(tensor, "m.safetensors");
            values[17] = float.NaN;
            var exception = Assert.Throws<CheckpointException>(() => FiniteCheck.Require(tensor, "m.safetensors"));
            Assert.Equal("m.safetensors: tensor \"w\" holds NaN or infinity at element 17, position [1, 1, 1] of [2, 3, 4]; the file is damaged or its training diverged", exception.Message);
        }
        Assert.Throws<ArgumentException>(() => FiniteCheck.FirstNonFinite(new StoredTensor("i", DType.I32, [0], 0, null)));
    }

    private static unsafe long First(DType dtype, byte[] bytes)
    {
        fixed (byte* first = bytes)
            return FiniteCheck.FirstNonFinite(new StoredTensor("t", dtype, [bytes.Length / dtype.Size()], (nint)first, null));
    }

    private static byte[] Values(DType dtype, int length)
    {
        byte[] bytes = new byte[length * dtype.Size()];
        for (int i = 0; i < length; i++) Put(dtype, bytes, i, (i & 1) == 0 ? 65504f : -1e-7f * i);   // near the ends of F16
        return bytes;
    }

    private static void Put(DType dtype, byte[] bytes, int index, float value)
    {
        Span<byte> element = bytes.AsSpan(index * dtype.Size(), dtype.Size());
        if (dtype == DType.F32) BitConverter.TryWriteBytes(element, value);
        else if (dtype == DType.F16) BitConverter.TryWriteBytes(element, (Half)value);
        else BitConverter.TryWriteBytes(element, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
    }
}
