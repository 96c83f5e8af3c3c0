using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

// Super-blocks of 256 elements whose groups have small integer scales.

/// <summary>16 bytes of (scale, min) nibbles; 64 bytes of 2-bit codes; half d, half dmin. d · scale · q - dmin · min, groups of 16</summary>
internal readonly unsafe struct Q2_K : IFactoredBlock<Q2_K>
{
    public static CodeType Code => CodeType.UInt(2);
    public static int GroupSize => 16;
    public static bool HasOffsets => true;
    public static int Bytes => 84;
    public static int ScaleAt => 80;

    /// <summary>32 elements from 2 bits of 32 bytes, four times, twice.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Codes(byte* block, int step) => GgufBits.Fields(block + 16 + step / 4 * 32, 2 * (step % 4), 3);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* block, int step) => GgufBits.Together(Codes(block, step));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Factors(byte* block, int index)
    {
        Vector256<byte> factors = GgufBits.Apart(Vector128.Load(block));
        return index == 0 ? factors.GetLower() : factors.GetUpper();
    }
}

/// <summary>32 bytes of third bits; 64 bytes of 2-bit codes; 16 scales of 6 bits in 12 bytes; half d. d · (scale - 32) · (q - 4), groups of 16</summary>
internal readonly unsafe struct Q3_K : IFactoredBlock<Q3_K>
{
    public static CodeType Code => CodeType.Int(3);
    public static int GroupSize => 16;
    public static bool HasOffsets => false;
    public static int Bytes => 110;
    public static int ScaleAt => 108;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Codes(byte* block, int step)
        => GgufBits.Fields(block + 32 + step / 4 * 32, 2 * (step % 4), 3) | (GgufBits.Fields(block, step, 1) << 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* block, int step) => GgufBits.Together(Codes(block, step));

    /// <summary>16 nibbles are the lower bits, low ones first; byte g % 4 of the rest has the upper two bits of factors g.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Factors(byte* block, int index)
    {
        ulong lower = *(ulong*)(block + 96), nibbles = 0x0f0f0f0f0f0f0f0f;
        uint upper = *(uint*)(block + 104), pairs = 0x03030303;
        return (Vector128.Create(lower & nibbles, (lower >> 4) & nibbles).AsByte()
            | (Vector128.Create(upper & pairs, (upper >> 2) & pairs, (upper >> 4) & pairs, (upper >> 6) & pairs) << 4).AsByte()) - Vector128.Create((byte)32);
    }
}

/// <summary>half d, half dmin; scales and minima of 6 bits in 12 bytes; 128 bytes of nibbles. d · scale · q - dmin · min, groups of 32</summary>
internal readonly unsafe struct Q4_K : IFactoredBlock<Q4_K>
{
    public static CodeType Code => CodeType.UInt(4);
    public static int GroupSize => 32;
    public static bool HasOffsets => true;
    public static int Bytes => 144;
    public static int ScaleAt => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* block, int step) => GgufBits.Nibbles(block + 16 + step / 2 * 32, high: step % 2 != 0);

    public static Vector256<byte> Codes(byte* block, int step) => GgufBits.Apart(Nibbles(block, step));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Factors(byte* block, int index) => GgufBits.SixBits(block + 4);
}

/// <summary>As Q4_K with 32 bytes of fifth bits before the nibbles.</summary>
internal readonly unsafe struct Q5_K : IFactoredBlock<Q5_K>
{
    public static CodeType Code => CodeType.UInt(5);
    public static int GroupSize => 32;
    public static bool HasOffsets => true;
    public static int Bytes => 176;
    public static int ScaleAt => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* block, int step) => GgufBits.Nibbles(block + 48 + step / 2 * 32, high: step % 2 != 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Above(byte* block, int step) => GgufBits.Fields(block + 16, step, 1);

    public static Vector256<byte> Codes(byte* block, int step) => GgufBits.Joined(Nibbles(block, step), Above(block, step));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Factors(byte* block, int index) => GgufBits.SixBits(block + 4);
}

/// <summary>128 bytes of low nibbles; 64 bytes of 2 high bits; 16 signed scales; half d. d · scale · (q - 32), groups of 16</summary>
internal readonly unsafe struct Q6_K : IFactoredBlock<Q6_K>
{
    public static CodeType Code => CodeType.Int(6);
    public static int GroupSize => 16;
    public static bool HasOffsets => false;
    public static int Bytes => 210;
    public static int ScaleAt => 208;

    /// <summary>64 bytes hold two steps in their low nibbles, the next two in their high ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* block, int step) => GgufBits.Nibbles(block + step / 4 * 64 + step % 2 * 32, high: step % 4 >= 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Above(byte* block, int step) => GgufBits.Fields(block + 128 + step / 4 * 32, 2 * (step % 4), 3);

    public static Vector256<byte> Codes(byte* block, int step) => GgufBits.Joined(Nibbles(block, step), Above(block, step));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Factors(byte* block, int index) => Vector128.Load(block + 192);
}
