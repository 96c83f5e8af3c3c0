using Lapidary.Quantization;

namespace Lapidary.Tests.Cpu.Assembly;

/// <summary>A quantised matrix of random codes and scales in memory.</summary>
internal sealed class RandomMatrix : QuantizedMatrix
{
    private readonly byte[] codes;
    private readonly float[] scales, offsets;

    /// <param name="rounding">Makes scales fit the type a test is about.</param>
    public RandomMatrix(int rows, int columns, WeightFormat format, int seed, Func<float, float> rounding, string name = "random")
        : base(name, rows, columns, format)
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

/// <summary>Random codes whose scales are integer factors of a float16 for each 256 columns.</summary>
internal sealed class FactoredMatrix : QuantizedMatrix
{
    private const int BlockColumns = 256;

    private readonly byte[] codes;
    private readonly sbyte[] factors, offsetFactors;
    private readonly Half[] blockScales, blockOffsets;

    public FactoredMatrix(int rows, int columns, WeightFormat format, int seed)
        : base("factored", rows, columns, format)
    {
        Random random = new(seed);
        codes = [.. Enumerable.Range(0, rows * columns).Select(_ => (byte)random.Next(1 << format.Code!.Bits))];
        int least = format.HasOffsets ? 0 : -128, most = format.HasOffsets ? 63 : 127;
        factors = [.. Enumerable.Range(0, rows * Groups).Select(_ => (sbyte)random.Next(least, most + 1))];
        offsetFactors = [.. factors.Select(_ => (sbyte)random.Next(64))];
        blockScales = [.. Enumerable.Range(0, rows * Blocks).Select(_ => (Half)(random.NextSingle() + 0.1f))];
        blockOffsets = [.. blockScales.Select(_ => (Half)(-random.NextSingle()))];
    }

    private int Blocks => Columns / BlockColumns;

    public override long ByteLength => codes.Length;
    public override int GroupsPerBlock => BlockColumns / GroupSize;
    public override void ReadCodes(int row, Span<byte> codes) => this.codes.AsSpan(row * Columns, Columns).CopyTo(codes);

    public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
    {
        for (int g = 0; g < Groups; g++)
        {
            int block = row * Blocks + g / GroupsPerBlock;
            scales[g] = (float)blockScales[block] * factors[row * Groups + g];
            offsets[g] = Format.HasOffsets ? (float)blockOffsets[block] * offsetFactors[row * Groups + g] : 0;
        }
    }

    public override void ReadFactors(int row, Span<Half> blockScales, Span<Half> blockOffsets, Span<sbyte> scales, Span<sbyte> offsets)
    {
        this.blockScales.AsSpan(row * Blocks, Blocks).CopyTo(blockScales);
        this.blockOffsets.AsSpan(row * Blocks, Blocks).CopyTo(blockOffsets);
        factors.AsSpan(row * Groups, Groups).CopyTo(scales);
        offsetFactors.AsSpan(row * Groups, Groups).CopyTo(offsets);
    }

    public override StoredMatrix SliceRows(int first, int count) => throw new NotSupportedException();
}

/// <summary>Rows of the largest and of the smallest integer of some bits in turn.</summary>
internal sealed class ExtremeMatrix(int rows, int columns, int bits) : QuantizedMatrix("extreme", rows, columns, WeightFormat.OfCodes(CodeType.Int(bits), 32))
{
    public override long ByteLength => (long)Rows * Columns;
    public override void ReadCodes(int row, Span<byte> codes) => codes.Fill(row % 2 == 0 ? (byte)((1 << bits) - 1) : (byte)0);

    public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
    {
        scales.Fill(1);
        offsets.Clear();
    }

    public override StoredMatrix SliceRows(int first, int count) => throw new NotSupportedException();
}
