using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

// Blocks of 32 elements with one scale each.

/// <summary>half d; 16 bytes of nibbles. (q - 8) · d</summary>
internal readonly struct Q4_0 : IHalfScaledBlock<Q4_0>
{
    public static CodeType Code => CodeType.Int(4);
    public static int GroupSize => 32;
    public static bool HasOffsets => false;
    public static HalfScaledBlocks? Plain => new(18, CodesAt: 2);
    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes) => GgufBits.Nibbles(block[2..], codes);
    public static void ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset) => (scale, offset) = (GgufBits.Half(block), default);
}

/// <summary>half d, half m; 16 bytes of nibbles. q · d + m</summary>
internal readonly struct Q4_1 : IHalfScaledBlock<Q4_1>
{
    public static CodeType Code => CodeType.UInt(4);
    public static int GroupSize => 32;
    public static bool HasOffsets => true;
    public static HalfScaledBlocks? Plain => new(20, CodesAt: 4);
    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes) => GgufBits.Nibbles(block[4..], codes);

    public static void ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset) => (scale, offset) = (GgufBits.Half(block), GgufBits.Half(block[2..]));
}

/// <summary>half d; 32 fifth bits; 16 bytes of nibbles. (q - 16) · d</summary>
internal readonly struct Q5_0 : IHalfScaledBlock<Q5_0>
{
    public static CodeType Code => CodeType.Int(5);
    public static int GroupSize => 32;
    public static bool HasOffsets => false;

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        GgufBits.Nibbles(block[6..], codes);
        GgufBits.FifthBits(BinaryPrimitives.ReadUInt32LittleEndian(block[2..]), codes);
    }

    public static void ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset) => (scale, offset) = (GgufBits.Half(block), default);
}

/// <summary>half d, half m; 32 fifth bits; 16 bytes of nibbles. q · d + m</summary>
internal readonly struct Q5_1 : IHalfScaledBlock<Q5_1>
{
    public static CodeType Code => CodeType.UInt(5);
    public static int GroupSize => 32;
    public static bool HasOffsets => true;

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        GgufBits.Nibbles(block[8..], codes);
        GgufBits.FifthBits(BinaryPrimitives.ReadUInt32LittleEndian(block[4..]), codes);
    }

    public static void ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset) => (scale, offset) = (GgufBits.Half(block), GgufBits.Half(block[2..]));
}

/// <summary>half d; 32 signed bytes. q · d</summary>
internal readonly struct Q8_0 : IHalfScaledBlock<Q8_0>
{
    public static CodeType Code => CodeType.Int(8);
    public static int GroupSize => 32;
    public static bool HasOffsets => false;
    public static HalfScaledBlocks? Plain => new(34, CodesAt: 2);

    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        (Vector256.Create(block.Slice(2, 32)) ^ Vector256.Create((byte)0x80)).CopyTo(codes); // two's complement to offset binary
    }

    public static void ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset) => (scale, offset) = (GgufBits.Half(block), default);
}

/// <summary>half d; 16 bytes of nibbles that index a table of 16 uneven steps.</summary>
internal readonly struct IQ4_NL : IHalfScaledBlock<IQ4_NL>
{
    public static CodeType Code => CodeType.IQ4NL;
    public static int GroupSize => 32;
    public static bool HasOffsets => false;
    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes) => GgufBits.Nibbles(block[2..], codes);
    public static void ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset) => (scale, offset) = (GgufBits.Half(block), default);
}

/// <summary>One byte, the exponent of a power of two (bias 127); 16 bytes of 4-bit floats.</summary>
internal readonly struct Mxfp4 : IGgufBlock
{
    public static CodeType Code => CodeType.E2M1;
    public static int GroupSize => 32;
    public static bool HasOffsets => false;
    public static void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes) => GgufBits.Nibbles(block[1..], codes);
    public static void ReadScales(ReadOnlySpan<byte> block, Span<float> scales, Span<float> offsets) => scales[0] = MathF.ScaleB(1, block[0] - 127);
}
