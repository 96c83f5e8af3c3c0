using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>Zero points of the groups of a matrix.</summary>
/// <param name="Stored">[rows, groups]</param>
/// <param name="Plus">Added to each stored number, which wraps around at its width: 1 in GPTQ's first format.</param>
internal sealed record ZeroPoints(PackedIntegers Stored, int Bits, int Plus)
{
    public void ReadRow(int row, Span<byte> zeros)
    {
        Stored.ReadRow(row, zeros);
        if (Plus == 0) return;
        for (int g = 0; g < zeros.Length; g++) zeros[g] = (byte)((zeros[g] + Plus) & ((1 << Bits) - 1));
    }
}

/// <summary>Tensors of a matrix that are needed until its last row has been packed.</summary>
/// <param name="rows">Of the whole matrix, slices of which may be packed by themselves.</param>
internal sealed class SharedTensors(IReadOnlyList<StoredTensor> tensors, int rows)
{
    private int left = rows;

    public void Release(int count)
    {
        if (Interlocked.Add(ref left, -count) != 0) return;
        foreach (StoredTensor tensor in tensors) tensor.Release(0, tensor.ByteLength);
    }
}

/// <summary>A quantised matrix put together from where a layout keeps its codes, scales and zero points. Nothing is copied.</summary>
/// <param name="zeros">null when the codes are signed or floating.</param>
/// <param name="columnGroups">Group of each column with act-order; else empty.</param>
/// <param name="shared">What rows have in common.</param>
internal sealed class GroupedMatrix(
    string name, int rows, int columns, long byteLength, WeightFormat format, PackedIntegers codes, ScaleGrid scales,
    ZeroPoints? zeros, int[] columnGroups, SharedTensors shared)
    : QuantizedMatrix(name, rows, columns, format)
{
    public override long ByteLength => byteLength;

    public override ReadOnlySpan<int> ColumnGroups => columnGroups;

    public override void ReadCodes(int row, Span<byte> codesOfRow)
    {
        Check(row);
        codes.ReadRow(row, codesOfRow[..Columns]);
    }

    public override void ReadScales(int row, Span<float> scalesOfRow, Span<float> offsets)
    {
        Check(row);
        scales.ReadRow(row, scalesOfRow[..Groups]);
        if (zeros is null)
        {
            offsets[..Groups].Clear();
            return;
        }
        Span<byte> zero = Groups <= 4096 ? stackalloc byte[Groups] : new byte[Groups];
        zeros.ReadRow(row, zero);
        for (int g = 0; g < zero.Length; g++) offsets[g] = -zero[g] * scalesOfRow[g];
    }

    /// <summary>(number of the code - zero point) · scale, one rounding, as the published code computes it in float32.</summary>
    public override void ReadRow(int row, Span<float> values)
    {
        Check(row);
        Span<byte> code = Columns <= 16384 ? stackalloc byte[Columns] : new byte[Columns];
        Span<byte> zero = Groups <= 4096 ? stackalloc byte[Groups] : new byte[Groups];
        Span<float> scale = Groups <= 4096 ? stackalloc float[Groups] : new float[Groups];
        codes.ReadRow(row, code);
        scales.ReadRow(row, scale);
        if (zeros is null) zero.Clear();
        else zeros.ReadRow(row, zero);
        ReadOnlySpan<float> numbers = Code.Values;
        for (int i = 0; i < code.Length; i++)
        {
            int group = columnGroups.Length == 0 ? i / GroupSize : columnGroups[i];
            values[i] = (numbers[code[i]] - zero[group]) * scale[group];
        }
    }

    public override StoredMatrix SliceRows(int first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, Rows - count);
        return new GroupedMatrix(
            $"{Name}[{first}:{first + count}]", count, Columns, byteLength * count / Math.Max(1, Rows), Format, codes.From(first), scales.From(first),
            zeros is null ? null : zeros with { Stored = zeros.Stored.From(first) }, columnGroups, shared);
    }

    public override void Release(int firstRow, int rows)
    {
        codes.Release(firstRow, rows);
        shared.Release(rows);
    }

    private void Check(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
    }
}
