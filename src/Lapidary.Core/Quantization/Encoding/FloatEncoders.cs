using System.Text.Json.Nodes;
using Lapidary.Checkpoints;

namespace Lapidary.Quantization.Encoding;

/// <summary>float-quantized: E4M3 with a scale for each row, or for each square block.</summary>
/// <param name="block">Rows and columns of a block; 0 for a scale a row.</param>
public sealed class Fp8Encoder(int block) : WeightEncoder
{
    public override string Name => "fp8";
    public override string Format => "float-quantized";

    public override JsonObject Scheme() => new()
    {
        ["num_bits"] = 8,
        ["type"] = "float",
        ["symmetric"] = true,
        ["strategy"] = block == 0 ? "channel" : "block",
        ["block_structure"] = block == 0 ? null : new JsonArray(block, block),
        ["dynamic"] = false,
    };

    public override IEnumerable<TensorToWrite> Encode(string module, StoredMatrix matrix, DType scaleType, RoundingError error)
    {
        int columns = matrix.Columns, rows = block == 0 ? 1 : block, width = block == 0 ? columns : block, groups = (columns + width - 1) / width;
        int blocks = (matrix.Rows + rows - 1) / rows, scaleBytes = scaleType.Size();
        yield return ByRows($"{module}.weight", DType.F8_E4M3, [matrix.Rows, columns], matrix, rows, count => count * columns, (first, count, destination) =>
        {
            (float[] weights, float[] scales) = Block(matrix, first, count, width, groups, scaleType);
            float[] rounded = new float[count * columns];
            Span<byte> codes = destination.Span;
            for (int r = 0; r < count; r++)
                for (int g = 0; g < groups; g++)
                {
                    float scale = scales[g];
                    int start = r * columns + g * width, end = Math.Min(start + width, (r + 1) * columns);
                    for (int at = start; at < end; at++)
                    {
                        codes[at] = SmallFloats.E4M3.Code(weights[at] / scale);
                        rounded[at] = SmallFloats.E4M3.Value(codes[at]) * scale;
                    }
                }
            error.Add(weights, rounded);
        });
        yield return ByRows($"{module}.weight_scale", scaleType, [blocks, groups], matrix, rows, _ => groups * scaleBytes, (first, count, destination) =>
        {
            float[] scales = Block(matrix, first, count, width, groups, scaleType).Scales;
            for (int g = 0; g < groups; g++) NumberWriting.Write(scaleType, scales[g], destination.Span[(g * scaleBytes)..]);
        });
    }

    private static (float[] Weights, float[] Scales) Block(StoredMatrix matrix, int first, int count, int width, int groups, DType scaleType)
    {
        float[] weights = new float[count * matrix.Columns], scales = new float[groups];
        for (int r = 0; r < count; r++)
        {
            Span<float> row = weights.AsSpan(r * matrix.Columns, matrix.Columns);
            matrix.ReadRow(first + r, row);
            for (int g = 0; g < groups; g++)
                foreach (float weight in row[(g * width)..Math.Min((g + 1) * width, row.Length)]) scales[g] = Math.Max(scales[g], Math.Abs(weight));
        }
        for (int g = 0; g < groups; g++)
        {
            float scale = NumberWriting.RoundTo(scaleType, scales[g] / SmallFloats.E4M3.Largest);
            scales[g] = scale > 0 ? scale : 1;
        }
        return (weights, scales);
    }
}

/// <summary>4-bit floats with a small scale for each group of columns: NVFP4 or MXFP4.</summary>
public sealed class Fp4Encoder : WeightEncoder
{
    private readonly int groupSize;
    private readonly bool powersOfTwo;

    private Fp4Encoder(string name, string format, int groupSize, bool powersOfTwo)
        => (Name, Format, this.groupSize, this.powersOfTwo) = (name, format, groupSize, powersOfTwo);

    /// <summary>Groups of 16, E4M3 scales, one float32 scale for the matrix.</summary>
    public static Fp4Encoder Nvfp4 { get; } = new("nvfp4", "nvfp4-pack-quantized", 16, powersOfTwo: false);

    /// <summary>Groups of 32, scales that are powers of two.</summary>
    public static Fp4Encoder Mxfp4 { get; } = new("mxfp4", "mxfp4-pack-quantized", 32, powersOfTwo: true);

    public override string Name { get; }
    public override string Format { get; }

    public override JsonObject Scheme() => new()
    {
        ["num_bits"] = 4,
        ["type"] = "float",
        ["symmetric"] = true,
        ["strategy"] = powersOfTwo ? "group" : "tensor_group",
        ["group_size"] = groupSize,
        ["dynamic"] = false,
    };

    public override string? Inapplicable(int columns) => columns % groupSize != 0 ? $"{columns} columns are not a multiple of {groupSize}" : null;

    public override IEnumerable<TensorToWrite> Encode(string module, StoredMatrix matrix, DType scaleType, RoundingError error)
    {
        int columns = matrix.Columns, groups = columns / groupSize;
        Lazy<float> global = new(() => powersOfTwo ? 1 : Global(matrix));
        yield return ByRows($"{module}.weight_packed", DType.U8, [matrix.Rows, columns / 2], matrix, 1, rows => rows * (columns / 2), (row, _, destination) =>
        {
            float[] weights = new float[columns], rounded = new float[columns];
            byte[] codes = new byte[columns], scales = new byte[groups];
            matrix.ReadRow(row, weights);
            Scales(weights, global.Value, scales);
            for (int i = 0; i < columns; i++)
            {
                float scale = Number(scales[i / groupSize], global.Value);
                codes[i] = SmallFloats.E2M1.Code(weights[i] / scale);
                rounded[i] = SmallFloats.E2M1.Value(codes[i]) * scale;
            }
            error.Add(weights, rounded);
            NumberWriting.Pack(codes, 4, destination.Span);
        });
        yield return ByRows($"{module}.weight_scale", powersOfTwo ? DType.U8 : DType.F8_E4M3, [matrix.Rows, groups], matrix, 1, rows => rows * groups, (row, _, destination) =>
        {
            float[] weights = new float[columns];
            matrix.ReadRow(row, weights);
            Scales(weights, global.Value, destination.Span);
        });
        if (!powersOfTwo)
            yield return new TensorToWrite($"{module}.weight_global_scale", DType.F32, [1], stream => stream.Write(BitConverter.GetBytes(global.Value)));
    }

    /// <summary>Makes the largest scale the largest E4M3 number.</summary>
    private static float Global(StoredMatrix matrix)
    {
        float largest = 0;
        float[] row = new float[matrix.Columns];
        for (int r = 0; r < matrix.Rows; r++)
        {
            matrix.ReadRow(r, row);
            foreach (float weight in row) largest = Math.Max(largest, Math.Abs(weight));
        }
        float global = SmallFloats.E4M3.Largest * SmallFloats.E2M1.Largest / largest;
        return largest > 0 && float.IsFinite(global) ? global : 1;
    }

    private void Scales(ReadOnlySpan<float> weights, float global, Span<byte> scales)
    {
        for (int g = 0; g < scales.Length; g++)
        {
            float largest = 0;
            foreach (float weight in weights.Slice(g * groupSize, groupSize)) largest = Math.Max(largest, Math.Abs(weight));
            scales[g] = powersOfTwo
                // 2^2 is the largest power of two of E2M1: the largest weight lands in the top binade, and past 6 is cut.
                ? (byte)Math.Clamp(largest == 0 ? 127 : Math.ILogB(largest) - 2 + 127, 0, 254)
                : SmallFloats.E4M3.Code(Math.Max(largest * global / SmallFloats.E2M1.Largest, SmallFloats.E4M3.Smallest));
        }
    }

    private float Number(byte scale, float global) => powersOfTwo ? MathF.ScaleB(1, scale - 127) : SmallFloats.E4M3.Value(scale) / global;
}
