using System.Buffers.Binary;

namespace Lapidary.Quantization.Encoding;

/// <summary>Numbers rounded to the dtype of a scale, and bits packed into bytes.</summary>
internal static class NumberWriting
{
    /// <summary>The nearest number of that dtype.</summary>
    public static float RoundTo(DType dtype, float value) => dtype switch
    {
        DType.F32 => value,
        DType.F16 => (float)(Half)value,
        DType.BF16 => BitConverter.UInt32BitsToSingle((uint)BFloat16Bits(value) << 16),
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "scales are F32, F16 or BF16"),
    };

    /// <summary>Writes a number that is exact in that dtype.</summary>
    public static void Write(DType dtype, float value, Span<byte> destination)
    {
        if (dtype == DType.F32) BinaryPrimitives.WriteSingleLittleEndian(destination, value);
        else if (dtype == DType.F16) BinaryPrimitives.WriteHalfLittleEndian(destination, (Half)value);
        else BinaryPrimitives.WriteUInt16LittleEndian(destination, BFloat16Bits(value));
    }

    /// <summary>Codes as one string of bits, the lowest first, into zeroed bytes.</summary>
    public static void Pack(ReadOnlySpan<byte> codes, int bits, Span<byte> destination)
    {
        destination.Clear();
        for (int i = 0, bit = 0; i < codes.Length; i++, bit += bits)
        {
            int at = bit >> 3, shifted = codes[i] << (bit & 7);
            destination[at] |= (byte)shifted;
            if (shifted > 255) destination[at + 1] |= (byte)(shifted >> 8);
        }
    }

    /// <summary>Round to nearest, ties to even.</summary>
    private static ushort BFloat16Bits(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
