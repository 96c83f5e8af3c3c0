using System.Runtime.Intrinsics;

namespace Lapidary.Quantization;

/// <summary>
/// Blocks of codes with their scales, as rows of a file hold them one after the other, taken a step of 32 columns at a time.
/// All that packing with vectors needs to know of a format.
/// </summary>
public unsafe interface IStepBlock
{
    /// <summary>Bytes of a block.</summary>
    static abstract int Bytes { get; }

    /// <summary>Steps of a block; with more than one, scales are <see cref="Factors"/> of the block's.</summary>
    static abstract int Steps { get; }

    /// <summary>The 32 codes of a step, one a byte.</summary>
    static abstract Vector256<byte> Codes(byte* block, int step);

    /// <summary>Their lower four bits: column j in the low half of byte j, column j + 16 in its high half.</summary>
    static virtual Vector128<byte> Nibbles(byte* block, int step) => throw new NotSupportedException();

    /// <summary>What they have above the lower four bits, one a byte.</summary>
    static virtual Vector256<byte> Above(byte* block, int step) => throw new NotSupportedException();

    /// <summary>Bits of the block's float16 scale.</summary>
    static abstract ushort Scale(byte* block);

    /// <summary>Bits of the block's float16 offset, where the format has offsets.</summary>
    static abstract ushort Offset(byte* block);

    /// <summary>16 of the block's factors: those of all scales in their order, then those of all offsets.</summary>
    /// <param name="index">0 for the first 16.</param>
    static virtual Vector128<byte> Factors(byte* block, int index) => throw new NotSupportedException();
}

/// <summary>Is told what blocks a matrix has.</summary>
public interface IStepBlockVisitor
{
    void Visit<TBlock>() where TBlock : struct, IStepBlock;
}
