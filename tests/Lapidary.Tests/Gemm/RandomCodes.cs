using Lapidary.Quantization;

namespace Lapidary.Tests.Gemm;

/// <summary>A quantised matrix of random finite codes, scales and offsets in memory.</summary>
internal sealed class RandomCodes : QuantizedMatrix
{
    private readonly byte[] codes;
    private readonly float[] scales, offsets;
    private readonly int[] columnGroups;

    public RandomCodes(int rows, int columns, WeightFormat format, int seed = 1) : base("random", rows, columns, format)
    {
        Random random = new(seed);
        int[] finite = [.. Enumerable.Range(0, 1 << Code.Bits).Where(c => float.IsFinite(Code.Values[c]))];
        codes = [.. Enumerable.Range(0, rows * columns).Select(_ => (byte)finite[random.Next(finite.Length)])];
        scales = [.. Enumerable.Range(0, rows * Groups).Select(_ => 0.5f + random.NextSingle())];
        offsets = [.. scales.Select(s => format.HasOffsets ? -s * (random.NextSingle() + 1) : 0)];
        columnGroups = format.ActOrder ? [.. Enumerable.Range(0, columns).Select(c => c / GroupSize)] : [];
        random.Shuffle(columnGroups);
    }

    public override long ByteLength => codes.Length;
    public override ReadOnlySpan<int> ColumnGroups => columnGroups;

    public void Set(int row, int column, byte code) => codes[row * Columns + column] = code;
    public void SetScale(int row, int group, float scale) => scales[row * Groups + group] = scale;

    public override void ReadCodes(int row, Span<byte> target) => codes.AsSpan(row * Columns, Columns).CopyTo(target);

    public override void ReadScales(int row, Span<float> targetScales, Span<float> targetOffsets)
    {
        scales.AsSpan(row * Groups, Groups).CopyTo(targetScales);
        offsets.AsSpan(row * Groups, Groups).CopyTo(targetOffsets);
    }

    public override StoredMatrix SliceRows(int first, int count) => throw new NotSupportedException();
}
