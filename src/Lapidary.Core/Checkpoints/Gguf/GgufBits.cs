using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>Bits that several block layouts have in common.</summary>
internal static unsafe class GgufBits
{
    public static Half Half(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadHalfLittleEndian(bytes);

    /// <summary>Nibbles as codes: the low ones, then the high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Apart(Vector128<byte> nibbles) => Vector256.Create(nibbles & Vector128.Create((byte)0x0f), nibbles >>> 4);

    /// <summary>The other way round.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Together(Vector256<byte> codes) => codes.GetLower() | (codes.GetUpper() << 4);

    /// <summary>As <see cref="Apart"/>, with the bits above.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Joined(Vector128<byte> nibbles, Vector256<byte> above) => Apart(nibbles) | (above << 4);

    /// <summary>32 bytes hold 32 columns in their low nibbles, the next 32 in their high ones: those of one half as 16 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* bytes, bool high)
    {
        Vector128<byte> left = Vector128.Load(bytes), right = Vector128.Load(bytes + 16), low = Vector128.Create((byte)0x0f);
        return high ? (left >>> 4) | Vector128.AndNot(right, low) : (left & low) | (right << 4);
    }

    /// <summary>A field of each of 32 bytes.</summary>
    /// <param name="mask">No wider than what the shift leaves of a byte.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Fields(byte* bytes, int shift, byte mask)
        => (Vector256.Load(bytes).AsUInt16() >>> shift).AsByte() & Vector256.Create(mask); // what comes from the next byte is masked off

    /// <summary>The bits of a word, one a byte, the lowest first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Bits(uint word)
    {
        Vector256<byte> bytes = Vector256.Shuffle( // each byte of the word eight times, from the word in the same half
            Vector256.Create(word).AsByte(),
            Vector256.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19));
        Vector256<byte> select = Vector256.Create(0x8040201008040201).AsByte();
        return Vector256.Equals(bytes & select, select) & Vector256.Create((byte)1);
    }

    /// <summary>8 scales, then 8 minima, of 6 bits in 12 bytes (Q4_K, Q5_K).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> SixBits(byte* packed)
    {
        uint* words = (uint*)packed; // lower 6 bits of 4 scales, of 4 minima, with the upper 2 of the others; lower 4 of those
        uint scales = words[0], minima = words[1], others = words[2];
        return Vector128.Create(
            scales & 0x3f3f3f3f, (others & 0x0f0f0f0f) | ((scales >> 2) & 0x30303030),
            minima & 0x3f3f3f3f, ((others >> 4) & 0x0f0f0f0f) | ((minima >> 2) & 0x30303030)).AsByte();
    }
}
