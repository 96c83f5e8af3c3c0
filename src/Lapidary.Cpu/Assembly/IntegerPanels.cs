using System.Runtime.ExceptionServices;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>A quantised matrix packed into panels of 16 rows (<see cref="PanelLayout"/>). Rows and columns beyond the last are 0.</summary>
internal sealed unsafe class IntegerPanels : IDisposable
{
    private byte* memory;

    /// <exception cref="BackendException">A scale that is not finite.</exception>
    public IntegerPanels(QuantizedMatrix matrix)
    {
        Rows = matrix.Rows;
        Steps = (matrix.Columns + PanelLayout.StepColumns - 1) / PanelLayout.StepColumns;
        Panels = (Rows + PanelLayout.Rows - 1) / PanelLayout.Rows;
        Layout = PanelLayout.For(matrix.Format, SmallestScales(matrix));
        PanelBytes = (nint)Steps * Layout.StepBytes;
        nuint bytes = checked((nuint)Panels * (nuint)PanelBytes);
        memory = (byte*)LargePages.Allocate(bytes);
        try
        {
            Parallel.For(0, Panels, () => new PanelWriter(matrix, this), (panel, _, writer) => writer.Write(panel), _ => { });
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]); // what is wrong with the matrix, not how many threads met it
        }
    }

    ~IntegerPanels() => Free();

    public PanelLayout Layout { get; }
    public int Rows { get; }
    public int Steps { get; }
    public int Panels { get; }
    public nint PanelBytes { get; }

    public byte* Panel(int panel) => memory + panel * PanelBytes;

    /// <summary>Bit r is set where row r of the panel exists.</summary>
    public nint RowMask(int panel) => (nint)((1u << Math.Min(PanelLayout.Rows, Rows - panel * PanelLayout.Rows)) - 1);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (memory == null) return;
        LargePages.Free(memory);
        memory = null;
    }

    /// <summary>Scales and offsets of unsigned codes: a signed type's lowest number becomes part of the offset.</summary>
    internal static void ReadScales(QuantizedMatrix matrix, int row, Span<float> scales, Span<float> offsets)
    {
        matrix.ReadScales(row, scales, offsets);
        if (!matrix.Format.HasOffsets) return;
        for (int g = 0; g < scales.Length; g++) offsets[g] += matrix.Code.Values[0] * scales[g];
    }

    /// <summary>The smallest type that holds every scale and offset exactly.</summary>
    private static ScaleKind SmallestScales(QuantizedMatrix matrix)
    {
        // A signed type's lowest number becomes part of the offset, which may then need more bits.
        if (matrix.ScaleType == DType.F16 && (!matrix.Format.HasOffsets || matrix.Code.Values[0] == 0)) return ScaleKind.Half;
        var scales = new float[matrix.Groups];
        var offsets = new float[matrix.Groups];
        bool half = true, brain = true;
        for (int row = 0; row < matrix.Rows && (half || brain); row++)
        {
            ReadScales(matrix, row, scales, offsets);
            for (int i = 0; i < 2 * scales.Length; i++)
            {
                float value = i < scales.Length ? scales[i] : offsets[i - scales.Length];
                half &= (float)(Half)value == value;
                brain &= (BitConverter.SingleToUInt32Bits(value) & 0xffff) == 0;
            }
        }
        return half ? ScaleKind.Half : brain ? ScaleKind.BFloat16 : ScaleKind.Single;
    }
}

/// <summary>Writes the panels of one matrix, 16 rows at a time.</summary>
internal sealed unsafe class PanelWriter(QuantizedMatrix matrix, IntegerPanels target)
{
    private readonly PanelLayout layout = target.Layout;
    private readonly int width = target.Steps * PanelLayout.StepColumns;
    private readonly byte[] codes = new byte[PanelLayout.Rows * target.Steps * PanelLayout.StepColumns];
    private readonly float[] scales = new float[PanelLayout.Rows * matrix.Groups];
    private readonly float[] offsets = new float[PanelLayout.Rows * matrix.Groups];

    public PanelWriter Write(int panel)
    {
        Read(panel);
        for (int step = 0; step < target.Steps; step++)
        {
            byte* to = target.Panel(panel) + step * layout.StepBytes;
            WriteCodes(step * PanelLayout.StepColumns, to);
            for (int part = 0; part < layout.ScalesPerStep; part++)
            {
                int column = step * PanelLayout.StepColumns + part * PanelLayout.StepColumns / layout.ScalesPerStep;
                int group = Math.Min(column / matrix.GroupSize, matrix.Groups - 1); // past the end: hidden states are 0 there
                WriteScales(scales, group, to + layout.ScaleOffset(part));
                if (layout.HasOffsets) WriteScales(offsets, group, to + layout.OffsetOffset(part));
            }
        }
        return this;
    }

    private void Read(int panel)
    {
        Array.Clear(codes);
        Array.Clear(scales);
        Array.Clear(offsets);
        int groups = matrix.Groups;
        for (int r = 0; r < PanelLayout.Rows && panel * PanelLayout.Rows + r < matrix.Rows; r++)
        {
            int row = panel * PanelLayout.Rows + r;
            matrix.ReadCodes(row, codes.AsSpan(r * width, matrix.Columns));
            IntegerPanels.ReadScales(matrix, row, scales.AsSpan(r * groups, groups), offsets.AsSpan(r * groups, groups));
            for (int g = r * groups; g < (r + 1) * groups; g++)
                if (!float.IsFinite(scales[g]) || !float.IsFinite(offsets[g]))
                    throw new BackendException($"matrix \"{matrix.Name}\" ({matrix.Format}): the scale of row {row}, group {g - r * groups} is no finite number; the checkpoint is damaged");
        }
    }

    /// <summary>Quads q and q + 4 share bytes as low and high nibbles; bits above the fourth follow.</summary>
    private void WriteCodes(int column, byte* to)
    {
        byte* quads = stackalloc byte[PanelLayout.Quads * PanelLayout.Register];
        fixed (byte* source = codes)
            for (int q = 0; q < PanelLayout.Quads; q++)
                for (int r = 0; r < PanelLayout.Rows; r++)
                    ((uint*)(quads + q * PanelLayout.Register))[r] = *(uint*)(source + r * width + column + 4 * q);

        if (layout.CodeBits == 8)
        {
            Buffer.MemoryCopy(quads, to, layout.CodeBytes, layout.CodeBytes);
            return;
        }
        Vector512<byte> low = Vector512.Create((byte)0x0f);
        for (int q = 0; q < 4; q++)
            ((Quad(q) & low) | ((Quad(q + 4) & low) << 4)).Store(to + q * PanelLayout.Register);
        int bits = layout.CodeBits - 4;
        if (bits == 0) return;
        int perRegister = 8 / bits;
        for (int first = 0; first < PanelLayout.Quads; first += perRegister)
        {
            Vector512<byte> upper = Vector512<byte>.Zero;
            for (int i = 0; i < perRegister; i++) upper |= (Quad(first + i) >>> 4) << (bits * i);
            upper.Store(to + (4 + first / perRegister) * PanelLayout.Register);
        }

        Vector512<byte> Quad(int q) => Vector512.Load(quads + q * PanelLayout.Register);
    }

    private void WriteScales(float[] values, int group, byte* to)
    {
        for (int r = 0; r < PanelLayout.Rows; r++)
        {
            float value = values[r * matrix.Groups + group];
            if (layout.Scales == ScaleKind.Single) ((float*)to)[r] = value;
            else if (layout.Scales == ScaleKind.Half) ((Half*)to)[r] = (Half)value;
            else ((ushort*)to)[r] = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        }
    }
}
