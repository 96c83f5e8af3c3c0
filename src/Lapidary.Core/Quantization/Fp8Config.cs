namespace Lapidary.Quantization;

/// <summary>
/// quant_method "fp8": DeepSeek's and transformers' 8-bit floats with scales of 128 × 128 blocks (weight_block_size) or of whole
/// tensors, and AutoFP8's with scales of tensors or channels.
/// </summary>
internal sealed class Fp8Config : QuantizationConfig
{
    private readonly Fp8Layout layout;

    private Fp8Config(string method, ScaleSharing? sharing, string activations)
    {
        layout = new Fp8Layout(sharing);
        Summary = $"{method}, {layout.Description}";
        Notices = [ActivationScales.Notice(activations)];
    }

    public static QuantizationConfig Parse(JsonConfig c)
    {
        if (c.String("fmt") is { } format && format is not ("e4m3" or "e5m2" or "float8_e4m3fn"))
            throw c.Error($"fmt is {MessageText.Quote(format)}; supported: e4m3, e5m2");
        IReadOnlyList<int> block = c.Ints("weight_block_size");
        if (block.Count is not (0 or 2) || block.Any(extent => extent is < 1 or > 1 << 24))
            throw c.Error($"weight_block_size is [{string.Join(", ", block)}], expected two numbers of at least 1, rows and columns");
        string activations = c.String("activation_scheme") ?? "dynamic";
        if (activations is not ("dynamic" or "static")) throw c.Error($"activation_scheme is {MessageText.Quote(activations)}; known: dynamic, static");
        return new Fp8Config("fp8", block.Count == 2 ? ScaleSharing.PerBlock(block[0], block[1]) : null, $"{activations} fp8 ones");
    }

    /// <summary>Meta's: a scale for each channel.</summary>
    public static QuantizationConfig ParseFbgemm(JsonConfig c) => new Fp8Config("fbgemm_fp8", ScaleSharing.PerChannel, "dynamic fp8 ones");

    public override string Summary { get; }
    public override IReadOnlyList<string> Notices { get; }

    internal override WeightLayout LayoutOf(ModuleName module) => layout;

    /// <summary>DeepSeek and transformers call the scale weight_scale_inv, AutoFP8 weight_scale.</summary>
    private sealed class Fp8Layout(ScaleSharing? known) : WeightLayout
    {
        public override string Description => $"8-bit floats {(known is { } sharing ? sharing.ToString() : "per tensor or channel")}";

        public override QuantizedMatrix Read(MatrixParts parts, string location)
        {
            string part = parts.Has("weight_scale_inv") ? "weight_scale_inv" : "weight_scale";
            ScaleSharing sharing = known ?? (parts.Find(part) is { ElementCount: > 1 } ? ScaleSharing.PerChannel : ScaleSharing.PerTensor);
            return new PlainLayout(sharing, part, PlainLayout.Floats, [.. PlainLayout.Numbers, DType.F8_E8M0], symmetric: true, actOrder: false).Read(parts, location);
        }
    }
}
