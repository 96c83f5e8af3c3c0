namespace Lapidary.Quantization;

/// <summary>NVIDIA modelopt's configuration: quantization_config in config.json, or hf_quant_config.json beside it.</summary>
internal sealed class ModelOptConfig : QuantizationConfig
{
    private readonly WeightLayout? layout;
    private readonly (ModulePattern Pattern, WeightLayout Layout)[] layers = [];
    private readonly ModulePattern[] excluded;
    private readonly List<string> notices = [];

    private ModelOptConfig(JsonConfig outer)
    {
        JsonConfig c = outer.Object("quantization") ?? outer;
        string algorithm = c.String("quant_algo") ?? throw c.Error("modelopt's configuration has no \"quant_algo\"");
        if (algorithm == "MIXED_PRECISION")
        {
            JsonConfig list = c.Object("quantized_layers") ?? throw c.Error("quant_algo is \"MIXED_PRECISION\" but \"quantized_layers\" is missing");
            layers = [.. list.Objects().Select(layer => (ModulePattern.ParseWildcard(layer.Key, c), Layout(layer.Value, layer.Value.String("quant_algo") ?? "")))];
        }
        else
        {
            layout = Layout(c, algorithm);
        }
        excluded = [.. (c.Strings("exclude_modules") ?? c.Strings("ignore") ?? []).Select(text => ModulePattern.ParseWildcard(text, c))];
        if (!algorithm.StartsWith("W4A16", StringComparison.Ordinal)) notices.Add(ActivationScales.Notice($"those of {algorithm}"));
        if (c.Says("kv_cache_quant_algo") || c.Says("kv_cache_scheme"))
            notices.Add(ActivationScales.CacheNotice);
        Summary = $"modelopt {algorithm}{(layout is null ? "" : $", {layout.Description}")}";
    }

    public static QuantizationConfig Parse(JsonConfig c) => new ModelOptConfig(c);

    public override string Summary { get; }
    public override IReadOnlyList<string> Notices => notices;

    internal override WeightLayout? LayoutOf(ModuleName module)
    {
        if (excluded.Any(pattern => pattern.Matches(module) != Match.None)) return null;
        foreach ((ModulePattern pattern, WeightLayout other) in layers)
            if (pattern.Matches(module) != Match.None) return other;
        return layout;
    }

    private static WeightLayout Layout(JsonConfig c, string algorithm)
    {
        switch (algorithm)
        {
            case "FP8":
                return Plain(ScaleSharing.PerTensor);
            case "FP8_PER_CHANNEL_PER_TOKEN":
                return Plain(ScaleSharing.PerChannel);
            case "FP8_PB_WO":
                return Plain(ScaleSharing.PerBlock(128, 128));
            case "NVFP4":
            case "W4A16_NVFP4":
            case "W4A8_NVFP4_FP8":
                int groupSize = c.Int("group_size", 16);
                return groupSize == 16 ? Fp4Layout.ModelOptNvfp4 : throw c.Error($"group_size is {groupSize}; NVFP4 has 16");
            default:
                throw c.Error($"quant_algo is {MessageText.Quote(algorithm)}; supported: FP8, FP8_PER_CHANNEL_PER_TOKEN, FP8_PB_WO, NVFP4, W4A16_NVFP4, W4A8_NVFP4_FP8");
        }
    }

    private static PlainLayout Plain(ScaleSharing sharing) => new(sharing, "weight_scale", PlainLayout.Floats, PlainLayout.Numbers, symmetric: true, actOrder: false);
}
