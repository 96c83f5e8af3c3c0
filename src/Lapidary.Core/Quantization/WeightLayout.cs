using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>One published way to store a quantised weight matrix in several tensors.</summary>
internal abstract class WeightLayout
{
    /// <summary>What the weights are, for people, e.g. "int4 g128".</summary>
    public abstract string Description { get; }

    /// <param name="location">The file, for messages.</param>
    /// <exception cref="CheckpointException">Parts are missing, of wrong shape or dtype, out of range, or disagree.</exception>
    public abstract QuantizedMatrix Read(MatrixParts parts, string location);

    /// <summary>Groups of a row; the last may be short.</summary>
    protected static int Groups(int columns, int groupSize) => groupSize == 0 ? 1 : (columns + groupSize - 1) / groupSize;

    /// <summary>32-bit words that hold so many integers.</summary>
    protected static long Words(int count, int bits) => ((long)count * bits + 31) / 32;

    /// <summary>Checks the scales and puts the matrix together.</summary>
    protected static GroupedMatrix Matrix(
        MatrixParts parts, string location, WeightFormat format, PackedIntegers codes, ScaleGrid scales, ZeroPoints? zeros, int[] columnGroups)
    {
        float largest = 0;
        foreach (float value in format.Code!.Values)
            if (float.IsFinite(value)) largest = Math.Max(largest, Math.Abs(value));
        scales.RequireFinite(location, largest);
        return new GroupedMatrix(
            parts.Name, parts.Rows, parts.Columns, parts.ByteLength, format, codes, scales, zeros, columnGroups,
            new SharedTensors([.. parts.Tensors.Where(tensor => tensor != codes.ByRows)], parts.Rows));
    }

    /// <summary>The group of each column, or empty when it is column / group size.</summary>
    /// <exception cref="CheckpointException">A group is out of range.</exception>
    protected static int[] ColumnGroups(MatrixParts parts, StoredTensor indices, int groupSize)
    {
        int[] groups = indices.ToInt32s();
        int count = Groups(parts.Columns, groupSize);
        for (int i = 0; i < groups.Length; i++)
            if (groups[i] < 0 || groups[i] >= count)
                throw parts.Error(indices, $"puts column {i} in group {groups[i]}, expected 0 to {count - 1}; the file is damaged or group_size is wrong");
        for (int i = 0; i < groups.Length; i++)
            if (groups[i] != (groupSize == 0 ? 0 : i / groupSize)) return groups;
        return [];
    }
}
