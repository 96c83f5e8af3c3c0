using Lapidary.Quantization;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>A quantised matrix of random codes and scales in memory.</summary>
internal sealed class RandomMatrix : QuantizedMatrix
{
    private readonly byte[] codes;
    private readonly float[] scales, offsets;

    /// <param name="rounding">Makes scales fit the type a test is about.</param>
    public RandomMatrix(int rows, int columns, WeightFormat format, int seed, Func<float, float> rounding)
        : base("random", rows, columns, format)
    {
        Random random = new(seed);
        codes = new byte[rows * columns];
        for (int i = 0; i < codes.Length; i++) codes[i] = (byte)random.Next(1 << format.Code!.Bits);
        scales = [.. Enumerable.Range(0, rows * Groups).Select(_ => rounding(random.NextSingle() + 0.1f))];
        offsets = [.. scales.Select(_ => format.HasOffsets ? rounding(random.NextSingle() - 0.5f) : 0)];
    }

    public override long ByteLength => codes.Length;
    public override void ReadCodes(int row, Span<byte> codes) => this.codes.AsSpan(row * Columns, Columns).CopyTo(codes);

    public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
    {
        this.scales.AsSpan(row * Groups, Groups).CopyTo(scales);
        this.offsets.AsSpan(row * Groups, Groups).CopyTo(offsets);
    }

    public override StoredMatrix SliceRows(int first, int count) => throw new NotSupportedException();
}
