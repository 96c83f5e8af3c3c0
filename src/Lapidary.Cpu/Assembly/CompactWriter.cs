using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Assembly;

/// <summary>Writes blocks of a bfloat16 matrix, first what they will be, then their bytes.</summary>
/// <param name="weights">[rows, columns]</param>
internal readonly unsafe struct CompactWriter(byte* weights, int rows, int columns)
{
    private const int StepsTogether = 4, FewUncoded = 8; // one in so many

    private const byte Exponent = 0x7f; // of an upper byte

    /// <summary>
    /// What the block that begins at that row and column will be: with upper bytes for the largest weight in it and smaller ones,
    /// or those that are met most often, where that leaves too many steps uncoded (one weight may be far larger than all others).
    /// </summary>
    public CompactBlock Plan(int row, int column)
    {
        byte** from = stackalloc byte*[CompactBlock.Rows];
        Locate(row, column, from);
        int steps = CompactBlock.Steps(columns, column);
        CompactBlock block = Coded(from, steps, Below(Largest(from, steps)));
        if (BitOperations.PopCount(block.Uncoded) * FewUncoded <= steps) return block;
        CompactBlock other = Coded(from, steps, Frequent(from, steps));
        return BitOperations.PopCount(other.Uncoded) < BitOperations.PopCount(block.Uncoded) ? other : block;
    }

    /// <summary>Writes the block that begins there as it was planned.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Write(int row, int column, CompactBlock plan, byte* target)
    {
        byte** from = stackalloc byte*[CompactBlock.Rows];
        Locate(row, column, from);
        new Span<byte>(target, CompactBlock.HeaderBytes).Clear();
        *(CompactBlock*)target = plan;
        target += CompactBlock.HeaderBytes;
        ulong uncoded = plan.Uncoded;
        Vector256<uint>* pairs = stackalloc Vector256<uint>[2 * StepsTogether];
        Vector256<byte>* even = stackalloc Vector256<byte>[StepsTogether]; // the places of a panel with that number
        for (int at = 0, end = CompactBlock.Steps(columns, column); at < end; at += StepsTogether, uncoded >>= StepsTogether)
        {
            byte* next = target;
            for (int panel = 0; panel < CompactBlock.Panels; panel++)
            {
                next = target;
                Transpose(from + panel * CompactBlock.Lanes, at * CompactBlock.StepColumns * sizeof(ushort), pairs);
                for (int step = 0; step < StepsTogether; step++)
                {
                    Vector256<ushort> first = pairs[2 * step].AsUInt16(), second = pairs[2 * step + 1].AsUInt16();
                    if ((uncoded >> step & 1) != 0)
                    {
                        first.Store((ushort*)(next + 2 * panel * CompactBlock.Register));
                        second.Store((ushort*)(next + (2 * panel + 1) * CompactBlock.Register));
                        next += CompactBlock.UncodedStepBytes;
                        continue;
                    }
                    CompactBlock.Lower(first, second).Store(next + panel * CompactBlock.Register);
                    Vector256<byte> places = CompactBlock.Places(CompactBlock.Upper(first, second));
                    if (panel % 2 == 0) even[step] = places;
                    else (even[step] | (places.AsUInt16() << 4).AsByte()).Store(next + CompactBlock.PlacesOffset + panel / 2 * CompactBlock.Register);
                    next += CompactBlock.StepBytes;
                }
            }
            target = next;
        }
    }

    /// <summary>Where the block's rows begin. Rows past the last are the last again.</summary>
    private void Locate(int row, int column, byte** from)
    {
        for (int i = 0; i < CompactBlock.Rows; i++) from[i] = weights + ((nint)Math.Min(row + i, rows - 1) * columns + column) * sizeof(ushort);
    }

    /// <summary>8 rows × 16 columns: a pair of columns of all rows is a register.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(byte** rows, nint offset, Vector256<uint>* pairs)
    {
        Vector256<uint> r0 = Row(0), r1 = Row(1), r2 = Row(2), r3 = Row(3), r4 = Row(4), r5 = Row(5), r6 = Row(6), r7 = Row(7);
        Half(Avx2.UnpackLow(r0, r1), Avx2.UnpackLow(r2, r3), Avx2.UnpackLow(r4, r5), Avx2.UnpackLow(r6, r7), pairs);
        Half(Avx2.UnpackHigh(r0, r1), Avx2.UnpackHigh(r2, r3), Avx2.UnpackHigh(r4, r5), Avx2.UnpackHigh(r6, r7), pairs + 2);

        Vector256<uint> Row(int i) => Vector256.Load((uint*)(rows[i] + offset));

        static void Half(Vector256<uint> r01, Vector256<uint> r23, Vector256<uint> r45, Vector256<uint> r67, Vector256<uint>* pairs)
        {
            Quarter(Avx2.UnpackLow(r01.AsUInt64(), r23.AsUInt64()), Avx2.UnpackLow(r45.AsUInt64(), r67.AsUInt64()), pairs);
            Quarter(Avx2.UnpackHigh(r01.AsUInt64(), r23.AsUInt64()), Avx2.UnpackHigh(r45.AsUInt64(), r67.AsUInt64()), pairs + 1);
        }

        static void Quarter(Vector256<ulong> upperRows, Vector256<ulong> lowerRows, Vector256<uint>* pairs)
        {
            pairs[0] = Avx2.Permute2x128(upperRows, lowerRows, 0x20).AsUInt32();
            pairs[4] = Avx2.Permute2x128(upperRows, lowerRows, 0x31).AsUInt32();
        }
    }

    /// <summary>The block with that table: every step whose upper bytes are all in it is coded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static CompactBlock Coded(byte** from, int steps, Vector128<byte> table)
    {
        const int Together = CompactBlock.ColumnsTogether / CompactBlock.StepColumns;
        Vector256<byte> upperBytes = Vector256.Create(table, table);
        ulong uncoded = 0;
        for (int step = 0; step < steps; step += Together)
        {
            Vector256<byte> differences = Vector256<byte>.Zero;
            for (int row = 0; row < CompactBlock.Rows; row++)
            {
                Vector256<byte> upper = Upper(from[row], step);
                differences |= Avx2.Shuffle(upperBytes, CompactBlock.Places(upper)) ^ upper;
            }
            Vector256<uint> inOrder = Avx2.Permute4x64(differences.AsUInt64(), 0b11_01_10_00).AsUInt32();
            uncoded |= (ulong)(~Vector256.Equals(inOrder, Vector256<uint>.Zero)).ExtractMostSignificantBits() << step;
        }
        return new CompactBlock(table, uncoded);
    }

    /// <summary>The largest upper byte of a weight without its sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Largest(byte** from, int steps)
    {
        Vector256<byte> largest = Vector256<byte>.Zero;
        for (int row = 0; row < CompactBlock.Rows; row++)
            for (int step = 0; step < steps; step += CompactBlock.ColumnsTogether / CompactBlock.StepColumns)
                largest = Vector256.Max(largest, Upper(from[row], step) & Vector256.Create(Exponent));
        int result = 0;
        for (int i = 0; i < Vector256<byte>.Count; i++) result = Math.Max(result, largest[i]);
        return result;
    }

    /// <summary>The table of the 8 upper bytes up to the largest one, of both signs.</summary>
    private static Vector128<byte> Below(int largest)
    {
        byte* table = stackalloc byte[16];
        for (int place = 0; place < 8; place++)
        {
            int exponent = largest - (largest - place & 7);
            table[place] = (byte)(exponent & Exponent);
            table[place + 8] = (byte)(exponent | ~Exponent);
        }
        return Vector128.Load(table);
    }

    /// <summary>The table of the upper bytes that are met most often, of all that have a place.</summary>
    private static Vector128<byte> Frequent(byte** from, int steps)
    {
        int* counts = stackalloc int[256];
        new Span<int>(counts, 256).Clear();
        for (int row = 0; row < CompactBlock.Rows; row++)
            for (int i = 1; i < steps * CompactBlock.StepColumns * sizeof(ushort); i += sizeof(ushort)) counts[from[row][i]]++;
        byte* table = stackalloc byte[16];
        for (int place = 0; place < 16; place++)
        {
            int most = (place & 8) << 4 | (place & 7);
            for (int other = most + 8, end = most + 128; other < end; other += 8)
                if (counts[other] > counts[most]) most = other;
            table[place] = (byte)most;
        }
        return Vector128.Load(table);
    }

    /// <summary>Of 32 columns of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Upper(byte* row, int step)
    {
        byte* at = row + step * CompactBlock.StepColumns * sizeof(ushort);
        return CompactBlock.Upper(Vector256.Load((ushort*)at), Vector256.Load((ushort*)(at + CompactBlock.Register)));
    }
}
