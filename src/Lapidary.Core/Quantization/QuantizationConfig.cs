namespace Lapidary.Quantization;

/// <summary>
/// What a checkpoint says of its quantisation: quantization_config (or compression_config) in config.json, or the file that a
/// quantiser writes beside it.
/// </summary>
public abstract class QuantizationConfig
{
    private static readonly Dictionary<string, Func<JsonConfig, QuantizationConfig>> Methods = new(StringComparer.Ordinal)
    {
        ["gptq"] = GptqConfig.Parse,
        ["awq"] = AwqConfig.Parse,
        ["compressed-tensors"] = CompressedTensorsConfig.Parse,
        ["fp8"] = Fp8Config.Parse,
        ["fbgemm_fp8"] = Fp8Config.ParseFbgemm,
        ["mxfp4"] = Mxfp4Config.Parse,
        ["modelopt"] = ModelOptConfig.Parse,
    };

    /// <summary>Files that quantisers write beside config.json, and the method each belongs to.</summary>
    private static readonly (string File, string Method)[] Companions = [("hf_quant_config.json", "modelopt"), ("quantize_config.json", "gptq"), ("quant_config.json", "awq")];

    /// <summary>For people: method, format, number of bits, groups.</summary>
    public abstract string Summary { get; }

    /// <summary>What the checkpoint asks for and is not done, e.g. quantised activations, a sentence each.</summary>
    public virtual IReadOnlyList<string> Notices => [];

    /// <summary>Summary and notices in one line, for logs.</summary>
    public override string ToString() => string.Join("; ", [$"weights: {Summary}", .. Notices.Distinct()]);

    /// <summary>How the module's weight is stored if it is quantised; null when this configuration leaves it out.</summary>
    internal abstract WeightLayout? LayoutOf(ModuleName module);

    /// <summary>The configuration inside config.json, at its top or in text_config; else the one beside it; null when there is none.</summary>
    /// <param name="root">config.json.</param> <param name="folder">Where config.json lies; null when it lies nowhere.</param>
    /// <exception cref="ConfigException">Malformed, or of a kind that is not supported.</exception>
    public static QuantizationConfig? Find(JsonConfig root, string? folder)
    {
        JsonConfig? inner = root.Object("text_config");
        if ((root.Object("quantization_config") ?? root.Object("compression_config")
            ?? inner?.Object("quantization_config") ?? inner?.Object("compression_config")) is { } config)
        {
            string? method = Method(config) ?? (config.Object("config_groups") is null ? null : "compressed-tensors");
            return Parse(method ?? throw config.Error($"quantization_config has no \"quant_method\"; known: {string.Join(", ", Methods.Keys)}"), config);
        }
        if (folder is null) return null;
        foreach ((string file, string method) in Companions)
        {
            string path = Path.Combine(folder, file);
            if (File.Exists(path)) return JsonConfig.Load(path, beside => Parse(Method(beside) ?? method, beside));
        }
        return null;
    }

    /// <summary>GPTQModel's newer name is "method".</summary>
    private static string? Method(JsonConfig config) => config.String("quant_method") ?? config.String("method");

    private static QuantizationConfig Parse(string method, JsonConfig config)
    {
        // modelopt_fp4 and the like name the kernel too; quant_algo says the same.
        string known = method.StartsWith("modelopt", StringComparison.Ordinal) ? "modelopt" : method;
        return Methods.TryGetValue(known, out Func<JsonConfig, QuantizationConfig>? parse)
            ? parse(config)
            : throw config.Error($"quant_method is {MessageText.Quote(method)}, which is not supported; known: {string.Join(", ", Methods.Keys)}");
    }
}
