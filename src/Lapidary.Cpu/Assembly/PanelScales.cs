using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>The scales of 16 rows on their way into a panel.</summary>
internal abstract unsafe class PanelScales(QuantizedMatrix matrix, PanelLayout layout)
{
    protected QuantizedMatrix Matrix { get; } = matrix;
    protected PanelLayout Layout { get; } = layout;
    protected int Groups { get; } = matrix.Groups;

    /// <summary>Reads a row of the matrix as row <paramref name="r"/> of the panel.</summary>
    /// <exception cref="BackendException">A scale that is not finite.</exception>
    public abstract void Read(int r, int row);

    /// <summary>Before a panel that has fewer rows.</summary>
    public abstract void Clear();

    /// <param name="to">Where the step begins.</param>
    public abstract void Write(int step, int part, byte* to);

    /// <param name="to">Where the block begins.</param>
    public virtual void WriteBlock(int block, byte* to) => throw new InvalidOperationException("these scales have no blocks");

    public static PanelScales For(QuantizedMatrix matrix, PanelLayout layout) => layout.Scales switch
    {
        ScaleKind.Half => new HalfScales(matrix, layout),
        ScaleKind.Factored => new FactoredScales(matrix, layout),
        _ => new FloatScales(matrix, layout),
    };

    /// <summary>The smallest way to hold every scale and offset exactly.</summary>
    public static ScaleKind SmallestKind(QuantizedMatrix matrix)
    {
        // A signed type's lowest number becomes part of the offset, which may then need more bits.
        if (!matrix.Format.HasOffsets || matrix.Code.Values[0] == 0)
        {
            if (matrix.ScaleType == DType.F16) return ScaleKind.Half;
            if (matrix.GroupsPerBlock > 0) return ScaleKind.Factored;
        }
        var scales = new float[matrix.Groups];
        var offsets = new float[matrix.Groups];
        bool half = true, brain = true;
        for (int row = 0; row < matrix.Rows && (half || brain); row++)
        {
            FloatScales.Read(matrix, row, scales, offsets);
            for (int i = 0; i < 2 * scales.Length; i++)
            {
                float value = i < scales.Length ? scales[i] : offsets[i - scales.Length];
                half &= (float)(Half)value == value;
                brain &= (BitConverter.SingleToUInt32Bits(value) & 0xffff) == 0;
            }
        }
        return half ? ScaleKind.Half : brain ? ScaleKind.BFloat16 : ScaleKind.Single;
    }

    /// <summary>The group of a step's part; past the last column, where hidden states are 0, the last one.</summary>
    protected int Group(int step, int part)
        => Math.Min((step * PanelLayout.StepColumns + part * PanelLayout.StepColumns / Layout.ScalesPerStep) / Matrix.GroupSize, Groups - 1);

    /// <summary>One value of each of 16 rows.</summary>
    protected static void WriteColumn<T>(T[] values, int rowLength, int index, byte* to) where T : unmanaged
    {
        for (int r = 0; r < PanelLayout.Rows; r++) ((T*)to)[r] = values[r * rowLength + index];
    }

    protected static bool IsFinite(ReadOnlySpan<Half> values)
    {
        ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<Half, ushort>(values);
        Vector128<ushort> exponent = Vector128.Create((ushort)0x7c00), bad = default;
        int i = 0;
        for (; i + Vector128<ushort>.Count <= bits.Length; i += Vector128<ushort>.Count)
            bad |= Vector128.Equals(Vector128.Create(bits.Slice(i, Vector128<ushort>.Count)) & exponent, exponent);
        bool finite = bad == default;
        for (; i < bits.Length; i++) finite &= (bits[i] & 0x7c00) != 0x7c00;
        return finite;
    }

    protected BackendException NotFinite(int row) => NotFinite(Matrix, row);

    public static BackendException NotFinite(QuantizedMatrix matrix, int row) => new($"matrix {MessageText.Quote(matrix.Name)} ({matrix.Format}): a scale of row {row} is no finite number; the checkpoint is damaged");
}

/// <summary>float16 as stored.</summary>
internal sealed unsafe class HalfScales(QuantizedMatrix matrix, PanelLayout layout) : PanelScales(matrix, layout)
{
    private readonly Half[] scales = new Half[PanelLayout.Rows * matrix.Groups], offsets = new Half[PanelLayout.Rows * matrix.Groups];
    private readonly bool stored = matrix.ScaleType == DType.F16;
    private readonly float[] floatScales = new float[matrix.Groups], floatOffsets = new float[matrix.Groups];

    public override void Read(int r, int row)
    {
        Span<Half> rowScales = scales.AsSpan(r * Groups, Groups), rowOffsets = offsets.AsSpan(r * Groups, Groups);
        if (stored) Matrix.ReadHalfScales(row, rowScales, rowOffsets);
        else
        {
            FloatScales.Read(Matrix, row, floatScales, floatOffsets);
            for (int g = 0; g < Groups; g++) (rowScales[g], rowOffsets[g]) = ((Half)floatScales[g], (Half)floatOffsets[g]);
        }
        if (!IsFinite(rowScales) || (Layout.HasOffsets && !IsFinite(rowOffsets))) throw NotFinite(row);
    }

    public override void Clear()
    {
        Array.Clear(scales);
        Array.Clear(offsets);
    }

    public override void Write(int step, int part, byte* to)
    {
        int group = Group(step, part);
        WriteColumn(scales, Groups, group, to + Layout.ScaleOffset(part));
        if (Layout.HasOffsets) WriteColumn(offsets, Groups, group, to + Layout.OffsetOffset(part));
    }
}

/// <summary>float32 or bfloat16, from any stored scales.</summary>
internal sealed unsafe class FloatScales(QuantizedMatrix matrix, PanelLayout layout) : PanelScales(matrix, layout)
{
    private readonly float[] scales = new float[PanelLayout.Rows * matrix.Groups], offsets = new float[PanelLayout.Rows * matrix.Groups];

    public override void Read(int r, int row)
    {
        Span<float> rowScales = scales.AsSpan(r * Groups, Groups), rowOffsets = offsets.AsSpan(r * Groups, Groups);
        Read(Matrix, row, rowScales, rowOffsets);
        for (int g = 0; g < Groups; g++)
            if (!float.IsFinite(rowScales[g]) || !float.IsFinite(rowOffsets[g])) throw NotFinite(row);
    }

    public override void Clear()
    {
        Array.Clear(scales);
        Array.Clear(offsets);
    }

    public override void Write(int step, int part, byte* to)
    {
        int group = Group(step, part);
        Write(scales, group, to + Layout.ScaleOffset(part));
        if (Layout.HasOffsets) Write(offsets, group, to + Layout.OffsetOffset(part));
    }

    /// <summary>Scales and offsets of unsigned codes: a signed type's lowest number becomes part of the offset.</summary>
    public static void Read(QuantizedMatrix matrix, int row, Span<float> scales, Span<float> offsets)
    {
        matrix.ReadScales(row, scales, offsets);
        if (!matrix.Format.HasOffsets) return;
        for (int g = 0; g < scales.Length; g++) offsets[g] += matrix.Code.Values[0] * scales[g];
    }

    private void Write(float[] values, int group, byte* to)
    {
        for (int r = 0; r < PanelLayout.Rows; r++)
        {
            float value = values[r * Groups + group];
            if (Layout.Scales == ScaleKind.Single) ((float*)to)[r] = value;
            else ((ushort*)to)[r] = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        }
    }
}

/// <summary>8-bit factors and the float16 that a block of steps shares, as stored.</summary>
internal sealed unsafe class FactoredScales(QuantizedMatrix matrix, PanelLayout layout) : PanelScales(matrix, layout)
{
    private readonly int blocks = matrix.Groups / matrix.GroupsPerBlock;
    private readonly Half[] blockScales = new Half[PanelLayout.Rows * matrix.Groups / matrix.GroupsPerBlock];
    private readonly Half[] blockOffsets = new Half[PanelLayout.Rows * matrix.Groups / matrix.GroupsPerBlock];
    private readonly sbyte[] scales = new sbyte[PanelLayout.Rows * matrix.Groups], offsets = new sbyte[PanelLayout.Rows * matrix.Groups];

    public override void Read(int r, int row)
    {
        Span<Half> rowScales = blockScales.AsSpan(r * blocks, blocks), rowOffsets = blockOffsets.AsSpan(r * blocks, blocks);
        Matrix.ReadFactors(row, rowScales, rowOffsets, scales.AsSpan(r * Groups, Groups), offsets.AsSpan(r * Groups, Groups));
        if (!IsFinite(rowScales) || (Layout.HasOffsets && !IsFinite(rowOffsets))) throw NotFinite(row);
    }

    public override void Clear()
    {
        foreach (Array values in (Array[])[blockScales, blockOffsets, scales, offsets]) Array.Clear(values);
    }

    public override void Write(int step, int part, byte* to)
    {
        int group = Group(step, part);
        WriteColumn(scales, Groups, group, to + Layout.ScaleOffset(part));
        if (Layout.HasOffsets) WriteColumn(offsets, Groups, group, to + Layout.OffsetOffset(part));
    }

    public override void WriteBlock(int block, byte* to)
    {
        WriteColumn(blockScales, blocks, block, to);
        if (Layout.HasOffsets) WriteColumn(blockOffsets, blocks, block, to + PanelLayout.BlockScaleBytes);
    }
}
