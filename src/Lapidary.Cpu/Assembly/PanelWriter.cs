using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Writes the panels of one matrix, 16 rows at a time: from blocks as a file holds them (<see cref="IStepBlock"/>), or from codes and
/// scales that a matrix gives row by row.
/// </summary>
internal sealed unsafe class PanelWriter : IStepBlockVisitor, IDisposable
{
    private const int RowsAtOnce = 4, Part = 16, Pairs = PanelLayout.Quads / 2;
    private const int CopyBytes = 128 << 10; // of the file at once: they stay in the second cache

    private delegate void Blocks(int panel, byte* rows);

    private readonly QuantizedMatrix matrix;
    private readonly IntegerPanels target;
    private readonly PanelLayout layout;
    private readonly int width, panelsAtOnce;
    private readonly byte[] rows; // copies of stored ones, or codes [row, column]; lent, since thousands of matrices are packed within seconds
    private Blocks? writeBlocks;
    private int rowBytes;
    private FreshMemory memory;
    private PanelScales? scales;

    public PanelWriter(QuantizedMatrix matrix, IntegerPanels target)
    {
        this.matrix = matrix;
        this.target = target;
        layout = target.Layout;
        memory = new FreshMemory(target.Panel(target.Panels));
        width = target.Steps * PanelLayout.StepColumns;
        rowBytes = width;
        panelsAtOnce = matrix.Visit(this) ? Math.Clamp(CopyBytes / (PanelLayout.Rows * rowBytes), 1, target.Panels) : 1;
        rows = ArrayPool<byte>.Shared.Rent(panelsAtOnce * PanelLayout.Rows * rowBytes);
    }

    void IStepBlockVisitor.Visit<TBlock>()
    {
        writeBlocks = WriteBlocks<TBlock>;
        rowBytes = target.Steps / TBlock.Steps * TBlock.Bytes;
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(rows);

    /// <summary>Panels up to <paramref name="end"/>, which no other thread writes.</summary>
    /// <exception cref="BackendException">A scale that is not finite.</exception>
    public void Write(int first, int end)
    {
        for (int panel = first, next; panel < end; panel = next)
        {
            next = Math.Min(end, panel + panelsAtOnce);
            int row = panel * PanelLayout.Rows, count = Math.Min(matrix.Rows, next * PanelLayout.Rows) - row;
            if (writeBlocks is not null)
            {
                matrix.CopyRows(row, count, rows);
                Array.Clear(rows, count * rowBytes, ((next - panel) * PanelLayout.Rows - count) * rowBytes);
                matrix.Release(row, count); // so that the panels can have its memory
            }
            memory.Take(target.Panel(panel), target.Panel(next));
            if (writeBlocks is null)
            {
                WriteRows(panel, row, count);
                matrix.Release(row, count);
                continue;
            }
            fixed (byte* stored = rows)
                for (int p = panel; p < next; p++) writeBlocks(p, stored + (p - panel) * PanelLayout.Rows * rowBytes);
        }
    }

    // Optimised at once: they run from the first moment of a load, and never again.

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WriteBlocks<TBlock>(int panel, byte* stored) where TBlock : struct, IStepBlock
    {
        int stride = rowBytes, stepBytes = layout.StepBytes;
        bool isFactored = TBlock.Steps > 1;
        int scaleAt = isFactored ? 0 : layout.ScaleOffset(0), offsetAt = isFactored ? PanelLayout.BlockScaleBytes : layout.OffsetOffset(0);
        bool hasOffsets = layout.HasOffsets;
        byte* first = target.Panel(panel), to = first;
        for (byte* block = stored, end = stored + stride; block < end; block += TBlock.Bytes)
        {
            WriteScales<TBlock>(block, stride, (ushort*)(to + scaleAt));
            if (hasOffsets) WriteOffsets<TBlock>(block, stride, (ushort*)(to + offsetAt));
            if (isFactored)
            {
                to += layout.BlockBytes;
                FactorColumns.Write<TBlock>(block, stride, layout, to);
            }
            for (int step = 0; step < TBlock.Steps; step++, to += stepBytes)
                for (int r = 0; r < PanelLayout.Rows; r += RowsAtOnce) WriteStep<TBlock>(block + r * stride, stride, step, to + sizeof(uint) * r);
        }

        // Not read where they were just written: a processor waits for numbers that are narrower than what it reads.
        Vector256<ushort> bad = default;
        nint blockBytes = (isFactored ? layout.BlockBytes : 0) + TBlock.Steps * stepBytes;
        for (byte* block = first; block < to; block += blockBytes)
        {
            bad |= NotFinite((ushort*)(block + scaleAt));
            if (hasOffsets) bad |= NotFinite((ushort*)(block + offsetAt));
        }
        if (bad == default) return;
        int row = 0;
        while (bad[row] == 0) row++;
        throw PanelScales.NotFinite(matrix, panel * PanelLayout.Rows + row);
    }

    /// <summary>One float16 of each row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteScales<TBlock>(byte* block, int stride, ushort* column) where TBlock : struct, IStepBlock
    {
        for (int r = 0; r < PanelLayout.Rows; r++, block += stride) column[r] = TBlock.Scale(block);
    }

    /// <inheritdoc cref="WriteScales"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteOffsets<TBlock>(byte* block, int stride, ushort* column) where TBlock : struct, IStepBlock
    {
        for (int r = 0; r < PanelLayout.Rows; r++, block += stride) column[r] = TBlock.Offset(block);
    }

    /// <summary>All ones where a float16 is not finite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> NotFinite(ushort* column)
    {
        Vector256<ushort> exponent = Vector256.Create((ushort)0x7c00);
        return Vector256.Equals(Vector256.Load(column) & exponent, exponent);
    }

    /// <summary>Four rows' part of a step's quads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteStep<TBlock>(byte* block, int stride, int step, byte* to) where TBlock : struct, IStepBlock
    {
        byte* b = block + stride, c = b + stride, d = c + stride;
        if (layout.CodeBits == 8)
        {
            Vector256<byte> inA = TBlock.Codes(block, step), inB = TBlock.Codes(b, step), inC = TBlock.Codes(c, step), inD = TBlock.Codes(d, step);
            new Rows4(inA.GetLower(), inB.GetLower(), inC.GetLower(), inD.GetLower()).Transposed().Store(to);
            new Rows4(inA.GetUpper(), inB.GetUpper(), inC.GetUpper(), inD.GetUpper()).Transposed().Store(to + Pairs * PanelLayout.Register);
            return;
        }
        new Rows4(TBlock.Nibbles(block, step), TBlock.Nibbles(b, step), TBlock.Nibbles(c, step), TBlock.Nibbles(d, step)).Transposed().Store(to);
        if (layout.CodeBits == 4) return;
        Vector256<byte> aboveA = TBlock.Above(block, step), aboveB = TBlock.Above(b, step), aboveC = TBlock.Above(c, step), aboveD = TBlock.Above(d, step);
        WriteAbove(
            new Rows4(aboveA.GetLower(), aboveB.GetLower(), aboveC.GetLower(), aboveD.GetLower()),
            new Rows4(aboveA.GetUpper(), aboveB.GetUpper(), aboveC.GetUpper(), aboveD.GetUpper()), to);
    }

    /// <summary>Any format, row by row.</summary>
    /// <exception cref="BackendException">A scale that is not finite.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WriteRows(int panel, int first, int count)
    {
        scales ??= PanelScales.For(matrix, layout);
        if (count < PanelLayout.Rows || matrix.Columns < width) Array.Clear(rows);
        if (count < PanelLayout.Rows) scales.Clear();
        for (int r = 0; r < count; r++)
        {
            matrix.ReadCodes(first + r, rows.AsSpan(r * width, matrix.Columns));
            scales.Read(r, first + r);
        }

        byte* to = target.Panel(panel);
        fixed (byte* codes = rows)
            for (int step = 0; step < target.Steps; step++, to += layout.StepBytes)
            {
                if (layout.StepsPerBlock > 0 && step % layout.StepsPerBlock == 0)
                {
                    scales.WriteBlock(step / layout.StepsPerBlock, to);
                    to += layout.BlockBytes;
                }
                for (int r = 0; r < PanelLayout.Rows; r += RowsAtOnce) WriteCodes(codes + r * width + step * PanelLayout.StepColumns, to + sizeof(uint) * r);
                for (int part = 0; part < layout.ScalesPerStep; part++) scales.Write(step, part, to);
            }
    }

    /// <summary>Four rows' part of a step's quads. Quads q and q + 4 share bytes as low and high nibbles; bits above the fourth follow.</summary>
    private void WriteCodes(byte* source, byte* to)
    {
        Rows4 low = new(source, width), high = new(source + Part, width);
        if (layout.CodeBits == 8)
        {
            low.Transposed().Store(to);
            high.Transposed().Store(to + Pairs * PanelLayout.Register);
            return;
        }
        low.WithUpperNibblesOf(high).Transposed().Store(to);
        if (layout.CodeBits > 4) WriteAbove(low.Above(4), high.Above(4), to);
    }

    /// <summary>The fifth bits, or the fifth and sixth.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WriteAbove(Rows4 low, Rows4 high, byte* to)
    {
        Rows4 lowBits = low.Transposed(), highBits = high.Transposed();
        to += Pairs * PanelLayout.Register;
        if (layout.CodeBits == 5) (lowBits.Joined(1) | (highBits.Joined(1) << 4)).Store(to);
        else
        {
            lowBits.Joined(2).Store(to);
            highBits.Joined(2).Store(to + PanelLayout.Register);
        }
    }

    /// <summary>16 codes of each of 4 rows, or after transposition 4 codes of each row in each of 4 quads.</summary>
    private readonly struct Rows4(Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d)
    {
        private readonly Vector128<byte> a = a, b = b, c = c, d = d;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Rows4(byte* source, int stride)
            : this(Vector128.Load(source), Vector128.Load(source + stride), Vector128.Load(source + 2 * stride), Vector128.Load(source + 3 * stride))
        {
        }

        /// <summary>4 × 4 transposition of 32-bit elements.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Rows4 Transposed()
        {
            Vector128<ulong> lowAB = Low(a, b), lowCD = Low(c, d), highAB = High(a, b), highCD = High(c, d);
            return new(First(lowAB, lowCD), Second(lowAB, lowCD), First(highAB, highCD), Second(highAB, highCD));

            static Vector128<ulong> Low(Vector128<byte> l, Vector128<byte> r) => Interleave.Low(l.AsUInt32(), r.AsUInt32()).AsUInt64();
            static Vector128<ulong> High(Vector128<byte> l, Vector128<byte> r) => Interleave.High(l.AsUInt32(), r.AsUInt32()).AsUInt64();
            static Vector128<byte> First(Vector128<ulong> l, Vector128<ulong> r) => Interleave.Low(l, r).AsByte();
            static Vector128<byte> Second(Vector128<ulong> l, Vector128<ulong> r) => Interleave.High(l, r).AsByte();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Rows4 WithUpperNibblesOf(Rows4 high)
        {
            Vector128<byte> nibble = Vector128.Create((byte)0x0f);
            return new((a & nibble) | (high.a << 4), (b & nibble) | (high.b << 4), (c & nibble) | (high.c << 4), (d & nibble) | (high.d << 4));
        }

        public Rows4 Above(int bit) => new(a >>> bit, b >>> bit, c >>> bit, d >>> bit);

        /// <summary>Four fields of so many bits in one byte.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector128<byte> Joined(int bits) => a | (b << bits) | (c << (2 * bits)) | (d << (3 * bits));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Store(byte* to)
        {
            a.Store(to);
            b.Store(to + PanelLayout.Register);
            c.Store(to + 2 * PanelLayout.Register);
            d.Store(to + 3 * PanelLayout.Register);
        }
    }
}
