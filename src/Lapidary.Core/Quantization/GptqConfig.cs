namespace Lapidary.Quantization;

/// <summary>AutoGPTQ's and GPTQModel's configuration, in config.json or quantize_config.json.</summary>
internal sealed class GptqConfig : QuantizationConfig
{
    private readonly GptqLayout layout;
    private readonly (ModulePattern Pattern, GptqLayout? Layout)[] dynamic;

    private GptqConfig(JsonConfig c)
    {
        string format = c.String("checkpoint_format") ?? c.String("format") ?? "gptq";
        if (format is not ("gptq" or "gptq_v2"))
            throw c.Error($"checkpoint_format is {MessageText.Quote(format)}; supported: gptq, gptq_v2. Repacked kernels' formats cannot be read back, take the original checkpoint");
        if (c.Bool("is_marlin_format", false)) throw c.Error("is_marlin_format is true; weights repacked for that kernel cannot be read, take the original checkpoint");
        if (c.String("pack_dtype") is { } packed && packed != "int32") throw c.Error($"pack_dtype is {MessageText.Quote(packed)}, supported: int32");

        GptqZeros zeros = format == "gptq_v2" ? GptqZeros.AsIs : WrittenByGptqModel(c) ? GptqZeros.LessOneWithBorrow : GptqZeros.LessOne;
        layout = Layout(c, c, zeros);
        dynamic = [.. Dynamic(c, zeros)];
        Summary = $"gptq{(format == "gptq_v2" ? " v2" : "")}, {layout.Description}{(dynamic.Length > 0 ? $", {dynamic.Length} exceptions" : "")}";
    }

    public static QuantizationConfig Parse(JsonConfig c) => new GptqConfig(c);

    public override string Summary { get; }

    internal override WeightLayout? LayoutOf(ModuleName module)
    {
        foreach ((ModulePattern pattern, GptqLayout? other) in dynamic)
            if (pattern.Matches(module) != Match.None) return other;
        return layout;
    }

    private static GptqLayout Layout(JsonConfig c, JsonConfig defaults, GptqZeros zeros)
    {
        int bits = c.IntOrNull("bits", 1, 64) ?? defaults.IntOrNull("bits", 1, 64) ?? throw defaults.Error("quantization_config has no \"bits\"");
        if (bits is not (2 or 3 or 4 or 8)) throw c.Error($"bits is {bits}; GPTQ checkpoints have 2, 3, 4 or 8");
        return new GptqLayout(
            bits, GroupSize(c, "group_size") ?? GroupSize(defaults, "group_size") ?? throw defaults.Error("quantization_config has no \"group_size\""),
            c.Bool("sym", defaults.Bool("sym", true)), c.Bool("desc_act", defaults.Bool("desc_act", false)), zeros);
    }

    /// <summary>0 for one group; they write -1.</summary>
    internal static int? GroupSize(JsonConfig c, string key) => c.IntOrNull(key, -1) switch
    {
        null => null,
        -1 => 0,
        0 => throw c.Error($"\"{key}\" is 0, expected -1 for one group a row, or the number of columns of a group"),
        int size => size,
    };

    /// <summary>GPTQModel's "dynamic": patterns of modules with other settings, or with "-:" in front left unquantised.</summary>
    private static IEnumerable<(ModulePattern, GptqLayout?)> Dynamic(JsonConfig c, GptqZeros zeros)
    {
        if (c.Object("dynamic") is not { } patterns) yield break;
        foreach ((string key, JsonConfig value) in patterns.Objects())
        {
            bool leftOut = key.StartsWith("-:", StringComparison.Ordinal);
            string pattern = leftOut || key.StartsWith("+:", StringComparison.Ordinal) ? key[2..] : key;
            yield return (ModulePattern.ParseRegex(pattern, c), leftOut ? null : Layout(value, c, zeros));
        }
    }

    private static bool WrittenByGptqModel(JsonConfig c)
        => c.Object("meta") is { } meta && meta.Texts("quantizer").Any(name => name.StartsWith("gptqmodel", StringComparison.OrdinalIgnoreCase));
}
