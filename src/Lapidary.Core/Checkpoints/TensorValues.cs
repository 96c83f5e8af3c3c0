using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Lapidary.Checkpoints;

/// <summary>Stored elements as numbers, one at a time: goldens, scalars, tests, packing. Not for kernels.</summary>
public static class TensorValues
{
    /// <summary>All elements of a floating tensor, widened or rounded to float32.</summary>
    public static float[] ToSingles(this StoredTensor tensor)
    {
        var values = new float[tensor.ElementCount];
        tensor.ReadSingles(0, values);
        return values;
    }

    /// <summary>Elements from <paramref name="first"/> on of a floating tensor, widened or rounded to float32.</summary>
    public static void ReadSingles(this StoredTensor tensor, long first, Span<float> values)
    {
        ReadOnlySpan<byte> bytes = tensor.Bytes(first * tensor.DType.Size(), values.Length * tensor.DType.Size());
        switch (tensor.DType)
        {
            case DType.F32:
                MemoryMarshal.Cast<byte, float>(bytes).CopyTo(values);
                break;
            case DType.BF16:
                ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (int i = 0; i < values.Length; i++) values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
                break;
            case DType.F16:
                ReadOnlySpan<Half> smaller = MemoryMarshal.Cast<byte, Half>(bytes);
                for (int i = 0; i < values.Length; i++) values[i] = (float)smaller[i];
                break;
            case DType.F64:
                ReadOnlySpan<double> wider = MemoryMarshal.Cast<byte, double>(bytes);
                for (int i = 0; i < values.Length; i++) values[i] = (float)wider[i];
                break;
            default:
                throw new CheckpointException($"tensor \"{tensor.Name}\" is {tensor.DType}, expected a floating type");
        }
    }

    /// <summary>Every <paramref name="stride"/>-th element from <paramref name="first"/> on of a floating tensor.</summary>
    public static void ReadSingles(this StoredTensor tensor, long first, long stride, Span<float> values)
    {
        if (values.IsEmpty) return;
        int size = tensor.DType.Size(), step = checked((int)(stride * size));
        ReadOnlySpan<byte> bytes = tensor.Bytes(first * size, checked((values.Length - 1) * step + size));
        for (int i = 0; i < values.Length; i++)
        {
            ReadOnlySpan<byte> element = bytes.Slice(i * step, size);
            values[i] = tensor.DType switch
            {
                DType.F32 => BinaryPrimitives.ReadSingleLittleEndian(element),
                DType.F16 => (float)BinaryPrimitives.ReadHalfLittleEndian(element),
                DType.BF16 => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(element) << 16),
                DType.F64 => (float)BinaryPrimitives.ReadDoubleLittleEndian(element),
                _ => throw new CheckpointException($"tensor \"{tensor.Name}\" is {tensor.DType}, expected a floating type"),
            };
        }
    }

    /// <summary>All elements of an integer tensor that fit 32 bits.</summary>
    public static int[] ToInt32s(this StoredTensor tensor)
    {
        var values = new int[tensor.ElementCount];
        ReadOnlySpan<byte> bytes = tensor.Bytes(0, checked((int)tensor.ByteLength));
        for (int i = 0; i < values.Length; i++)
            values[i] = tensor.DType switch
            {
                DType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..]),
                DType.I64 => BinaryPrimitives.ReadInt64LittleEndian(bytes[(8 * i)..]) is >= int.MinValue and <= int.MaxValue and var value
                    ? (int)value
                    : throw new CheckpointException($"tensor \"{tensor.Name}\" element {i} does not fit 32 bits"),
                _ => throw new CheckpointException($"tensor \"{tensor.Name}\" is {tensor.DType}, expected I32 or I64"),
            };
        return values;
    }
}
