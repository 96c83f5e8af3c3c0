using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Lapidary.Cpu.Assembly;

/// <summary>Writes blocks of a bfloat16 matrix, first what they will be, then their bytes.</summary>
/// <param name="weights">[rows, columns]</param>
internal readonly unsafe struct CompactWriter(byte* weights, int rows, int columns)
{
    private const int SampledSteps = 16; // of a block's 64: weights of one size are near each other

    /// <summary>What the block that begins at that row and column will be.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public CompactBlock Plan(int row, int column)
    {
        Vector256<int>* offsets = stackalloc Vector256<int>[CompactBlock.Panels];
        byte* first = Locate(row, column, offsets);
        int steps = Steps(column);
        Vector128<byte> table = Table(first, offsets, steps);
        Vector256<byte> upperBytes = Vector256.Create(table, table);
        ulong uncoded = 0;
        for (int step = 0; step < steps; step++)
        {
            Vector256<byte> differences = Vector256<byte>.Zero;
            for (int panel = 0; panel < CompactBlock.Panels; panel++)
            {
                Vector256<byte> upper = CompactBlock.Upper(CompactBlock.Step(first + step * 2 * CompactBlock.StepColumns, offsets[panel]));
                differences |= Avx2.Shuffle(upperBytes, CompactBlock.Places(upper)) ^ upper;
            }
            if (differences != Vector256<byte>.Zero) uncoded |= 1UL << step;
        }
        return new CompactBlock(table, uncoded);
    }

    /// <summary>Writes the block that begins there as it was planned.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Write(int row, int column, CompactBlock plan, byte* target)
    {
        Vector256<int>* offsets = stackalloc Vector256<int>[CompactBlock.Panels];
        byte* first = Locate(row, column, offsets);
        new Span<byte>(target, CompactBlock.HeaderBytes).Clear();
        *(CompactBlock*)target = plan;
        target += CompactBlock.HeaderBytes;
        int steps = Steps(column);
        for (int step = 0; step < steps; step++, first += 2 * CompactBlock.StepColumns)
        {
            if ((plan.Uncoded >> step & 1) != 0)
            {
                for (int panel = 0; panel < CompactBlock.Panels; panel++, target += 2 * CompactBlock.Register)
                {
                    (Vector256<ushort> low, Vector256<ushort> high) = CompactBlock.Step(first, offsets[panel]);
                    low.AsByte().Store(target);
                    high.AsByte().Store(target + CompactBlock.Register);
                }
                continue;
            }
            Vector256<byte> even = Vector256<byte>.Zero;
            for (int panel = 0; panel < CompactBlock.Panels; panel++)
            {
                (Vector256<ushort>, Vector256<ushort>) values = CompactBlock.Step(first, offsets[panel]);
                CompactBlock.Lower(values).Store(target + panel * CompactBlock.Register);
                Vector256<byte> places = CompactBlock.Places(CompactBlock.Upper(values));
                if (panel % 2 == 0) even = places;
                else (even | (places.AsUInt16() << 4).AsByte()).Store(target + CompactBlock.PlacesOffset + panel / 2 * CompactBlock.Register);
            }
            target += CompactBlock.StepBytes;
        }
    }

    /// <summary>Of the block that begins at that column.</summary>
    public int Steps(int column) => Math.Min(CompactBlock.Columns, columns - column) / CompactBlock.StepColumns;

    /// <summary>The block's first byte, and where each panel's rows are from there. Rows past the last are the last again.</summary>
    private byte* Locate(int row, int column, Vector256<int>* offsets)
    {
        for (int i = 0; i < CompactBlock.Rows; i++) ((int*)offsets)[i] = (Math.Min(row + i, rows - 1) - row) * columns * sizeof(ushort);
        return weights + ((nint)row * columns + column) * sizeof(ushort);
    }

    /// <summary>The upper byte that is met most often, of all that have a place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static Vector128<byte> Table(byte* first, Vector256<int>* offsets, int steps)
    {
        int* counts = stackalloc int[256];
        new Span<int>(counts, 256).Clear();
        byte* upper = stackalloc byte[CompactBlock.Register];
        for (int step = 0; step < steps; step += Math.Max(1, steps / SampledSteps))
            for (int panel = 0; panel < CompactBlock.Panels; panel++)
            {
                CompactBlock.Upper(CompactBlock.Step(first + step * 2 * CompactBlock.StepColumns, offsets[panel])).Store(upper);
                for (int i = 0; i < CompactBlock.Register; i++) counts[upper[i]]++;
            }
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
}
