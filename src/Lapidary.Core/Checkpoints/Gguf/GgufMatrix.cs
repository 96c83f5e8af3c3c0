using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>A quantised matrix of a GGUF file: rows of blocks, where they lie.</summary>
internal sealed class GgufMatrix<TBlock>(GgufFile file, GgufTensor tensor, int firstRow, int rows) : QuantizedMatrix(
    rows == tensor.Rows ? tensor.Name : $"{tensor.Name}[{firstRow}:{firstRow + rows}]", rows, checked((int)tensor.Shape[^1]), WeightFormat.OfCodes(TBlock.Code, TBlock.GroupSize, TBlock.HasOffsets))
    where TBlock : struct, IGgufBlock
{
    private readonly int rowBytes = checked((int)tensor.Type.Bytes(tensor.Shape[^1]));

    public override long ByteLength => (long)Rows * rowBytes;
    public override DType ScaleType => TBlock.ScaleType;

    public override void ReadCodes(int row, Span<byte> codes)
    {
        int elements = tensor.Type.BlockElements, bytes = tensor.Type.BlockBytes;
        ReadOnlySpan<byte> blocks = RowBytes(row);
        for (int block = 0; block * elements < Columns; block++)
            TBlock.ReadCodes(blocks.Slice(block * bytes, bytes), codes.Slice(block * elements, elements));
    }

    public override bool Visit(IStepBlockVisitor visitor) => TBlock.Visit(visitor);

    public override void CopyRows(int first, int count, Span<byte> bytes)
        => file.Read(tensor, (long)(firstRow + first) * rowBytes, bytes[..checked(count * rowBytes)]);

    public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
    {
        int groups = tensor.Type.BlockElements / TBlock.GroupSize, bytes = tensor.Type.BlockBytes;
        ReadOnlySpan<byte> blocks = RowBytes(row);
        if (!TBlock.HasOffsets) offsets.Clear();
        for (int block = 0; block * groups < Groups; block++)
            TBlock.ReadScales(blocks.Slice(block * bytes, bytes), scales.Slice(block * groups, groups), offsets.Slice(block * groups, groups));
    }

    public override void ReadHalfScales(int row, Span<Half> scales, Span<Half> offsets)
    {
        int bytes = tensor.Type.BlockBytes;
        ReadOnlySpan<byte> blocks = RowBytes(row);
        for (int block = 0; block < Groups; block++) TBlock.ReadHalfScales(blocks.Slice(block * bytes, bytes), out scales[block], out offsets[block]);
    }

    public override int GroupsPerBlock => TBlock.FactoredGroups;

    public override void ReadFactors(int row, Span<Half> blockScales, Span<Half> blockOffsets, Span<sbyte> scales, Span<sbyte> offsets)
    {
        int groups = TBlock.FactoredGroups, bytes = tensor.Type.BlockBytes;
        ReadOnlySpan<byte> blocks = RowBytes(row);
        for (int block = 0; block < blockScales.Length; block++)
            TBlock.ReadFactors(blocks.Slice(block * bytes, bytes), out blockScales[block], out blockOffsets[block], scales.Slice(block * groups, groups), offsets.Slice(block * groups, groups));
    }

    public override StoredMatrix SliceRows(int first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first + count, Rows);
        return new GgufMatrix<TBlock>(file, tensor, firstRow + first, count);
    }

    public override void Release(int first, int count) => file.Release(tensor, (long)(firstRow + first) * rowBytes, (long)count * rowBytes);

    private ReadOnlySpan<byte> RowBytes(int row) => file.Bytes(tensor, (long)(firstRow + row) * rowBytes, rowBytes);
}
