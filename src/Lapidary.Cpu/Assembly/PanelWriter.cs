using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>Writes the panels of one matrix, 16 rows at a time.</summary>
internal sealed unsafe class PanelWriter : IDisposable
{
    private const int RowsAtOnce = 4, Part = 16, Pairs = PanelLayout.Quads / 2;

    private readonly QuantizedMatrix matrix;
    private readonly IntegerPanels target;
    private readonly PanelLayout layout;
    private readonly HalfScaledBlocks? blocks;
    private readonly bool nibbles;
    private readonly int width;
    private readonly byte[] copies, codes; // of rows, [row, column]; lent, since thousands of matrices are packed within seconds
    private PanelScales? scales;

    public PanelWriter(QuantizedMatrix matrix, IntegerPanels target)
    {
        this.target = target;
        layout = target.Layout;
        width = target.Steps * PanelLayout.StepColumns;
        copies = ArrayPool<byte>.Shared.Rent(matrix.StreamBytes);
        codes = ArrayPool<byte>.Shared.Rent(PanelLayout.Rows * width); // half of it for nibbles
        this.matrix = matrix.Streamed(copies);
        blocks = layout.Scales == ScaleKind.Half ? matrix.PlainBlocks : null;
        nibbles = layout.CodeBits == 4 && matrix.StoresNibbles;
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(copies);
        ArrayPool<byte>.Shared.Return(codes);
    }

    // Optimised at once: it runs from the first moment of a load, and never again.

    /// <exception cref="BackendException">A scale that is not finite.</exception>
    public void Write(int panel)
    {
        int first = panel * PanelLayout.Rows, rows = Math.Min(PanelLayout.Rows, matrix.Rows - first);
        if (rows < PanelLayout.Rows || blocks is not { } plain || !WriteBlocks(panel, first, plain)) WriteRows(panel, first, rows);
        matrix.Release(first, rows);
    }

    /// <summary>A whole panel of blocks as they are stored. False when a scale is not finite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool WriteBlocks(int panel, int first, HalfScaledBlocks plain)
    {
        int stride = target.Steps * plain.Bytes, stepBytes = layout.StepBytes, scaleAt = layout.ScaleOffset(0), offsetAt = layout.OffsetOffset(0);
        bool isNibbles = layout.CodeBits == 4, hasOffsets = layout.HasOffsets;
        Vector256<ushort> bad = default;
        byte* to = target.Panel(panel);
        fixed (byte* stored = matrix.StoredRows(first, PanelLayout.Rows))
            for (byte* block = stored, end = stored + stride; block < end; block += plain.Bytes, to += stepBytes)
            {
                for (int r = 0; r < PanelLayout.Rows; r += RowsAtOnce)
                {
                    byte* from = block + r * stride + plain.CodesAt, words = to + sizeof(uint) * r;
                    if (isNibbles) new Rows4(from, stride).Transposed().Store(words);
                    else
                    {
                        new Rows4(from, stride).FromSigned().Transposed().Store(words);
                        new Rows4(from + Part, stride).FromSigned().Transposed().Store(words + Pairs * PanelLayout.Register);
                    }
                }
                bad |= WriteColumn(block, stride, (ushort*)(to + scaleAt));
                if (hasOffsets) bad |= WriteColumn(block + sizeof(Half), stride, (ushort*)(to + offsetAt));
            }
        return bad == default;
    }

    /// <summary>One float16 of each row; gives all ones where it is not finite.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> WriteColumn(byte* from, int stride, ushort* column)
    {
        for (int r = 0; r < PanelLayout.Rows; r++, from += stride) column[r] = *(ushort*)from;
        Vector256<ushort> exponent = Vector256.Create((ushort)0x7c00);
        return Vector256.Equals(Vector256.Load(column) & exponent, exponent);
    }

    /// <summary>Any format, row by row.</summary>
    /// <exception cref="BackendException">A scale that is not finite.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WriteRows(int panel, int first, int rows)
    {
        scales ??= PanelScales.For(matrix, layout);
        if (rows < PanelLayout.Rows || matrix.Columns < width) Array.Clear(codes);
        if (rows < PanelLayout.Rows) scales.Clear();
        for (int r = 0; r < rows; r++)
        {
            if (nibbles) matrix.ReadNibbles(first + r, codes.AsSpan(r * width, matrix.Columns / 2));
            else matrix.ReadCodes(first + r, codes.AsSpan(r * width, matrix.Columns));
            scales.Read(r, first + r);
        }

        byte* to = target.Panel(panel);
        fixed (byte* source = codes)
            for (int step = 0; step < target.Steps; step++, to += layout.StepBytes)
            {
                if (layout.StepsPerBlock > 0 && step % layout.StepsPerBlock == 0)
                {
                    scales.WriteBlock(step / layout.StepsPerBlock, to);
                    to += layout.BlockBytes;
                }
                for (int r = 0; r < PanelLayout.Rows; r += RowsAtOnce)
                {
                    byte* from = source + r * width, words = to + sizeof(uint) * r;
                    if (nibbles) new Rows4(from + step * Part, width).Transposed().Store(words);
                    else WriteCodes(from + step * PanelLayout.StepColumns, words);
                }
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
        int bits = layout.CodeBits - 4;
        if (bits == 0) return;
        Rows4 lowBits = low.Above(4).Transposed(), highBits = high.Above(4).Transposed();
        to += Pairs * PanelLayout.Register;
        if (bits == 1) (lowBits.Joined(1) | (highBits.Joined(1) << 4)).Store(to);
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
            static Vector128<byte> First(Vector128<ulong> l, Vector128<ulong> r) => Vector128.Create(l.GetLower(), r.GetLower()).AsByte();
            static Vector128<byte> Second(Vector128<ulong> l, Vector128<ulong> r) => Vector128.Create(l.GetUpper(), r.GetUpper()).AsByte();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Rows4 WithUpperNibblesOf(Rows4 high)
        {
            Vector128<byte> nibble = Vector128.Create((byte)0x0f);
            return new((a & nibble) | (high.a << 4), (b & nibble) | (high.b << 4), (c & nibble) | (high.c << 4), (d & nibble) | (high.d << 4));
        }

        /// <summary>Two's complement to offset binary.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Rows4 FromSigned()
        {
            Vector128<byte> sign = Vector128.Create((byte)0x80);
            return new(a ^ sign, b ^ sign, c ^ sign, d ^ sign);
        }

        public Rows4 Above(int bit) => new(a >>> bit, b >>> bit, c >>> bit, d >>> bit);

        /// <summary>Four fields of so many bits in one byte.</summary>
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

/// <summary>Elements of two vectors in turn.</summary>
internal static class Interleave
{
    public static Vector128<uint> Low(Vector128<uint> l, Vector128<uint> r) => Sse2.IsSupported ? Sse2.UnpackLow(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(l, r)
        : Vector128.Create(l[0], r[0], l[1], r[1]);

    public static Vector128<uint> High(Vector128<uint> l, Vector128<uint> r) => Sse2.IsSupported ? Sse2.UnpackHigh(l, r)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(l, r)
        : Vector128.Create(l[2], r[2], l[3], r[3]);
}
