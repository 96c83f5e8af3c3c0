using System.Runtime.CompilerServices;
using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>
/// A grid [rows, columns] of unsigned integers of 1 to 8 bits as a checkpoint packs them: the codes of a weight, or the
/// zero points of its groups. Read in place.
/// </summary>
internal abstract class PackedIntegers
{
    /// <summary>The integers of one row, one a byte.</summary>
    /// <param name="values">As many as the grid has columns.</param>
    public abstract void ReadRow(int row, Span<byte> values);

    /// <summary>The tensor whose bytes <see cref="Release"/> gives back by rows; null where rows lie in each other.</summary>
    public virtual StoredTensor? ByRows => null;

    /// <summary>As <see cref="StoredMatrix.Release"/>.</summary>
    public virtual void Release(int first, int count)
    {
        // Rows that lie in each other go together, with the last.
    }

    /// <summary>The same grid from row <paramref name="first"/> on.</summary>
    public abstract PackedIntegers From(int first);
}

/// <summary>Each row is one string of bits, the lowest first; rows begin at whole bytes. Words of any size are the same bytes.</summary>
/// <param name="tensor">[rows, …]; a row's bytes hold all its integers.</param>
/// <param name="flip">Exclusive-or of every integer: 0x80 turns two's complement bytes into offset binary.</param>
internal sealed class RowPacked(StoredTensor tensor, int bits, byte flip = 0, int firstRow = 0) : PackedIntegers
{
    private readonly long rowBytes = tensor.ByteLength / Math.Max(1, tensor.Shape[0]);

    public override void ReadRow(int row, Span<byte> values)
    {
        ReadOnlySpan<byte> bytes = tensor.Bytes((row + (long)firstRow) * rowBytes, checked((int)rowBytes));
        if (bits == 8)
        {
            for (int i = 0; i < values.Length; i++) values[i] = (byte)(bytes[i] ^ flip);
            return;
        }
        int mask = (1 << bits) - 1;
        for (int i = 0, bit = 0; i < values.Length; i++, bit += bits)
        {
            int at = bit >> 3, shift = bit & 7, value = bytes[at] >> shift;
            if (shift + bits > 8) value |= bytes[at + 1] << (8 - shift);
            values[i] = (byte)((value & mask) ^ flip);
        }
    }

    public override StoredTensor? ByRows => tensor;

    public override void Release(int first, int count) => tensor.Release((first + (long)firstRow) * rowBytes, count * rowBytes);

    public override PackedIntegers From(int first) => new RowPacked(tensor, bits, flip, firstRow + first);
}

/// <summary>
/// Integers packed into 32-bit words along the columns of the grid, lowest bits first, the words of a row far apart:
/// GPTQ's qweight [in · bits / 32, out], whose grid is [out, in].
/// </summary>
/// <param name="words">[words of a row, rows], int32.</param>
internal sealed unsafe class ColumnWords(StoredTensor words, int bits, int firstRow = 0) : PackedIntegers
{
    public override void ReadRow(int row, Span<byte> values)
    {
        long stride = words.Shape[1], last = words.Shape[0] - 1;
        _ = words.Bytes((last * stride + firstRow + row) * sizeof(uint), sizeof(uint)); // in range, and the file is open
        uint* word = (uint*)words.Address + firstRow + row;
        int mask = (1 << bits) - 1, filled = 0;
        ulong pending = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (filled < bits)
            {
                pending |= (ulong)Unsafe.ReadUnaligned<uint>(word) << filled;
                word += stride;
                filled += 32;
            }
            values[i] = (byte)((int)pending & mask);
            pending >>= bits;
            filled -= bits;
        }
        GC.KeepAlive(words);
    }

    public override PackedIntegers From(int first) => new ColumnWords(words, bits, firstRow + first);
}

/// <summary>
/// Integers packed into 32-bit words along the rows of the grid, all at one address a column apart or a word apart: GPTQ's
/// and AWQ's zero points [groups, out · bits / 32], AWQ's qweight [in, out / 8], compressed-tensors' packed zero points
/// [out · bits / 32, groups]. The grid is [out, …] each time.
/// </summary>
/// <param name="words">int32, two axes.</param>
/// <param name="axis">Axis of <paramref name="words"/> along which rows of the grid are packed.</param>
/// <param name="order">Place of each of the 8 nibbles in its word; empty when they follow each other.</param>
/// <param name="addend">Added to every word, with carries across fields.</param>
internal sealed unsafe class RowWords(StoredTensor words, int bits, int axis, int[] order, uint addend = 0, int firstRow = 0) : PackedIntegers
{
    public override void ReadRow(int row, Span<byte> values)
    {
        int index = firstRow + row;
        if (order.Length > 0) index = (index & ~7) + order[index & 7];
        long bit = (long)index * bits, word = bit >> 5, columns = words.Shape[1];
        long next = axis == 0 ? columns : 1, step = axis == 0 ? 1 : columns; // to the next word of a row, to the next column
        int shift = (int)bit & 31, mask = (1 << bits) - 1;
        bool straddles = shift + bits > 32;
        _ = words.Bytes(((word + (straddles ? 1 : 0)) * next + (values.Length - 1L) * step) * sizeof(uint), sizeof(uint));
        uint* at = (uint*)words.Address + word * next;
        for (int i = 0; i < values.Length; i++, at += step)
        {
            uint value = (Unsafe.ReadUnaligned<uint>(at) + addend) >> shift;
            if (straddles) value |= (Unsafe.ReadUnaligned<uint>(at + next) + addend) << (32 - shift);
            values[i] = (byte)((int)value & mask);
        }
        GC.KeepAlive(words);
    }

    public override PackedIntegers From(int first) => new RowWords(words, bits, axis, order, addend, firstRow + first);
}
