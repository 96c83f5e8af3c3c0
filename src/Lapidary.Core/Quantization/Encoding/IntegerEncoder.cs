using System.Numerics;
using System.Text.Json.Nodes;
using Lapidary.Checkpoints;

namespace Lapidary.Quantization.Encoding;

/// <summary>
/// pack-quantized: integers of 2 to 8 bits with a scale for each group of columns, or for each row. The scale is the largest
/// weight's, or for few bits a somewhat smaller one where cutting the largest weights costs less than coarser steps.
/// </summary>
/// <param name="groupSize">0 for one scale a row.</param>
public sealed class IntegerEncoder(int bits, int groupSize, ZeroPointKind zeroPoints) : WeightEncoder
{
    // At 8 bits steps are so fine that no cut pays.
    private static readonly float[] Shrinks = [1, 0.95f, 0.9f, 0.85f, 0.8f, 0.75f, 0.7f];

    private readonly int top = (1 << bits) - 1;

    public override string Name => $"int{bits}";
    public override string Format => "pack-quantized";

    public override JsonObject Scheme() => new()
    {
        ["num_bits"] = bits,
        ["type"] = "int",
        ["symmetric"] = zeroPoints == ZeroPointKind.None,
        ["strategy"] = groupSize == 0 ? "channel" : "group",
        ["group_size"] = groupSize == 0 ? null : groupSize,
        ["dynamic"] = false,
        ["actorder"] = null,
    };

    public override string? Inapplicable(int columns) => groupSize > 0 && columns > groupSize && columns % groupSize != 0
        ? $"{columns} columns are not a multiple of group size {groupSize}"
        : null;

    public override IEnumerable<TensorToWrite> Encode(string module, StoredMatrix matrix, DType scaleType, RoundingError error)
    {
        int columns = matrix.Columns, groups = Groups(columns), words = (int)(((long)columns * bits + 31) / 32);
        yield return ByRows($"{module}.weight_packed", DType.I32, [matrix.Rows, words], matrix, 1, rows => rows * words * 4, (row, _, destination) =>
        {
            Row encoded = EncodeRow(matrix, row, scaleType);
            byte[] codes = new byte[columns];
            float[] rounded = new float[columns];
            WriteCodes(encoded, codes);
            for (int i = 0; i < columns; i++)
            {
                int group = groupSize == 0 ? 0 : i / groupSize;
                rounded[i] = (codes[i] - encoded.Zeros[group]) * encoded.Scales[group];
            }
            error.Add(encoded.Weights, rounded);
            NumberWriting.Pack(codes, bits, destination.Span);
        });
        int scaleBytes = scaleType.Size();
        yield return ByRows($"{module}.weight_scale", scaleType, [matrix.Rows, groups], matrix, 1, rows => rows * groups * scaleBytes, (row, _, destination) =>
        {
            Row encoded = EncodeRow(matrix, row, scaleType);
            for (int g = 0; g < groups; g++) NumberWriting.Write(scaleType, encoded.Scales[g], destination.Span[(g * scaleBytes)..]);
        });
        yield return TensorToWrite.From($"{module}.weight_shape", DType.I64, [2], (byte[])[.. BitConverter.GetBytes((long)matrix.Rows), .. BitConverter.GetBytes((long)columns)]);
        if (zeroPoints == ZeroPointKind.None) yield break;

        // Packed along the rows: 32 rows are whole words.
        yield return ByRows($"{module}.weight_zero_point", DType.I32, [((long)matrix.Rows * bits + 31) / 32, groups], matrix, 32, rows => (rows * bits + 31) / 32 * groups * 4, (row, count, destination) =>
        {
            byte[][] zeros = [.. Enumerable.Range(row, count).Select(r => EncodeRow(matrix, r, scaleType).Zeros)];
            byte[] column = new byte[32], packed = new byte[bits * 4];
            for (int g = 0; g < groups; g++)
            {
                for (int r = 0; r < 32; r++) column[r] = r < count ? zeros[r][g] : (byte)0;
                NumberWriting.Pack(column, bits, packed);
                for (int word = 0; word < bits; word++) packed.AsSpan(word * 4, 4).CopyTo(destination.Span[((word * groups + g) * 4)..]);
            }
        });
    }

    /// <param name="Zeros">The code of 0 in each group.</param>
    internal sealed record Row(float[] Weights, float[] Scales, byte[] Zeros);

    /// <summary>What one row is rounded to, but for its codes.</summary>
    internal Row EncodeRow(StoredMatrix matrix, int row, DType scaleType)
    {
        int groups = Groups(matrix.Columns);
        Row encoded = new(new float[matrix.Columns], new float[groups], new byte[groups]);
        matrix.ReadRow(row, encoded.Weights);
        for (int g = 0; g < groups; g++)
        {
            int start = g * groupSize, length = groupSize == 0 ? matrix.Columns : Math.Min(groupSize, matrix.Columns - start);
            (encoded.Scales[g], encoded.Zeros[g]) = Choose(encoded.Weights.AsSpan(start, length), scaleType);
        }
        return encoded;
    }

    /// <param name="codes">[columns]</param>
    internal void WriteCodes(Row encoded, Span<byte> codes)
    {
        for (int i = 0; i < codes.Length; i++)
        {
            int group = groupSize == 0 ? 0 : i / groupSize, zero = encoded.Zeros[group];
            codes[i] = (byte)(Math.Clamp(MathF.Round(encoded.Weights[i] / encoded.Scales[group]), -zero, top - zero) + zero);
        }
    }

    private int Groups(int columns) => groupSize == 0 ? 1 : (columns + groupSize - 1) / groupSize;

    private (float Scale, byte Zero) Choose(ReadOnlySpan<float> weights, DType scaleType)
    {
        float low = 0, high = 0;
        foreach (float weight in weights) (low, high) = (Math.Min(low, weight), Math.Max(high, weight));
        float range = zeroPoints == ZeroPointKind.None ? 2 * Math.Max(-low, high) : high - low;
        if (range == 0) return (1, (byte)(1 << (bits - 1)));
        (float Scale, byte Zero, float Error) best = (0, 0, float.PositiveInfinity);
        foreach (float shrink in bits < 8 ? Shrinks : Shrinks.AsSpan(0, 1))
        {
            float scale = NumberWriting.RoundTo(scaleType, range * shrink / top);
            if (scale == 0) scale = NumberWriting.RoundTo(scaleType, float.Max(range, 1e-30f)); // weights below what the dtype can scale
            if (scale == 0) return (1, (byte)(1 << (bits - 1))); // or even hold
            byte zero = zeroPoints == ZeroPointKind.None ? (byte)(1 << (bits - 1)) : (byte)Math.Clamp((int)MathF.Round(-low * shrink / scale), 0, top);
            float error = SquaredError(weights, scale, zero);
            if (error < best.Error) best = (scale, zero, error);
        }
        return (best.Scale, best.Zero);
    }

    private float SquaredError(ReadOnlySpan<float> weights, float scale, byte zero)
    {
        float sum = 0, low = -zero, high = top - zero;
        int i = 0;
        if (Vector.IsHardwareAccelerated)
        {
            Vector<float> sums = Vector<float>.Zero;
            for (; i <= weights.Length - Vector<float>.Count; i += Vector<float>.Count)
            {
                Vector<float> weight = new(weights[i..]);
                Vector<float> code = Vector.Min(Vector.Max(Vector.Round(weight * new Vector<float>(1 / scale)), new Vector<float>(low)), new Vector<float>(high));
                Vector<float> difference = weight - code * scale;
                sums += difference * difference;
            }
            sum = Vector.Sum(sums);
        }
        for (; i < weights.Length; i++)
        {
            float difference = weights[i] - Math.Clamp(MathF.Round(weights[i] * (1 / scale)), low, high) * scale;
            sum += difference * difference;
        }
        return sum;
    }
}

/// <summary>Whether integers have a zero point for each group.</summary>
public enum ZeroPointKind
{
    /// <summary>Symmetric: the number 0 is the middle code.</summary>
    None,

    /// <summary>Asymmetric: the codes span from the smallest weight to the largest.</summary>
    PerGroup,
}
