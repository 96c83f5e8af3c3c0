namespace Lapidary.Quantization;

/// <summary>quant_method "mxfp4" of gpt-oss: some weights as blocks and scales, the others as they were.</summary>
internal sealed class Mxfp4Config : QuantizationConfig
{
    public static QuantizationConfig Parse(JsonConfig c) => new Mxfp4Config();

    public override string Summary => "mxfp4, e2m1 g32 with power-of-two scales";

    internal override WeightLayout LayoutOf(ModuleName module) => Fp4Layout.Mxfp4Blocks;
}
