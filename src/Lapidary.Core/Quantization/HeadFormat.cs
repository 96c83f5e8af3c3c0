using Lapidary.Quantization.Encoding;

namespace Lapidary.Quantization;

/// <summary>
/// What a model's head is rounded to when it is loaded, whatever it is stored as: integers with a float16 scale for each 32 columns. A head
/// of 262,144 rows is a fifth of what a token of 26B-A4B reads at four bits, nearly half of it where the head alone is left in bfloat16.
/// </summary>
public sealed record HeadFormat
{
    private const int GroupSize = 32; // as llama.cpp's Q8_0 and Q4_0

    private HeadFormat(int bits) => Bits = bits;

    public static IReadOnlyList<string> Names { get; } = ["int8", "int6", "int5", "int4"];

    public int Bits { get; }

    /// <exception cref="RequestException">There is no such format.</exception>
    public static HeadFormat Parse(string name) => Names.Contains(name)
        ? new HeadFormat(name[^1] - '0')
        : throw new RequestException($"unknown head format {MessageText.Quote(name)}; known: {string.Join(", ", Names)}");

    public override string ToString() => $"int{Bits}";

    /// <summary>The matrix, rounded while it is read.</summary>
    public StoredMatrix Round(StoredMatrix matrix)
        => new RoundedMatrix(matrix, new IntegerEncoder(Bits, GroupSize, ZeroPointKind.None), WeightFormat.OfCodes(CodeType.Int(Bits), GroupSize));
}

/// <summary>Codes and scales of another matrix's rows, computed when they are asked for.</summary>
internal sealed class RoundedMatrix(StoredMatrix source, IntegerEncoder encoder, WeightFormat format)
    : QuantizedMatrix($"{source.Name} as {format}", source.Rows, source.Columns, format)
{
    public override long ByteLength => (long)Rows * (((long)Columns * Format.Bits + 7) / 8 + Groups * sizeof(ushort));
    public override DType ScaleType => DType.F16;

    public override void ReadCodes(int row, Span<byte> codes) => encoder.WriteCodes(Encode(row), codes);

    public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
    {
        Encode(row).Scales.CopyTo(scales);
        offsets.Clear();
    }

    public override void ReadHalfScales(int row, Span<Half> scales, Span<Half> offsets)
    {
        float[] encoded = Encode(row).Scales;
        for (int g = 0; g < encoded.Length; g++) scales[g] = (Half)encoded[g];
        offsets.Clear();
    }

    public override StoredMatrix SliceRows(int first, int count) => new RoundedMatrix(source.SliceRows(first, count), encoder, Format);
    public override void Release(int firstRow, int rows) => source.Release(firstRow, rows);
    public override void RequireFinite(string location) => source.RequireFinite(location);

    private IntegerEncoder.Row Encode(int row)
    {
        IntegerEncoder.Row encoded = encoder.EncodeRow(source, row, DType.F16);
        foreach (float scale in encoded.Scales)
            if (scale == 0 || !float.IsFinite(scale))
                throw new RequestException($"matrix {MessageText.Quote(source.Name)}: row {row} holds weights too large for {Format} with float16 scales; leave the head as it is stored");
        return encoded;
    }
}
