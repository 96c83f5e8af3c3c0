using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>
/// compressed-tensors' pack-quantized: weight_packed int32 [out, in · bits / 32], each number plus 2^(bits - 1), bits along the
/// inputs without gaps; weight_scale; weight_zero_point packed along the outputs; weight_shape; weight_g_idx with act-order.
/// </summary>
internal sealed class PackQuantizedLayout(int bits, ScaleSharing sharing, bool symmetric, bool actOrder) : WeightLayout
{
    public override string Description => $"int{bits} {sharing}{(symmetric ? "" : " with zero points")}{(actOrder ? " act-order" : "")}";

    public override QuantizedMatrix Read(MatrixParts parts, string location)
    {
        StoredTensor packed = parts.Require("weight_packed", [DType.I32], parts.Rows, Words(parts.Columns, bits));
        if (parts.FindWhole("weight_shape") is { } shape) RequireShape(parts, shape);
        ScaleGrid scales = sharing.Read(parts, "weight_scale", PlainLayout.Numbers);
        parts.RefuseBias();
        ZeroPoints? zeros = SignedZeros.Read(parts, sharing, symmetric, bits);
        int[] columnGroups = ReadIndices(parts);
        WeightFormat format = WeightFormat.OfCodes(
            symmetric ? CodeType.Int(bits) : CodeType.UInt(bits), sharing.Columns, hasOffsets: !symmetric, actOrder: columnGroups.Length > 0);
        return Matrix(parts, location, format, new RowPacked(packed, bits), scales, zeros, columnGroups);
    }

    private int[] ReadIndices(MatrixParts parts)
    {
        if (!actOrder) return [];
        StoredTensor indices = parts.Require("weight_g_idx", [DType.I32, DType.I64], parts.Columns);
        // -1 marks indices that were never filled in: columns are in order.
        return indices.ToInt32s().Contains(-1) ? [] : ColumnGroups(parts, indices, sharing.Columns);
    }

    private static void RequireShape(MatrixParts parts, StoredTensor shape)
    {
        if (shape.DType is not (DType.I32 or DType.I64) || shape.ElementCount is < 2 or > 1 << 20)
            throw parts.Error(shape, $"is {shape.DType} {shape.ShapeText}, expected the matrix's extents as integers");
        int[] extents = shape.ToInt32s();
        if (extents[^2] != parts.Rows || extents[^1] != parts.Columns)
            throw parts.Error(shape, $"says [{string.Join(", ", extents)}], expected [{parts.Rows}, {parts.Columns}]; config.json and the weights are probably of different models");
    }
}

/// <summary>compressed-tensors' weight_zero_point: signed numbers, as int8 or packed as the weights are.</summary>
internal static class SignedZeros
{
    /// <summary>null when symmetric; a zero point that is stored all the same must then be 0.</summary>
    /// <exception cref="CheckpointException">Missing, of wrong shape or dtype, or not 0 although symmetric.</exception>
    public static ZeroPoints? Read(MatrixParts parts, ScaleSharing sharing, bool symmetric, int bits)
    {
        if (symmetric && !parts.Has("weight_zero_point")) return null;
        int groups = sharing.Columns == 0 ? 1 : (parts.Columns + sharing.Columns - 1) / sharing.Columns;
        StoredTensor stored = parts.Find("weight_zero_point") ?? throw parts.Missing("weight_zero_point");
        if (symmetric)
        {
            if (stored.DType == DType.I8 && stored.Bytes(0, checked((int)stored.ByteLength)).IndexOfAnyExcept((byte)0) < 0) return null;
            throw parts.Error(stored, "is present and not 0, but quantization_config says symmetric; config.json is of another version of this checkpoint");
        }
        if (sharing.Strategy == ScaleStrategy.Block) throw parts.Error(stored, "are zero points of blocks, which are not supported");
        if (stored.DType == DType.I32)
        {
            StoredTensor packed = parts.Require("weight_zero_point", [DType.I32], ((long)parts.Rows * bits + 31) / 32, groups);
            return new ZeroPoints(new RowWords(packed, bits, axis: 0, []), bits, Plus: 0);
        }
        bool single = sharing.Strategy == ScaleStrategy.Tensor;
        StoredTensor bytes = single
            ? parts.RequireSqueezed("weight_zero_point", [DType.I8])
            : parts.RequireSqueezed("weight_zero_point", [DType.I8], parts.Rows, groups);
        return new ZeroPoints(single ? new Repeated(bytes.Bytes(0, 1)[0]) : new RowPacked(bytes, 8), 8, Plus: 1 << (bits - 1));
    }

    /// <summary>The same number for each row.</summary>
    private sealed class Repeated(byte value) : PackedIntegers
    {
        public override void ReadRow(int row, Span<byte> values) => values.Fill(value);
        public override PackedIntegers From(int first) => this;
    }
}
