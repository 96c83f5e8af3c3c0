using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>
/// One byte a weight, not packed: weight I8, F8_E4M3 or F8_E5M2 [out, in] with weight_scale (compressed-tensors' int-quantized,
/// float-quantized and mxfp8-quantized, modelopt's FP8, AutoFP8) or weight_scale_inv (DeepSeek, transformers: the same number
/// in spite of its name). weight = (code - zero) · scale.
/// </summary>
/// <param name="scalePart">"weight_scale" or "weight_scale_inv".</param>
/// <param name="weightTypes">Dtypes that quantization_config allows.</param>
internal sealed class PlainLayout(ScaleSharing sharing, string scalePart, DType[] weightTypes, DType[] scaleTypes, bool symmetric, bool actOrder) : WeightLayout
{
    /// <summary>Dtypes of scales that are numbers themselves.</summary>
    public static readonly DType[] Numbers = [DType.F32, DType.BF16, DType.F16];

    /// <summary>Dtypes of 8-bit floats.</summary>
    public static readonly DType[] Floats = [DType.F8_E4M3, DType.F8_E5M2];

    public override string Description => $"{(weightTypes.Contains(DType.I8) ? "int8" : "fp8")} {sharing}{(symmetric ? "" : " with zero points")}{(actOrder ? " act-order" : "")}";

    public override QuantizedMatrix Read(MatrixParts parts, string location)
    {
        StoredTensor weight = parts.Require("weight", weightTypes, parts.Rows, parts.Columns);
        ScaleGrid scales = sharing.Read(parts, scalePart, scaleTypes);
        parts.RefuseBias();
        bool integer = weight.DType == DType.I8;
        if (!integer && !symmetric) throw parts.Error(weight, $"is {weight.DType} but quantization_config says it has zero points, which only integers have");
        ZeroPoints? zeros = SignedZeros.Read(parts, sharing, symmetric, bits: 8);
        int[] columnGroups = actOrder ? ColumnGroups(parts, parts.Require("weight_g_idx", [DType.I32, DType.I64], parts.Columns), sharing.Columns) : [];
        CodeType code = weight.DType switch
        {
            DType.F8_E4M3 => CodeType.E4M3,
            DType.F8_E5M2 => CodeType.E5M2,
            _ => symmetric ? CodeType.Int(8) : CodeType.UInt(8),
        };
        WeightFormat format = WeightFormat.OfCodes(code, sharing.Columns, hasOffsets: !symmetric, actOrder: columnGroups.Length > 0);
        return Matrix(parts, location, format, new RowPacked(weight, 8, (byte)(integer ? 0x80 : 0)), scales, zeros, columnGroups);
    }
}
