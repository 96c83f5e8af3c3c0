using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>A bfloat16 matrix as blocks of 32 rows × 256 columns (<see cref="CompactBlock"/>), those of the same rows one after the other.</summary>
internal sealed unsafe class CompactPanels : IDisposable
{
    private const int PieceBytes = 2 << 20; // written by one thread
    private const int SmallBytes = 8 << 20; // written in less time than it takes to begin with threads

    private readonly int columns;
    private readonly long[] offsets; // [groups of rows, blocks], and the end
    private readonly LargeMemory memory;

    /// <param name="source">BF16; columns are a multiple of 32. Its memory may go.</param>
    public CompactPanels(DenseMatrix source)
    {
        columns = source.Columns;
        Groups = (source.Rows + CompactBlock.Rows - 1) / CompactBlock.Rows;
        Blocks = (columns + CompactBlock.Columns - 1) / CompactBlock.Columns;
        var plans = new CompactBlock[Groups * Blocks];
        offsets = new long[plans.Length + 1];
        CompactWriter writer = new((byte*)source.Tensor.Address, source.Rows, columns);
        ForPieces((from, to) =>
        {
            for (int i = from * Blocks; i < to * Blocks; i++) plans[i] = writer.Plan(i / Blocks * CompactBlock.Rows, i % Blocks * CompactBlock.Columns);
        });
        for (int i = 0; i < plans.Length; i++) offsets[i + 1] = offsets[i] + plans[i].ByteLength(Steps(i % Blocks));
        memory = new LargeMemory((nuint)ByteLength);
        ForPieces((from, to) =>
        {
            byte* start = memory.Address;
            new FreshMemory(start + ByteLength).Take(start + offsets[from * Blocks], start + offsets[to * Blocks]);
            for (int i = from * Blocks; i < to * Blocks; i++)
                writer.Write(i / Blocks * CompactBlock.Rows, i % Blocks * CompactBlock.Columns, plans[i], start + offsets[i]);
            source.Release(from * CompactBlock.Rows, Math.Min(source.Rows, to * CompactBlock.Rows) - from * CompactBlock.Rows);
        });
    }

    /// <summary>Of 32 rows.</summary>
    public int Groups { get; }

    /// <summary>Of the same rows.</summary>
    public int Blocks { get; }

    public long ByteLength => offsets[^1];

    public byte* Block(int group, int block) => memory.Address + offsets[group * Blocks + block];

    /// <summary>Steps of a block's columns.</summary>
    public int Steps(int block) => CompactBlock.Steps(columns, block * CompactBlock.Columns);

    /// <summary>A block's weights in float32.</summary>
    /// <param name="target">[panel, column, lane]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Unpack(int group, int block, float* target)
    {
        byte* source = Block(group, block);
        Vector256<byte> table = Vector256.Create(Vector128.Load(source), Vector128.Load(source)), place = Vector256.Create((byte)15);
        ulong uncoded = *(ulong*)(source + CompactBlock.UncodedOffset);
        source += CompactBlock.HeaderBytes;
        int steps = Steps(block);
        nint panelFloats = steps * CompactBlock.StepColumns * CompactBlock.Lanes;
        for (int step = 0; step < steps; step++, uncoded >>= 1, target += CompactBlock.StepColumns * CompactBlock.Lanes)
        {
            if ((uncoded & 1) != 0)
            {
                for (int panel = 0; panel < CompactBlock.Panels; panel++, source += 2 * CompactBlock.Register)
                    Widen(Vector256.Load(source), Vector256.Load(source + CompactBlock.Register), target + panel * panelFloats);
                continue;
            }
            for (int panel = 0; panel < CompactBlock.Panels; panel += 2)
            {
                Vector256<byte> places = Vector256.Load(source + CompactBlock.PlacesOffset + panel / 2 * CompactBlock.Register);
                byte* lower = source + panel * CompactBlock.Register;
                WidenCoded(Vector256.Load(lower), Avx2.Shuffle(table, places & place), target + panel * panelFloats);
                WidenCoded(Vector256.Load(lower + CompactBlock.Register), Avx2.Shuffle(table, (places.AsUInt16() >>> 4).AsByte() & place), target + (panel + 1) * panelFloats);
            }
            source += CompactBlock.StepBytes;
        }
    }

    /// <summary>One row in float32.</summary>
    /// <param name="target">[columns]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void CopyRow(int row, float* target)
    {
        int panel = row % CompactBlock.Rows / CompactBlock.Lanes, lane = row % CompactBlock.Lanes;
        int coded = lane / 4 * 16 + lane % 4 * 2, shift = panel % 2 * 4; // where Lower has columns 0 and 1; 2 and 3 are 8 bytes on
        for (int block = 0; block < Blocks; block++)
        {
            byte* table = Block(row / CompactBlock.Rows, block), source = table + CompactBlock.HeaderBytes;
            ulong uncoded = *(ulong*)(table + CompactBlock.UncodedOffset);
            for (int step = Steps(block); step > 0; step--, uncoded >>= 1, target += CompactBlock.StepColumns)
            {
                if ((uncoded & 1) != 0)
                {
                    uint* pairs = (uint*)(source + panel * 2 * CompactBlock.Register) + lane;
                    ((uint*)target)[0] = pairs[0] << 16;
                    ((uint*)target)[1] = pairs[0] & 0xffff0000;
                    ((uint*)target)[2] = pairs[8] << 16;
                    ((uint*)target)[3] = pairs[8] & 0xffff0000;
                    source += CompactBlock.UncodedStepBytes;
                    continue;
                }
                byte* lower = source + panel * CompactBlock.Register + coded, places = source + CompactBlock.PlacesOffset + panel / 2 * CompactBlock.Register + coded;
                ((uint*)target)[0] = Bits(table, lower[0], places[0] >> shift);
                ((uint*)target)[1] = Bits(table, lower[1], places[1] >> shift);
                ((uint*)target)[2] = Bits(table, lower[8], places[8] >> shift);
                ((uint*)target)[3] = Bits(table, lower[9], places[9] >> shift);
                source += CompactBlock.StepBytes;
            }
        }

        static uint Bits(byte* table, byte lower, int place) => (uint)table[place & 15] << 24 | (uint)lower << 16;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WidenCoded(Vector256<byte> lower, Vector256<byte> upper, float* target)
        => Widen(Avx2.UnpackLow(lower, upper), Avx2.UnpackHigh(lower, upper), target);

    /// <summary>Columns 0 and 1, then 2 and 3 of a panel's rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(Vector256<byte> first, Vector256<byte> second, float* target)
    {
        Vector256<uint> upperHalves = Vector256.Create(0xffff0000);
        (first.AsUInt32() << 16).Store((uint*)target);
        (first.AsUInt32() & upperHalves).Store((uint*)target + CompactBlock.Lanes);
        (second.AsUInt32() << 16).Store((uint*)target + 2 * CompactBlock.Lanes);
        (second.AsUInt32() & upperHalves).Store((uint*)target + 3 * CompactBlock.Lanes);
    }

    public void Dispose() => memory.Dispose();

    /// <summary>Groups of rows in pieces, shared out among threads where there is work for more than one.</summary>
    private void ForPieces(Action<int, int> write)
    {
        int groupBytes = CompactBlock.Rows * columns * sizeof(ushort), some = Math.Clamp(PieceBytes / groupBytes, 1, Groups);
        if ((long)Groups * groupBytes < SmallBytes) write(0, Groups);
        else Parallel.For(0, (Groups + some - 1) / some, piece => write(piece * some, Math.Min(Groups, (piece + 1) * some)));
    }
}
