using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

// Blocks of 32 elements with one scale each.

/// <summary>half d; 16 bytes of nibbles. (q - 8) · d</summary>
internal readonly unsafe struct Q4_0 : IHalfScaledBlock<Q4_0>
{
    public static CodeType Code => CodeType.Int(4);
    public static bool HasOffsets => false;
    public static int Bytes => 18;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* block, int step) => Vector128.Load(block + 2);

    public static Vector256<byte> Codes(byte* block, int step) => GgufBits.Apart(Nibbles(block, step));
}

/// <summary>half d, half m; 16 bytes of nibbles. q · d + m</summary>
internal readonly unsafe struct Q4_1 : IHalfScaledBlock<Q4_1>
{
    public static CodeType Code => CodeType.UInt(4);
    public static bool HasOffsets => true;
    public static int Bytes => 20;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* block, int step) => Vector128.Load(block + 4);

    public static Vector256<byte> Codes(byte* block, int step) => GgufBits.Apart(Nibbles(block, step));
}

/// <summary>half d; 32 fifth bits; 16 bytes of nibbles. (q - 16) · d</summary>
internal readonly unsafe struct Q5_0 : IFifthBitBlock<Q5_0>
{
    public static CodeType Code => CodeType.Int(5);
    public static bool HasOffsets => false;
    public static int Bytes => 22;
    public static int FifthBitsAt => 2;
}

/// <summary>half d, half m; 32 fifth bits; 16 bytes of nibbles. q · d + m</summary>
internal readonly unsafe struct Q5_1 : IFifthBitBlock<Q5_1>
{
    public static CodeType Code => CodeType.UInt(5);
    public static bool HasOffsets => true;
    public static int Bytes => 24;
    public static int FifthBitsAt => 4;
}

/// <summary>half d; 32 signed bytes. q · d</summary>
internal readonly unsafe struct Q8_0 : IHalfScaledBlock<Q8_0>
{
    public static CodeType Code => CodeType.Int(8);
    public static bool HasOffsets => false;
    public static int Bytes => 34;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Codes(byte* block, int step)
        => Vector256.Load(block + 2) ^ Vector256.Create((byte)0x80); // two's complement to offset binary
}

/// <summary>half d; 16 bytes of nibbles that index a table of 16 uneven steps.</summary>
internal readonly unsafe struct IQ4_NL : IHalfScaledBlock<IQ4_NL>
{
    public static CodeType Code => CodeType.IQ4NL;
    public static bool HasOffsets => false;
    public static int Bytes => Q4_0.Bytes;
    public static Vector256<byte> Codes(byte* block, int step) => Q4_0.Codes(block, step);
}

/// <summary>One byte, the exponent of a power of two (bias 127); 16 bytes of 4-bit floats.</summary>
internal readonly struct Mxfp4 : IGgufBlock
{
    public static CodeType Code => CodeType.E2M1;
    public static int GroupSize => 32;
    public static bool HasOffsets => false;
    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes) => GgufBits.Apart(Vector128.Create(block.Slice(1, 16))).CopyTo(codes);
    public static void ReadScales(ReadOnlySpan<byte> block, Span<float> scales, Span<float> offsets) => scales[0] = MathF.ScaleB(1, block[0] - 127);
}
