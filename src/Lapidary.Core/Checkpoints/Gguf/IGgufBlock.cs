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

    /// <inheritdoc cref="QuantizedMatrix.StoresNibbles"/>
    static virtual bool StoresNibbles => false;

    /// <param name="nibbles">[elements of a block / 2], in the order of <see cref="QuantizedMatrix.ReadNibbles"/></param>
    static virtual void ReadNibbles(ReadOnlySpan<byte> block, Span<byte> nibbles) => throw new NotSupportedException();

    /// <inheritdoc cref="QuantizedMatrix.PlainBlocks"/>
    static virtual HalfScaledBlocks? Plain => null;

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

/// <summary>A block of one group with a float16 scale.</summary>
internal interface IHalfScaledBlock<TSelf> : IGgufBlock where TSelf : IHalfScaledBlock<TSelf>
{
    static DType IGgufBlock.ScaleType => DType.F16;

    static void IGgufBlock.ReadScales(ReadOnlySpan<byte> block, Span<float> scales, Span<float> offsets)
    {
        TSelf.ReadHalfScales(block, out Half scale, out Half offset);
        (scales[0], offsets[0]) = ((float)scale, (float)offset);
    }
}

/// <summary>A block of 256 elements whose groups have integer factors for the block's float16 scale and offset.</summary>
internal interface IFactoredBlock<TSelf> : IGgufBlock where TSelf : IFactoredBlock<TSelf>
{
    const int Elements = 256, MostGroups = 16;

    static int IGgufBlock.FactoredGroups => Elements / TSelf.GroupSize;

    static void IGgufBlock.ReadScales(ReadOnlySpan<byte> block, Span<float> scales, Span<float> offsets)
    {
        Span<sbyte> factors = stackalloc sbyte[MostGroups], offsetFactors = stackalloc sbyte[MostGroups];
        offsetFactors.Clear();
        TSelf.ReadFactors(block, out Half scale, out Half offset, factors, offsetFactors);
        float d = (float)scale, m = (float)offset;
        for (int g = 0; g < scales.Length; g++) (scales[g], offsets[g]) = (d * factors[g], m * offsetFactors[g]);
    }
}
