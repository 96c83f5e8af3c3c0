using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>How the second factor of two-level scales is applied.</summary>
internal enum GlobalScale
{
    /// <summary>scale · global (modelopt's weight_scale_2).</summary>
    Multiply,

    /// <summary>scale / global (compressed-tensors' weight_global_scale).</summary>
    Divide,
}

/// <summary>
/// The scales of a matrix, [rows, groups] to its readers, wherever they lie: one for a whole tensor, for a row, for a block
/// of rows and columns, for a group of columns; by rows or (GPTQ, AWQ) by groups.
/// </summary>
/// <param name="tensor">F32, F16, BF16, F8_E4M3, or E8M0 exponents as U8 or F8_E8M0.</param>
internal sealed record ScaleGrid(StoredTensor tensor)
{
    /// <summary>Elements from a row of scales to the next.</summary>
    public required long RowStride { get; init; }

    /// <summary>Elements from a group to the next.</summary>
    public required long GroupStride { get; init; }

    /// <summary>Rows of the matrix that share a row of scales.</summary>
    public int BlockRows { get; init; } = 1;

    /// <summary>First row of the matrix that begins a new run of blocks, for matrices stacked after their scales were made; 0 for none.</summary>
    public int SecondPart { get; init; }

    public (float Value, GlobalScale Use) Global { get; init; } = (1, GlobalScale.Multiply);

    private int FirstRow { get; init; }

    /// <summary>[out, groups], or one row of scales for each <paramref name="blockRows"/> rows.</summary>
    public static ScaleGrid ByRows(StoredTensor tensor, int groups, int blockRows = 1) => new(tensor) { RowStride = groups, GroupStride = 1, BlockRows = blockRows };

    /// <summary>[groups, out]</summary>
    public static ScaleGrid ByGroups(StoredTensor tensor, int rows) => new(tensor) { RowStride = 1, GroupStride = rows };

    /// <summary>One scale for the whole matrix.</summary>
    public static ScaleGrid Single(StoredTensor tensor) => new(tensor) { RowStride = 0, GroupStride = 0 };

    public ScaleGrid From(int first) => this with { FirstRow = FirstRow + first };

    /// <param name="scales">[groups]</param>
    public void ReadRow(int row, Span<float> scales)
    {
        int inMatrix = FirstRow + row;
        int block = SecondPart == 0 || inMatrix < SecondPart
            ? inMatrix / BlockRows
            : (SecondPart + BlockRows - 1) / BlockRows + (inMatrix - SecondPart) / BlockRows;
        long start = block * RowStride;
        if (GroupStride == 1) Read(start, scales);
        else
            for (int g = 0; g < scales.Length; g++) Read(start + g * GroupStride, scales.Slice(g, 1));
        if (Global is (1, GlobalScale.Multiply)) return;
        // The order of the published code: scale and global scale to one float32 number first, then the code times it.
        for (int g = 0; g < scales.Length; g++)
            scales[g] = Global.Use == GlobalScale.Divide ? scales[g] / Global.Value : scales[g] * Global.Value;
    }

    /// <summary>Refuses scales that are not finite, or so large that a weight would not be.</summary>
    /// <param name="largestCode">Largest magnitude a code stands for.</param>
    /// <exception cref="CheckpointException">Names tensor and element.</exception>
    public void RequireFinite(string location, float largestCode)
    {
        Span<float> values = stackalloc float[256];
        for (long start = 0; start < tensor.ElementCount; start += values.Length)
        {
            Span<float> chunk = values[..(int)Math.Min(values.Length, tensor.ElementCount - start)];
            Read(start, chunk);
            for (int i = 0; i < chunk.Length; i++)
            {
                float scale = Global.Use == GlobalScale.Divide ? chunk[i] / Global.Value : chunk[i] * Global.Value;
                if (!float.IsFinite(scale * largestCode))
                    throw new CheckpointException($"{location}: tensor {MessageText.Quote(tensor.Name)} holds the scale {chunk[i]} at element {start + i}, "
                        + "with which weights are not finite; the file is damaged");
            }
        }
    }

    private void Read(long first, Span<float> values)
    {
        if (tensor.DType is DType.F32 or DType.F16 or DType.BF16)
        {
            tensor.ReadSingles(first, values);
            return;
        }
        ReadOnlySpan<byte> bytes = tensor.Bytes(first, values.Length);
        ReadOnlySpan<float> numbers = tensor.DType == DType.F8_E4M3 ? CodeType.E4M3.Values : Exponents;
        for (int i = 0; i < values.Length; i++) values[i] = numbers[bytes[i]];
    }

    /// <summary>E8M0 of the OCP MX formats: 2^(code - 127), 255 for NaN.</summary>
    private static readonly float[] Exponents = [.. Enumerable.Range(0, 256).Select(code => code == 255 ? float.NaN : MathF.ScaleB(1, code - 127))];
}
