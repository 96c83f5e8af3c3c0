using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Conformance;

/// <summary>A weight matrix of the matrix: as backends see it, and its values in float64 by the published definitions.</summary>
/// <param name="Values">[rows, columns]</param>
/// <param name="Order">[columns], those of the first group first; empty without act-order.</param>
internal sealed record ConformanceMatrix(StoredMatrix Stored, double[] Values, int[] Order);

/// <summary>Codes, scales and offsets in memory.</summary>
/// <param name="codes">[rows, columns]</param> <param name="scales">[rows, groups]</param>
/// <param name="offsets">[rows, groups]</param> <param name="columnGroups">[columns], or empty without act-order.</param>
internal sealed class CodedMatrix(string name, int rows, int columns, WeightFormat format, byte[] codes, float[] scales, float[] offsets, int[] columnGroups)
    : QuantizedMatrix(name, rows, columns, format)
{
    public override long ByteLength => codes.Length + 4L * (scales.Length + offsets.Length);
    public override ReadOnlySpan<int> ColumnGroups => columnGroups;

    public override void ReadCodes(int row, Span<byte> target) => codes.AsSpan(row * Columns, Columns).CopyTo(target);

    public override void ReadScales(int row, Span<float> targetScales, Span<float> targetOffsets)
    {
        scales.AsSpan(row * Groups, Groups).CopyTo(targetScales);
        offsets.AsSpan(row * Groups, Groups).CopyTo(targetOffsets);
    }

    public override StoredMatrix SliceRows(int first, int count) => new CodedMatrix(
        $"{Name}[{first}:{first + count}]", count, Columns, Format, codes[(first * Columns)..((first + count) * Columns)],
        scales[(first * Groups)..((first + count) * Groups)], offsets[(first * Groups)..((first + count) * Groups)], columnGroups);

    /// <summary>The same codes with other scales, e.g. of a fault.</summary>
    public CodedMatrix With(Func<float[], float[]> change) => new(Name, Rows, Columns, Format, codes, change(scales), change(offsets), columnGroups);
}

/// <summary>Makes matrices of a format that come close to wished values.</summary>
internal sealed class ConformanceMatrixMaker
{
    private const int BlockRows = 128, Steps = 1024;
    private readonly ConformanceFormat format;
    private readonly double[] numbers = [];
    private readonly double reach;
    private readonly byte[] nearest = [];

    public ConformanceMatrixMaker(ConformanceFormat format)
    {
        this.format = format;
        if (format.Weights.Code is not { } code) return;
        numbers = PublishedNumbers.Of(code.Name);
        // Of wide types only numbers up to 448, the largest of E4M3, are used: beyond them the small ones would all be 0.
        reach = format.Weights.HasOffsets ? numbers.Max() / 2 : Math.Min(448, numbers.Where(double.IsFinite).Max(Math.Abs));
        nearest = [.. Enumerable.Range(0, Steps + 1).Select(step => Nearest(step / (double)Steps * 2 - 1))];
    }

    /// <param name="wish">Wished value by row and column, in units of <paramref name="magnitude"/>, -1 to 1.</param>
    public ConformanceMatrix Make(string name, int rows, int columns, double magnitude, Random random, Func<int, int, double> wish)
        => format.Weights.Dense is { } type ? MakeDense(name, type, rows, columns, (r, c) => magnitude * wish(r, c)) : MakeCoded(name, rows, columns, magnitude, random, wish);

    private static ConformanceMatrix MakeDense(string name, DType type, int rows, int columns, Func<int, int, double> value)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(rows * columns * type.Size(), pinned: true);
        var values = new double[rows * columns];
        for (int i = 0; i < values.Length; i++)
        {
            float wished = (float)value(i / columns, i % columns);
            Span<byte> element = bytes.AsSpan(i * type.Size());
            switch (type)
            {
                case DType.F32:
                    BinaryPrimitives.WriteSingleLittleEndian(element, wished);
                    values[i] = wished;
                    break;
                case DType.F16:
                    BinaryPrimitives.WriteHalfLittleEndian(element, (Half)wished);
                    values[i] = (double)(Half)wished;
                    break;
                default: // bfloat16: the upper half of a float32
                    uint upper = BitConverter.SingleToUInt32Bits(wished) >> 16;
                    BinaryPrimitives.WriteUInt16LittleEndian(element, (ushort)upper);
                    values[i] = BitConverter.UInt32BitsToSingle(upper << 16);
                    break;
            }
        }
        return new(new DenseMatrix(new StoredTensor(name, type, [rows, columns], Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), bytes)), values, []);
    }

    private ConformanceMatrix MakeCoded(string name, int rows, int columns, double magnitude, Random random, Func<int, int, double> wish)
    {
        WeightFormat weights = format.Weights;
        int size = weights.GroupSize == 0 ? columns : weights.GroupSize, groups = (columns + size - 1) / size;
        float[] scales = Scales(rows, groups, magnitude / reach, random);
        // Zero points need not be integers: GGUF's minima are not.
        double[] zeros = [.. scales.Select(_ => weights.HasOffsets ? reach * (0.8 + 0.4 * random.NextDouble()) : 0)];
        float[] offsets = [.. scales.Select((scale, i) => (float)(-zeros[i] * scale))];
        int[] columnGroups = weights.ActOrder ? [.. Enumerable.Range(0, columns).Select(c => c / size)] : [];
        random.Shuffle(columnGroups);

        var codes = new byte[rows * columns];
        var values = new double[rows * columns];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
            {
                int group = r * groups + (columnGroups.Length == 0 ? c / size : columnGroups[c]);
                double number = wish(r, c) * magnitude / scales[group] + zeros[group], share = number / reach - (weights.HasOffsets ? 1 : 0);
                byte code = nearest[(int)Math.Round((Math.Clamp(share, -1, 1) + 1) / 2 * Steps)];
                codes[r * columns + c] = code;
                values[r * columns + c] = numbers[code] * scales[group] + offsets[group];
            }
        }
        return new(new CodedMatrix(name, rows, columns, weights, codes, scales, offsets, columnGroups), values,
            [.. Enumerable.Range(0, columnGroups.Length).OrderBy(c => columnGroups[c])]);
    }

    /// <summary>The code whose number comes nearest to a share of the reach, -1 to 1; of types with zero points, of 0 to twice the reach.</summary>
    private byte Nearest(double share)
    {
        double wished = (format.Weights.HasOffsets ? share + 1 : share) * reach;
        int best = Array.FindIndex(numbers, double.IsFinite);
        for (int code = 0; code < numbers.Length; code++)
            if (Math.Abs(numbers[code] - wished) < Math.Abs(numbers[best] - wished)) best = code;
        return (byte)best;
    }

    private float[] Scales(int rows, int groups, double scale, Random random)
    {
        var scales = new float[rows * groups];
        for (int r = 0; r < rows; r++)
            for (int g = 0; g < groups; g++)
                scales[r * groups + g] = format.Extent switch
                {
                    ScaleExtent.Tensor when r + g > 0 => scales[0],
                    ScaleExtent.Block when r % BlockRows > 0 => scales[(r - 1) * groups + g],
                    _ => Rounded(scale, random),
                };
        return scales;
    }

    /// <summary>A scale of the format's type, at least <paramref name="least"/> but for rounding, and no two alike if possible.</summary>
    private float Rounded(double least, Random random)
    {
        double scale = least * (1 + 0.3 * random.NextDouble());
        return format.Scales switch
        {
            ScaleType.Half => (float)(Half)scale,
            ScaleType.BFloat16 => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits((float)scale) & 0xffff0000),
            ScaleType.PowerOfTwo => (float)Math.Pow(2, Math.Ceiling(Math.Log2(least)) + random.Next(2)),
            _ => (float)scale,
        };
    }
}
