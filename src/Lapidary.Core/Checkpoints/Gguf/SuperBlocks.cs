using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

// Super-blocks of 256 elements whose groups have small integer scales.

/// <summary>16 bytes of (scale, min) nibbles; 64 bytes of 2-bit codes; half d, half dmin. d · scale · q - dmin · min, groups of 16</summary>
internal readonly struct Q2_K : IFactoredBlock<Q2_K>
{
    public static CodeType Code => CodeType.UInt(2);
    public static int GroupSize => 16;
    public static bool HasOffsets => true;

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        codes[..256].Clear();
        for (int part = 0; part < 8; part++) // 32 elements from 2 bits of 32 bytes, four times, twice
            GgufBits.Or(block.Slice(16 + part / 4 * 32, 32), 2 * (part % 4), 3, 0, codes.Slice(32 * part, 32));
    }

    public static void ReadFactors(ReadOnlySpan<byte> block, out Half blockScale, out Half blockOffset, Span<sbyte> scales, Span<sbyte> offsets)
    {
        (blockScale, blockOffset) = (GgufBits.Half(block[80..]), -GgufBits.Half(block[82..]));
        for (int g = 0; g < 16; g++) (scales[g], offsets[g]) = ((sbyte)(block[g] & 15), (sbyte)(block[g] >> 4));
    }
}

/// <summary>32 bytes of third bits; 64 bytes of 2-bit codes; 16 scales of 6 bits in 12 bytes; half d. d · (scale - 32) · (q - 4), groups of 16</summary>
internal readonly struct Q3_K : IFactoredBlock<Q3_K>
{
    public static CodeType Code => CodeType.Int(3);
    public static int GroupSize => 16;
    public static bool HasOffsets => false;

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        codes[..256].Clear();
        for (int part = 0; part < 8; part++)
        {
            Span<byte> target = codes.Slice(32 * part, 32);
            GgufBits.Or(block.Slice(32 + part / 4 * 32, 32), 2 * (part % 4), 3, 0, target);
            GgufBits.Or(block[..32], part, 1, 2, target);
        }
    }

    public static void ReadFactors(ReadOnlySpan<byte> block, out Half blockScale, out Half blockOffset, Span<sbyte> scales, Span<sbyte> offsets)
    {
        ReadOnlySpan<byte> packed = block.Slice(96, 12);
        (blockScale, blockOffset) = (GgufBits.Half(block[108..]), default);
        for (int g = 0; g < 16; g++)
        {
            int low = g < 8 ? packed[g] & 15 : packed[g - 8] >> 4, high = (packed[8 + g % 4] >> (2 * (g / 4))) & 3;
            scales[g] = (sbyte)((low | (high << 4)) - 32);
        }
    }
}

/// <summary>half d, half dmin; scales and minima of 6 bits in 12 bytes; 128 bytes of nibbles. d · scale · q - dmin · min, groups of 32</summary>
internal readonly struct Q4_K : IFactoredBlock<Q4_K>
{
    public static CodeType Code => CodeType.UInt(4);
    public static int GroupSize => 32;
    public static bool HasOffsets => true;

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        for (int pair = 0; pair < 4; pair++)
            GgufBits.Nibbles(block.Slice(16 + 32 * pair, 32), codes.Slice(64 * pair, 32), codes.Slice(64 * pair + 32, 32));
    }

    public static bool StoresNibbles => true;

    /// <summary>32 bytes hold 32 columns in their low nibbles, the next 32 in their high ones.</summary>
    public static void ReadNibbles(ReadOnlySpan<byte> block, Span<byte> nibbles)
    {
        Vector128<byte> low = Vector128.Create((byte)0x0f);
        for (int at = 0; at < 128; at += 32)
        {
            Vector128<byte> left = Vector128.Create(block.Slice(16 + at, 16)), right = Vector128.Create(block.Slice(32 + at, 16));
            ((left & low) | (right << 4)).CopyTo(nibbles.Slice(at, 16));
            ((left >>> 4) | Vector128.AndNot(right, low)).CopyTo(nibbles.Slice(at + 16, 16));
        }
    }

    public static void ReadFactors(ReadOnlySpan<byte> block, out Half blockScale, out Half blockOffset, Span<sbyte> scales, Span<sbyte> offsets)
    {
        (blockScale, blockOffset) = (GgufBits.Half(block), -GgufBits.Half(block[2..]));
        GgufBits.SixBits(block.Slice(4, 12), scales, offsets);
    }
}

/// <summary>As Q4_K with 32 bytes of fifth bits before the nibbles.</summary>
internal readonly struct Q5_K : IFactoredBlock<Q5_K>
{
    public static CodeType Code => CodeType.UInt(5);
    public static int GroupSize => 32;
    public static bool HasOffsets => true;

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        for (int pair = 0; pair < 4; pair++)
        {
            Span<byte> low = codes.Slice(64 * pair, 32), high = codes.Slice(64 * pair + 32, 32);
            GgufBits.Nibbles(block.Slice(48 + 32 * pair, 32), low, high);
            GgufBits.Or(block.Slice(16, 32), 2 * pair, 1, 4, low);
            GgufBits.Or(block.Slice(16, 32), 2 * pair + 1, 1, 4, high);
        }
    }

    public static void ReadFactors(ReadOnlySpan<byte> block, out Half blockScale, out Half blockOffset, Span<sbyte> scales, Span<sbyte> offsets)
    {
        (blockScale, blockOffset) = (GgufBits.Half(block), -GgufBits.Half(block[2..]));
        GgufBits.SixBits(block.Slice(4, 12), scales, offsets);
    }
}

/// <summary>128 bytes of low nibbles; 64 bytes of 2 high bits; 16 signed scales; half d. d · scale · (q - 32), groups of 16</summary>
internal readonly struct Q6_K : IFactoredBlock<Q6_K>
{
    public static CodeType Code => CodeType.Int(6);
    public static int GroupSize => 16;
    public static bool HasOffsets => false;

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        for (int half = 0; half < 2; half++)
        {
            Span<byte> target = codes.Slice(128 * half, 128);
            GgufBits.Nibbles(block.Slice(64 * half, 64), target[..64], target[64..]);
            for (int part = 0; part < 4; part++)
                GgufBits.Or(block.Slice(128 + 32 * half, 32), 2 * part, 3, 4, target.Slice(32 * part, 32));
        }
    }

    public static void ReadFactors(ReadOnlySpan<byte> block, out Half blockScale, out Half blockOffset, Span<sbyte> scales, Span<sbyte> offsets)
    {
        (blockScale, blockOffset) = (GgufBits.Half(block[208..]), default);
        for (int g = 0; g < 16; g++) scales[g] = (sbyte)block[192 + g];
    }
}
