using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Checkpoints;

/// <summary>Looks for NaN and infinity in stored weights, at the speed of memory.</summary>
public static unsafe class FiniteCheck
{
    /// <summary>Index, in row-major order, of the first element that is NaN or infinite, or -1 when all are finite.</summary>
    /// <param name="tensor">F32, F16 or BF16.</param>
    /// <exception cref="ArgumentException">The tensor has another dtype.</exception>
    public static long FirstNonFinite(StoredTensor tensor)
    {
        // A value is not finite exactly when all its exponent bits are set.
        long index = tensor.DType switch
        {
            DType.F32 => FirstWith((uint*)tensor.Address, tensor.ElementCount, 0x7F80_0000u),
            DType.BF16 => FirstWith<ushort>((ushort*)tensor.Address, tensor.ElementCount, 0x7F80),
            DType.F16 => FirstWith<ushort>((ushort*)tensor.Address, tensor.ElementCount, 0x7C00),
            _ => throw new ArgumentException($"tensor {MessageText.Quote(tensor.Name)} has dtype {tensor.DType}, expected F32, F16 or BF16", nameof(tensor)),
        };
        GC.KeepAlive(tensor);
        return index;
    }

    /// <summary>Refuses a tensor with an element that is not finite.</summary>
    /// <param name="location">The file, for the message.</param>
    /// <exception cref="CheckpointException">Names tensor and element.</exception>
    public static void Require(StoredTensor tensor, string location)
    {
        long index = FirstNonFinite(tensor);
        if (index < 0) return;
        long rest = index;
        long[] position = new long[tensor.Shape.Count];
        for (int axis = position.Length - 1; axis >= 0; axis--) (rest, position[axis]) = Math.DivRem(rest, tensor.Shape[axis]);
        throw new CheckpointException($"{location}: tensor {MessageText.Quote(tensor.Name)} holds NaN or infinity at element {index}, "
            + $"position [{string.Join(", ", position)}] of {tensor.ShapeText}; the file is damaged or its training diverged");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a small model is read before the compiler would come to it
    private static long FirstWith<T>(T* values, long count, T exponent) where T : unmanaged, IBinaryInteger<T>
    {
        long i = 0;
        if (Vector128.IsHardwareAccelerated)   // 256 bits, or twice 128: wider gains nothing, memory is the limit
        {
            Vector256<T> mask = Vector256.Create(exponent);
            int width = Vector256<T>.Count;
            for (; i <= count - 4 * width; i += 4 * width)
            {
                Vector256<T> hits = AllSet(values + i, mask) | AllSet(values + i + width, mask)
                    | AllSet(values + i + 2 * width, mask) | AllSet(values + i + 3 * width, mask);
                if (hits != Vector256<T>.Zero) break;   // the loop below finds which
            }
        }
        for (; i < count; i++)
            if ((values[i] & exponent) == exponent) return i;
        return -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<T> AllSet<T>(T* values, Vector256<T> mask) where T : unmanaged =>
        Vector256.Equals(Vector256.Load(values) & mask, mask);
}
