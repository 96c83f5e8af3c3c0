using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>
/// A stored weight matrix [out, in] in any format, where it lies (usually memory-mapped). Devices pack it into a layout of
/// their own at load. Valid while its checkpoint is open.
/// </summary>
public abstract class StoredMatrix(string name, int rows, int columns, WeightFormat format)
{
    /// <summary>What to show in messages.</summary>
    public string Name { get; } = name;

    /// <summary>Output features.</summary>
    public int Rows { get; } = rows;

    /// <summary>Input features.</summary>
    public int Columns { get; } = columns;

    public WeightFormat Format { get; } = format;

    /// <summary>Bytes as stored, scales included.</summary>
    public abstract long ByteLength { get; }

    /// <summary>The values of one row in float32, as the format defines them.</summary>
    /// <param name="values">[Columns]</param>
    public abstract void ReadRow(int row, Span<float> values);

    /// <summary>Rows <paramref name="first"/> to first + count - 1, without copying.</summary>
    public abstract StoredMatrix SliceRows(int first, int count);

    /// <summary>Tells, of each row once, that it has been packed and is not needed soon, so that its memory may go.</summary>
    public virtual void Release(int firstRow, int rows)
    {
        // Memory that is not a mapped file's has nowhere to come back from.
    }

    /// <summary>Refuses NaN and infinity, at the cost of a look at every element.</summary>
    /// <param name="location">The file, for the message.</param>
    /// <exception cref="CheckpointException">Names tensor and element.</exception>
    public abstract void RequireFinite(string location);
}

/// <summary>A matrix of F32, F16 or BF16 elements.</summary>
public sealed class DenseMatrix : StoredMatrix
{
    /// <param name="tensor">[rows, columns]</param>
    public DenseMatrix(StoredTensor tensor)
        : base(tensor.Name, checked((int)tensor.Shape[0]), checked((int)tensor.Shape[1]), WeightFormat.OfDense(tensor.DType))
        => Tensor = tensor;

    public StoredTensor Tensor { get; }
    public override long ByteLength => Tensor.ByteLength;
    public override void ReadRow(int row, Span<float> values) => Tensor.ReadSingles((long)row * Columns, values);
    public override StoredMatrix SliceRows(int first, int count) => new DenseMatrix(Tensor.Rows(first, count));
    public override void Release(int firstRow, int rows) => Tensor.Release((long)firstRow * Columns * Tensor.DType.Size(), (long)rows * Columns * Tensor.DType.Size());
    public override void RequireFinite(string location) => FiniteCheck.Require(Tensor, location);
}

/// <summary>A matrix of codes with a scale, and perhaps an offset, for each group of columns of each row.</summary>
public abstract class QuantizedMatrix(string name, int rows, int columns, WeightFormat format)
    : StoredMatrix(name, rows, columns, format)
{
    public CodeType Code => Format.Code!;

    /// <summary>Columns that share a scale.</summary>
    public int GroupSize { get; } = format.GroupSize == 0 ? columns : format.GroupSize;

    /// <summary>Groups of a row; the last may be shorter than the others.</summary>
    public int Groups { get; } = format.GroupSize == 0 ? 1 : (columns + format.GroupSize - 1) / format.GroupSize;

    /// <summary>The codes of one row, one a byte.</summary>
    /// <param name="codes">[Columns]</param>
    public abstract void ReadCodes(int row, Span<byte> codes);

    /// <summary>Tells what blocks the rows are stored in; false where they are in none.</summary>
    public virtual bool Visit(IStepBlockVisitor visitor) => false;

    /// <summary>Copies rows as they are stored, of a matrix that has blocks.</summary>
    /// <param name="bytes">Room for them.</param>
    public virtual void CopyRows(int first, int count, Span<byte> bytes) => throw new NotSupportedException($"{Name} has no blocks");

    /// <summary>Scales and offsets of one row in float32; offsets are 0 where the format has none.</summary>
    /// <param name="scales">[Groups]</param> <param name="offsets">[Groups]</param>
    public abstract void ReadScales(int row, Span<float> scales, Span<float> offsets);

    /// <summary>A floating type that holds every scale and offset exactly; F32 when a narrower one is not known to.</summary>
    public virtual DType ScaleType => DType.F32;

    /// <summary>Scales and offsets as stored, for a matrix whose <see cref="ScaleType"/> is F16.</summary>
    /// <param name="scales">[Groups]</param> <param name="offsets">[Groups]; 0 where the format has none</param>
    public virtual void ReadHalfScales(int row, Span<Half> scales, Span<Half> offsets) => throw new NotSupportedException($"{Name} has scales of {ScaleType}");

    /// <summary>Groups that share a float16 scale and offset, each with an integer factor of its own (K-quants); 0 for plain scales.</summary>
    public virtual int GroupsPerBlock => 0;

    /// <summary>Factors as stored: a group's scale is its factor · its block's scale, likewise its offset.</summary>
    /// <param name="blockScales">[Groups / GroupsPerBlock]</param> <param name="blockOffsets">[Groups / GroupsPerBlock]</param>
    /// <param name="scales">[Groups]</param> <param name="offsets">[Groups]</param>
    public virtual void ReadFactors(int row, Span<Half> blockScales, Span<Half> blockOffsets, Span<sbyte> scales, Span<sbyte> offsets)
        => throw new NotSupportedException($"{Name} has plain scales");

    /// <summary>The group of each column when the format has act-order; empty when it is column / GroupSize.</summary>
    public virtual ReadOnlySpan<int> ColumnGroups => default;

    public override void ReadRow(int row, Span<float> values)
    {
        Span<byte> codes = Columns <= 4096 ? stackalloc byte[Columns] : new byte[Columns];
        Span<float> scales = Groups <= 1024 ? stackalloc float[Groups] : new float[Groups];
        Span<float> offsets = Groups <= 1024 ? stackalloc float[Groups] : new float[Groups];
        ReadCodes(row, codes);
        ReadScales(row, scales, offsets);
        ReadOnlySpan<float> table = Code.Values;
        ReadOnlySpan<int> groups = ColumnGroups;
        for (int i = 0; i < Columns; i++)
        {
            int group = groups.IsEmpty ? i / GroupSize : groups[i];
            values[i] = table[codes[i]] * scales[group] + offsets[group];
        }
    }

    /// <summary>Only codes of small floats can be NaN or infinity; scales are checked when the matrix is found.</summary>
    public override void RequireFinite(string location)
    {
        bool[] bad = [.. Code.Values.ToArray().Select(value => !float.IsFinite(value))];
        if (!bad.Contains(true)) return;
        byte[] codes = new byte[Columns];
        for (int row = 0; row < Rows; row++)
        {
            ReadCodes(row, codes);
            for (int i = 0; i < codes.Length; i++)
                if (bad[codes[i]])
                    throw new CheckpointException($"{location}: tensor {MessageText.Quote(Name)} holds NaN or infinity (code 0x{codes[i]:x2}) at row {row}, column {i}; the file is damaged");
        }
    }
}
