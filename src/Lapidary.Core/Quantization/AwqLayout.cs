using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>
/// AWQ as AutoAWQ's GEMM version stores it, 4 bits: qweight int32 [in, out / 8], qzeros int32 [groups, out / 8], both with the
/// 8 outputs of a word in the order 0, 2, 4, 6, 1, 3, 5, 7; scales [groups, out]. weight = (code - zero) · scale.
/// </summary>
/// <param name="groupSize">0 for one group.</param>
internal sealed class AwqLayout(int groupSize) : WeightLayout
{
    private const int Bits = 4, PerWord = 8;

    /// <summary>Place of each output in its word.</summary>
    private static readonly int[] Order = [0, 4, 1, 5, 2, 6, 3, 7];

    public override string Description => WeightFormat.OfCodes(CodeType.UInt(Bits), groupSize, hasOffsets: true).Name;

    public override QuantizedMatrix Read(MatrixParts parts, string location)
    {
        int groups = Groups(parts.Columns, groupSize);
        StoredTensor codes = parts.Require("qweight", [DType.I32], parts.Columns, parts.Rows / PerWord);
        if (parts.Rows % PerWord != 0) throw parts.Error(codes, $"packs {PerWord} outputs a word, but the layer has {parts.Rows}");
        StoredTensor zeros = parts.Require("qzeros", [DType.I32], groups, parts.Rows / PerWord);
        StoredTensor scales = parts.Require("scales", [DType.F16, DType.BF16, DType.F32], groups, parts.Rows);
        parts.RefuseBias();
        return Matrix(
            parts, location, WeightFormat.OfCodes(CodeType.UInt(Bits), groupSize, hasOffsets: true), new RowWords(codes, Bits, axis: 1, Order),
            ScaleGrid.ByGroups(scales, parts.Rows), new ZeroPoints(new RowWords(zeros, Bits, axis: 1, Order), Bits, Plus: 0), []);
    }
}

/// <summary>
/// AWQ as AutoAWQ's GEMV version stores it, 4 bits: qweight int32 [out, in / 8] in plain order, qzeros int32 [out, w] and
/// scales [out, 8 w], w being the groups of a row in eights, rounded up to the vector width of its kernel.
/// </summary>
internal sealed class AwqGemvLayout(int groupSize) : WeightLayout
{
    private const int Bits = 4, PerWord = 8;

    public override string Description => WeightFormat.OfCodes(CodeType.UInt(Bits), groupSize, hasOffsets: true).Name;

    public override QuantizedMatrix Read(MatrixParts parts, string location)
    {
        int groups = Groups(parts.Columns, groupSize), multiple = groupSize switch { 32 => 4, 64 => 2, _ => 1 };
        int width = (groups + PerWord * multiple - 1) / (PerWord * multiple) * multiple;
        StoredTensor codes = parts.Require("qweight", [DType.I32], parts.Rows, Words(parts.Columns, Bits));
        StoredTensor zeros = parts.Require("qzeros", [DType.I32], parts.Rows, width);
        StoredTensor scales = parts.Require("scales", [DType.F16, DType.BF16, DType.F32], parts.Rows, PerWord * width);
        parts.RefuseBias();
        return Matrix(
            parts, location, WeightFormat.OfCodes(CodeType.UInt(Bits), groupSize, hasOffsets: true), new RowPacked(codes, Bits),
            ScaleGrid.ByRows(scales, PerWord * width), new ZeroPoints(new RowPacked(zeros, Bits), Bits, Plus: 0), []);
    }
}
