using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>
/// One block layout of ggml: how its bytes give codes, scales and offsets. Source of the layouts: ggml's block structures
/// and dequantisation loops (ggml-common.h, ggml-quants.c).
/// </summary>
internal interface IGgufBlock
{
    static abstract CodeType Code { get; }

    /// <summary>Elements that share a scale.</summary>
    static abstract int GroupSize { get; }

    static abstract bool HasOffsets { get; }

    /// <param name="codes">[elements of a block], one code a byte</param>
    static abstract void ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes);

    /// <inheritdoc cref="QuantizedMatrix.Visit"/>
    static virtual bool Visit(IStepBlockVisitor visitor) => false;

    /// <param name="scales">[groups of a block]</param> <param name="offsets">[groups of a block]</param>
    static abstract void ReadScales(ReadOnlySpan<byte> block, Span<float> scales, Span<float> offsets);

    /// <summary>F16 where <see cref="ReadHalfScales"/> gives scales and offsets as stored.</summary>
    static virtual DType ScaleType => DType.F32;

    static virtual void ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset) => throw new NotSupportedException();

    /// <summary>The block's groups where <see cref="ReadFactors"/> gives what their scales are products of, else 0.</summary>
    static virtual int FactoredGroups => 0;

    /// <param name="scales">[groups of a block]</param> <param name="offsets">[groups of a block]; left as they are without offsets</param>
    static virtual void ReadFactors(ReadOnlySpan<byte> block, out Half blockScale, out Half blockOffset, Span<sbyte> scales, Span<sbyte> offsets)
        => throw new NotSupportedException();
}

/// <summary>A block whose codes are defined by the steps of <see cref="IStepBlock"/>.</summary>
internal unsafe interface IGgufStepBlock<TSelf> : IGgufBlock, IStepBlock where TSelf : struct, IGgufStepBlock<TSelf>
{
    static bool IGgufBlock.Visit(IStepBlockVisitor visitor)
    {
        visitor.Visit<TSelf>();
        return true;
    }

    static void IGgufBlock.ReadCodes(ReadOnlySpan<byte> block, Span<byte> codes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(block.Length, TSelf.Bytes);
        fixed (byte* bytes = block)
            for (int step = 0; step < TSelf.Steps; step++) TSelf.Codes(bytes, step).CopyTo(codes[(Vector256<byte>.Count * step)..]);
    }
}

/// <summary>A block of one group that begins with a float16 scale, then offset where the format has offsets.</summary>
internal unsafe interface IHalfScaledBlock<TSelf> : IGgufStepBlock<TSelf> where TSelf : struct, IHalfScaledBlock<TSelf>
{
    static int IGgufBlock.GroupSize => 32;
    static int IStepBlock.Steps => 1;
    static ushort IStepBlock.Scale(byte* block) => *(ushort*)block;
    static ushort IStepBlock.Offset(byte* block) => *(ushort*)(block + sizeof(Half));
    static DType IGgufBlock.ScaleType => DType.F16;

    static void IGgufBlock.ReadHalfScales(ReadOnlySpan<byte> block, out Half scale, out Half offset)
        => (scale, offset) = (GgufBits.Half(block), TSelf.HasOffsets ? GgufBits.Half(block[sizeof(Half)..]) : default);

    static void IGgufBlock.ReadScales(ReadOnlySpan<byte> block, Span<float> scales, Span<float> offsets)
    {
        TSelf.ReadHalfScales(block, out Half scale, out Half offset);
        (scales[0], offsets[0]) = ((float)scale, (float)offset);
    }
}

/// <summary>As <see cref="IHalfScaledBlock{TSelf}"/> with 5-bit codes: 32 fifth bits, then 16 bytes of nibbles.</summary>
internal unsafe interface IFifthBitBlock<TSelf> : IHalfScaledBlock<TSelf> where TSelf : struct, IFifthBitBlock<TSelf>
{
    static abstract int FifthBitsAt { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<byte> IStepBlock.Nibbles(byte* block, int step) => Vector128.Load(block + TSelf.FifthBitsAt + sizeof(uint));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<byte> IStepBlock.Above(byte* block, int step) => GgufBits.Bits(*(uint*)(block + TSelf.FifthBitsAt));

    static Vector256<byte> IStepBlock.Codes(byte* block, int step) => GgufBits.Joined(TSelf.Nibbles(block, step), TSelf.Above(block, step));
}

/// <summary>A block of 256 elements whose groups have integer factors for the block's float16 scale and minimum, which is taken off.</summary>
internal unsafe interface IFactoredBlock<TSelf> : IGgufStepBlock<TSelf> where TSelf : struct, IFactoredBlock<TSelf>
{
    const int Elements = 256, MostGroups = 16;

    /// <summary>Where the scale lies; the minimum follows it.</summary>
    static abstract int ScaleAt { get; }

    static int IStepBlock.Steps => Elements / 32;
    static ushort IStepBlock.Scale(byte* block) => *(ushort*)(block + TSelf.ScaleAt);
    static ushort IStepBlock.Offset(byte* block) => (ushort)(*(ushort*)(block + TSelf.ScaleAt + sizeof(Half)) ^ 0x8000);
    static int IGgufBlock.FactoredGroups => Elements / TSelf.GroupSize;

    static void IGgufBlock.ReadFactors(ReadOnlySpan<byte> block, out Half blockScale, out Half blockOffset, Span<sbyte> scales, Span<sbyte> offsets)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(block.Length, TSelf.Bytes);
        Span<sbyte> factors = stackalloc sbyte[2 * MostGroups];
        int groups = TSelf.FactoredGroups, all = TSelf.HasOffsets ? 2 * groups : groups;
        fixed (byte* bytes = block)
        {
            for (int at = 0; at < all; at += Vector128<byte>.Count) TSelf.Factors(bytes, at / Vector128<byte>.Count).AsSByte().CopyTo(factors[at..]);
            blockScale = BitConverter.UInt16BitsToHalf(TSelf.Scale(bytes));
            blockOffset = TSelf.HasOffsets ? BitConverter.UInt16BitsToHalf(TSelf.Offset(bytes)) : default;
        }
        factors[..groups].CopyTo(scales);
        if (TSelf.HasOffsets) factors.Slice(groups, groups).CopyTo(offsets);
    }

    static void IGgufBlock.ReadScales(ReadOnlySpan<byte> block, Span<float> scales, Span<float> offsets)
    {
        Span<sbyte> factors = stackalloc sbyte[MostGroups], offsetFactors = stackalloc sbyte[MostGroups];
        offsetFactors.Clear();
        TSelf.ReadFactors(block, out Half scale, out Half offset, factors, offsetFactors);
        float d = (float)scale, m = (float)offset;
        for (int g = 0; g < scales.Length; g++) (scales[g], offsets[g]) = (d * factors[g], m * offsetFactors[g]);
    }
}
