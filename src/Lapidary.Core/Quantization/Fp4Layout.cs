using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>
/// 4-bit floats (E2M1) two a byte, the even column in the low half, with a small scale for each group of columns:
/// NVFP4 (groups of 16, E4M3 scales, one float32 scale for the tensor) and MXFP4 (groups of 32, power-of-two scales).
/// </summary>
internal sealed class Fp4Layout : WeightLayout
{
    private readonly string codesPart, scalesPart;
    private readonly string? globalPart;
    private readonly GlobalScale globalUse;
    private readonly int groupSize;
    private readonly DType[] scaleTypes;

    private Fp4Layout(string name, string codesPart, string scalesPart, string? globalPart, GlobalScale globalUse, int groupSize, DType[] scaleTypes)
    {
        Description = $"{name} g{groupSize}";
        this.codesPart = codesPart;
        this.scalesPart = scalesPart;
        this.globalPart = globalPart;
        this.globalUse = globalUse;
        this.groupSize = groupSize;
        this.scaleTypes = scaleTypes;
    }

    private static readonly DType[] Exponents = [DType.U8, DType.F8_E8M0];

    public override string Description { get; }

    /// <summary>compressed-tensors' nvfp4-pack-quantized: value = code · (scale / weight_global_scale).</summary>
    public static Fp4Layout Nvfp4 { get; } = new("nvfp4", "weight_packed", "weight_scale", "weight_global_scale", GlobalScale.Divide, 16, [DType.F8_E4M3]);

    /// <summary>modelopt's NVFP4: value = code · (scale · weight_scale_2).</summary>
    public static Fp4Layout ModelOptNvfp4 { get; } = new("nvfp4", "weight", "weight_scale", "weight_scale_2", GlobalScale.Multiply, 16, [DType.F8_E4M3]);

    /// <summary>compressed-tensors' mxfp4-pack-quantized.</summary>
    public static Fp4Layout Mxfp4 { get; } = new("mxfp4", "weight_packed", "weight_scale", null, GlobalScale.Multiply, 32, Exponents);

    /// <summary>gpt-oss: blocks [out, groups, 16], scales [out, groups].</summary>
    public static Fp4Layout Mxfp4Blocks { get; } = new("mxfp4", "weight_blocks", "weight_scales", null, GlobalScale.Multiply, 32, Exponents);

    public override QuantizedMatrix Read(MatrixParts parts, string location)
    {
        int groups = Groups(parts.Columns, groupSize);
        StoredTensor codes = parts.Find(codesPart) ?? throw parts.Missing(codesPart);
        if (parts.Columns % 2 != 0) throw parts.Error(codes, $"packs two columns a byte, but the layer has {parts.Columns}");
        codes = codes.Shape.Count == 3
            ? parts.Require(codesPart, [DType.U8], parts.Rows, groups, groupSize / 2)
            : parts.Require(codesPart, [DType.U8], parts.Rows, parts.Columns / 2);
        ScaleGrid scales = ScaleGrid.ByRows(parts.Require(scalesPart, scaleTypes, parts.Rows, groups), groups);
        if (globalPart is not null) scales = scales with { Global = (ReadGlobal(parts, globalPart), globalUse) };
        parts.RefuseBias();
        parts.Refuse("pre_quant_scale", "the input has to be multiplied by it before this layer, which is not supported");
        return Matrix(parts, location, WeightFormat.OfCodes(CodeType.E2M1, groupSize), new RowPacked(codes, 4), scales, null, []);
    }

    private static float ReadGlobal(MatrixParts parts, string part)
    {
        StoredTensor tensor = parts.RequireSqueezed(part, PlainLayout.Numbers);
        float value = tensor.ToSingles()[0];
        return float.IsFinite(value) && value > 0 ? value : throw parts.Error(tensor, $"is {value}, expected a finite number above 0; the file is damaged");
    }
}
