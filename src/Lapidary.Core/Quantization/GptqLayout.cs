using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>How GPTQ checkpoints store zero points.</summary>
internal enum GptqZeros
{
    /// <summary>AutoGPTQ's first format: one less than the zero point, each number by itself.</summary>
    LessOne,

    /// <summary>The first format as GPTQModel writes it: whole words less 0x1111…, so that a zero point of 0 borrows from its neighbour.</summary>
    LessOneWithBorrow,

    /// <summary>"gptq_v2": the zero point itself.</summary>
    AsIs,
}

/// <summary>
/// GPTQ: qweight int32 [in · bits / 32, out], bits along the inputs; qzeros int32 [groups, out · bits / 32]; scales
/// [groups, out]; g_idx [in]. weight = (code - zero) · scale. Source: AutoGPTQ and GPTQModel, qlinear modules.
/// </summary>
/// <param name="groupSize">0 for one group.</param>
/// <param name="descAct">Columns were quantised in order of activation: g_idx says which group each is in.</param>
internal sealed class GptqLayout(int bits, int groupSize, bool symmetric, bool descAct, GptqZeros zeroFormat) : WeightLayout
{
    public override string Description => $"{(symmetric ? CodeType.Int(bits) : CodeType.UInt(bits))}{(groupSize == 0 ? " per channel" : $" g{groupSize}")}{(descAct ? " act-order" : "")}";

    public override QuantizedMatrix Read(MatrixParts parts, string location)
    {
        int groups = Groups(parts.Columns, groupSize);
        StoredTensor words = parts.Require("qweight", [DType.I32], Words(parts.Columns, bits), parts.Rows);
        StoredTensor scales = parts.Require("scales", [DType.F16, DType.BF16, DType.F32], groups, parts.Rows);
        StoredTensor stored = parts.Require("qzeros", [DType.I32], groups, Words(parts.Rows, bits));
        parts.RefuseBias();

        int[] columnGroups = ReadIndices(parts, groups);
        ZeroPoints? zeros = Zeros(stored);
        if (symmetric)
        {
            RequireMiddle(parts, stored, zeros, groups);
            zeros = null;
        }
        WeightFormat format = WeightFormat.OfCodes(
            symmetric ? CodeType.Int(bits) : CodeType.UInt(bits), groupSize, hasOffsets: !symmetric, actOrder: columnGroups.Length > 0);
        return Matrix(parts, location, format, new ColumnWords(words, bits), ScaleGrid.ByGroups(scales, parts.Rows), zeros, columnGroups);
    }

    private int[] ReadIndices(MatrixParts parts, int groups)
    {
        if (!parts.Has("g_idx"))
            return descAct && groups > 1 ? throw parts.Missing("g_idx") : [];
        StoredTensor indices = parts.Require("g_idx", [DType.I32, DType.I64], parts.Columns);
        int[] columnGroups = ColumnGroups(parts, indices, groupSize);
        if (columnGroups.Length > 0 && !descAct)
            throw parts.Error(indices, "orders columns by activation, but desc_act is false; config.json is of another version of this checkpoint");
        return columnGroups;
    }

    private ZeroPoints Zeros(StoredTensor stored)
    {
        uint ones = zeroFormat == GptqZeros.LessOneWithBorrow ? bits switch { 2 => 0x5555_5555u, 4 => 0x1111_1111u, 8 => 0x0101_0101u, _ => 0u } : 0u;
        return new ZeroPoints(new RowWords(stored, bits, axis: 1, [], ones), bits, Plus: zeroFormat == GptqZeros.AsIs || ones != 0 ? 0 : 1);
    }

    /// <summary>Symmetric weights have the middle of the codes as their zero point; anything else is another format or another checkpoint.</summary>
    private void RequireMiddle(MatrixParts parts, StoredTensor stored, ZeroPoints zeros, int groups)
    {
        byte[] row = new byte[groups];
        int middle = 1 << (bits - 1);
        for (int r = 0; r < parts.Rows; r++)
        {
            zeros.ReadRow(r, row);
            int group = Array.FindIndex(row, zero => zero != middle);
            if (group < 0) continue;
            string advice = row[group] == middle + 1 ? "checkpoint_format is probably \"gptq_v2\""
                : row[group] == middle - 1 ? "checkpoint_format is probably \"gptq\"" : "sym is probably false";
            throw parts.Error(stored, $"has zero point {row[group]} for output {r}, group {group}, expected {middle} because sym is true; {advice}, correct config.json");
        }
    }
}
