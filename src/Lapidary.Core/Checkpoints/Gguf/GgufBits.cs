using System.Buffers.Binary;
using System.Runtime.Intrinsics;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>Bits that several block layouts have in common.</summary>
internal static class GgufBits
{
    public static Half Half(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadHalfLittleEndian(bytes);

    /// <summary>16 bytes of nibbles: element j low, element j + 16 high.</summary>
    public static void Nibbles(ReadOnlySpan<byte> packed, Span<byte> codes) => Nibbles(packed[..16], codes[..16], codes.Slice(16, 16));

    /// <summary>Low nibbles to one place, high nibbles to another.</summary>
    public static void Nibbles(ReadOnlySpan<byte> packed, Span<byte> low, Span<byte> high)
    {
        for (int i = 0; i < packed.Length; i += Vector128<byte>.Count)
        {
            Vector128<byte> v = Vector128.Create(packed.Slice(i, 16));
            (v & Vector128.Create((byte)0x0f)).CopyTo(low[i..]);
            (v >>> 4).CopyTo(high[i..]);
        }
    }

    /// <summary>codes[i] |= ((bits[i] >> shift) &amp; mask) &lt;&lt; place, 16 at a time.</summary>
    public static void Or(ReadOnlySpan<byte> bits, int shift, byte mask, int place, Span<byte> codes)
    {
        for (int i = 0; i < codes.Length; i += Vector128<byte>.Count)
        {
            Vector128<byte> v = ((Vector128.Create(bits.Slice(i, 16)) >>> shift) & Vector128.Create(mask)) << place;
            (Vector128.Create((ReadOnlySpan<byte>)codes.Slice(i, 16)) | v).CopyTo(codes[i..]);
        }
    }

    /// <summary>The fifth bit of 32 codes from a 32-bit word: bit j belongs to element j.</summary>
    public static void FifthBits(uint word, Span<byte> codes)
    {
        Vector128<byte> select = Vector128.Create((byte)1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        for (int half = 0; half < 2; half++)
        {
            Vector128<byte> bytes = Vector128.Shuffle( // one byte of the word eight times, then the next
                Vector128.CreateScalar(word >> (16 * half)).AsByte(), Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
            Vector128<byte> bit = Vector128.Equals(bytes & select, select) & Vector128.Create((byte)0x10);
            Span<byte> target = codes.Slice(16 * half, 16);
            (Vector128.Create((ReadOnlySpan<byte>)target) | bit).CopyTo(target);
        }
    }

    /// <summary>8 scales and 8 minima of 6 bits in 12 bytes (Q4_K, Q5_K).</summary>
    public static (int Scale, int Min) SixBits(ReadOnlySpan<byte> packed, int group) => group < 4
        ? (packed[group] & 63, packed[group + 4] & 63)
        : ((packed[group + 4] & 15) | ((packed[group - 4] >> 6) << 4), (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4));

    /// <summary>The 8 scales and 8 minima.</summary>
    public static void SixBits(ReadOnlySpan<byte> packed, Span<sbyte> scales, Span<sbyte> minima)
    {
        for (int g = 0; g < 8; g++)
        {
            (int scale, int min) = SixBits(packed, g);
            (scales[g], minima[g]) = ((sbyte)scale, (sbyte)min);
        }
    }
}
