using Lapidary.Quantization;

namespace Lapidary.Tests.Checkpoints;

/// <summary>A matrix without its blocks, which is therefore packed row by row.</summary>
internal sealed class RowByRow(QuantizedMatrix inner) : QuantizedMatrix(inner.Name, inner.Rows, inner.Columns, inner.Format)
{
    public override long ByteLength => inner.ByteLength;
    public override DType ScaleType => inner.ScaleType;
    public override int GroupsPerBlock => inner.GroupsPerBlock;
    public override void ReadCodes(int row, Span<byte> codes) => inner.ReadCodes(row, codes);
    public override void ReadScales(int row, Span<float> scales, Span<float> offsets) => inner.ReadScales(row, scales, offsets);
    public override void ReadHalfScales(int row, Span<Half> scales, Span<Half> offsets) => inner.ReadHalfScales(row, scales, offsets);

    public override void ReadFactors(int row, Span<Half> blockScales, Span<Half> blockOffsets, Span<sbyte> scales, Span<sbyte> offsets)
        => inner.ReadFactors(row, blockScales, blockOffsets, scales, offsets);

    public override StoredMatrix SliceRows(int first, int count) => throw new NotSupportedException();
}
