using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>
/// A matrix of F32, F16 or BF16 elements that do not lie row by row, e.g. one expert's part of a stacked tensor: element
/// (row, column) is element first + row · rowStride + column · columnStride of the tensor.
/// </summary>
public sealed class StridedMatrix : StoredMatrix
{
    private readonly StoredTensor tensor;
    private readonly long origin, rowStride, columnStride;

    public StridedMatrix(string name, StoredTensor tensor, long first, int rows, int columns, long rowStride, long columnStride)
        : base(name, rows, columns, WeightFormat.OfDense(tensor.DType))
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(rowStride);
        ArgumentOutOfRangeException.ThrowIfNegative(columnStride);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(first + (rows - 1) * rowStride + (columns - 1) * columnStride, tensor.ElementCount);
        this.tensor = tensor;
        origin = first;
        this.rowStride = rowStride;
        this.columnStride = columnStride;
    }

    public override long ByteLength => (long)Rows * Columns * tensor.DType.Size();

    public override void ReadRow(int row, Span<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, Columns);
        tensor.ReadSingles(origin + row * rowStride, columnStride, values);
    }

    public override StoredMatrix SliceRows(int first, int count)
        => new StridedMatrix($"{Name}[{first}:{first + count}]", tensor, origin + first * rowStride, count, Columns, rowStride, columnStride);

    /// <summary>Looks at the whole tensor, other matrices' elements included.</summary>
    public override void RequireFinite(string location) => FiniteCheck.Require(tensor, location);

    /// <summary>Rows as columns.</summary>
    public StridedMatrix Transpose() => new(Name, tensor, origin, Columns, Rows, columnStride, rowStride);
}
