namespace Lapidary.Quantization;

/// <summary>AutoAWQ's configuration, in config.json (bits, group_size) or quant_config.json (w_bit, q_group_size).</summary>
internal sealed class AwqConfig : QuantizationConfig
{
    private readonly WeightLayout layout;

    private AwqConfig(JsonConfig c)
    {
        int bits = c.IntOrNull("bits", 1, 64) ?? c.IntOrNull("w_bit", 1, 64) ?? 4;
        if (bits != 4) throw c.Error($"bits is {bits}; AWQ checkpoints have 4");
        int groupSize = GptqConfig.GroupSize(c, "group_size") ?? GptqConfig.GroupSize(c, "q_group_size") ?? 128;
        string version = (c.String("version") ?? c.String("checkpoint_format") ?? c.String("format") ?? "gemm").ToLowerInvariant();
        layout = version switch
        {
            "gemm" or "exllama" or "marlin" or "ipex" => new AwqLayout(groupSize), // the latter repack after loading
            "gemv" => new AwqGemvLayout(groupSize),
            _ => throw c.Error($"version is {MessageText.Quote(version)}; supported: gemm, gemv"),
        };
        if (c.String("backend") is "llm-awq") throw c.Error("backend is \"llm-awq\", whose packing is not supported; supported: autoawq");
        Summary = $"awq {version}, {layout.Description}";
    }

    public static QuantizationConfig Parse(JsonConfig c) => new AwqConfig(c);

    public override string Summary { get; }

    internal override WeightLayout LayoutOf(ModuleName module) => layout;
}
