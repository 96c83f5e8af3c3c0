using System.Globalization;

namespace Lapidary.Quantization;

/// <summary>compressed-tensors' configuration as llm-compressor writes it: groups of targets with a scheme each, and what to ignore.</summary>
internal sealed class CompressedTensorsConfig : QuantizationConfig
{
    private static readonly string[] Formats =
        ["pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mxfp8-quantized"];

    private static readonly DType[] Exponents = [DType.U8, DType.F8_E8M0];

    private readonly (ModulePattern[] Targets, WeightLayout? Layout)[] groups;
    private readonly ModulePattern[] ignored;
    private readonly List<string> notices = [];

    private CompressedTensorsConfig(JsonConfig c)
    {
        if (c.Object("sparsity_config") is { } sparsity && sparsity.String("format") is { } sparse and not "dense")
            throw c.Error($"sparsity_config.format is {MessageText.Quote(sparse)}; sparse checkpoints are not supported");
        if (c.Object("transform_config") is { } transform && transform.Says("config_groups"))
            throw c.Error("transform_config rotates activations at run time, which is not supported; take a checkpoint without transforms");
        if (c.Says("kv_cache_scheme")) notices.Add(ActivationScales.CacheNotice);

        string format = c.String("format") ?? "dense";
        JsonConfig list = c.Object("config_groups") ?? throw c.Error("quantization_config has no \"config_groups\"");
        groups = [.. list.Objects().Select(group => Group(group.Key, group.Value, format))];
        ignored = [.. (c.Strings("ignore") ?? []).Select(text => ModulePattern.Parse(text, c))];
        string[] kinds = [.. groups.Where(group => group.Layout is not null).Select(group => group.Layout!.Description).Distinct()];
        Summary = $"compressed-tensors {format}, {(kinds.Length == 0 ? "no weights" : string.Join(" and ", kinds))}";
    }

    public static QuantizationConfig Parse(JsonConfig c) => new CompressedTensorsConfig(c);

    public override string Summary { get; }
    public override IReadOnlyList<string> Notices => notices;

    /// <summary>The scheme of the target that names the module most closely; of equal ones the first.</summary>
    internal override WeightLayout? LayoutOf(ModuleName module)
    {
        if (ignored.Any(pattern => pattern.Matches(module) != Match.None)) return null;
        Match closest = Match.None;
        WeightLayout? layout = null;
        foreach ((ModulePattern[] targets, WeightLayout? scheme) in groups)
            foreach (ModulePattern target in targets)
                if (target.Matches(module) is var match && match > closest) (closest, layout) = (match, scheme);
        return layout;
    }

    private (ModulePattern[], WeightLayout?) Group(string name, JsonConfig group, string outerFormat)
    {
        ModulePattern[] targets = [.. (group.Strings("targets") ?? []).Select(target => ModulePattern.Parse(target, group))];
        if (targets.Length == 0) throw group.Error($"config_groups.{name} has no \"targets\"");
        foreach (string activations in (string[])["input_activations", "output_activations"])
            if (group.Object(activations) is { } args)
                notices.Add(ActivationScales.Notice($"{(args.Says("dynamic") ? "dynamic" : "static")} {args.String("type") ?? "int"}{args.IntOrNull("num_bits", 1, 64) ?? 8} {activations.Replace('_', ' ')}"));
        if (group.Object("weights") is not { } weights) return (targets, null);
        return (targets, Layout(weights, group.String("format") ?? outerFormat, $"config_groups.{name}.weights"));
    }

    private static WeightLayout Layout(JsonConfig weights, string format, string where)
    {
        string type = (weights.String("type") ?? "int").ToLowerInvariant();
        int bits = weights.Int("num_bits", 8, 1, 64);
        bool symmetric = weights.Bool("symmetric", true);
        ScaleSharing sharing = Sharing(weights, where);
        string found = $"{type}{bits} {sharing}{(symmetric ? "" : " with zero points")}";
        ConfigException Wrong(string expected) => weights.Error($"{where}: format {MessageText.Quote(format)} with {found}, expected {expected}");

        switch (format)
        {
            case "pack-quantized":
                if (type != "int" || bits > 8 || sharing.Strategy == ScaleStrategy.Block) throw Wrong("integers of 1 to 8 bits by tensor, channel or group");
                return new PackQuantizedLayout(bits, sharing, symmetric, ActOrder(weights, sharing));
            case "int-quantized":
            case "float-quantized":
            case "naive-quantized":
                bool integer = type == "int";
                if (bits > 8 || (format == "int-quantized" && !integer) || (format == "float-quantized" && integer) || (!integer && bits != 8))
                    throw Wrong(format == "int-quantized" ? "integers of 1 to 8 bits" : "8-bit floats");
                return new PlainLayout(sharing, "weight_scale", integer ? [DType.I8] : PlainLayout.Floats, PlainLayout.Numbers, symmetric, ActOrder(weights, sharing));
            case "mxfp8-quantized":
                if (type != "float" || bits != 8 || sharing != ScaleSharing.PerGroup(32)) throw Wrong("8-bit floats in groups of 32");
                return new PlainLayout(sharing, "weight_scale", PlainLayout.Floats, Exponents, symmetric, actOrder: false);
            case "nvfp4-pack-quantized":
                if (type != "float" || bits != 4 || sharing != ScaleSharing.PerGroup(16)) throw Wrong("4-bit floats in groups of 16");
                return Fp4Layout.Nvfp4;
            case "mxfp4-pack-quantized":
                if (type != "float" || bits != 4 || sharing != ScaleSharing.PerGroup(32)) throw Wrong("4-bit floats in groups of 32");
                return Fp4Layout.Mxfp4;
            default:
                throw weights.Error($"{where}: format is {MessageText.Quote(format)}; supported: {string.Join(", ", Formats)}, or mixed-precision with one of these in each group");
        }
    }

    /// <summary>"group" (or its alias "dynamic", or true) has g_idx; "weight" (or "static") leaves groups in order.</summary>
    private static bool ActOrder(JsonConfig weights, ScaleSharing sharing)
    {
        if (sharing.Strategy != ScaleStrategy.Group) return false;
        return weights.Texts("actorder") is [var order] ? order.ToLowerInvariant() switch
        {
            "group" or "dynamic" => true,
            "weight" or "static" => false,
            _ => throw weights.Error($"actorder is {MessageText.Quote(order)}; known: group, weight"),
        } : weights.Bool("actorder", false);
    }

    /// <summary>[128, 128], or "128x128" as older versions wrote it.</summary>
    private static ScaleSharing? Block(JsonConfig weights)
    {
        IEnumerable<int> extents = weights.Texts("block_structure") is [var text]
            ? text.Split('x').Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int extent) ? extent : 0)
            : weights.Ints("block_structure");
        return extents.ToArray() is [> 0 and var rows, > 0 and var columns] ? ScaleSharing.PerBlock(rows, columns) : null;
    }

    private static ScaleSharing Sharing(JsonConfig weights, string where)
    {
        int? size = weights.IntOrNull("group_size", -1);
        string strategy = (weights.String("strategy") ?? size switch { null => "tensor", -1 => "channel", _ => "group" }).ToLowerInvariant();
        switch (strategy)
        {
            case "tensor":
                return ScaleSharing.PerTensor;
            case "channel":
                return ScaleSharing.PerChannel;
            case "group":
            case "tensor_group":
                return size is > 0 and var columns ? ScaleSharing.PerGroup(columns) : throw weights.Error($"{where}: strategy is \"{strategy}\" but group_size is {size?.ToString() ?? "missing"}");
            case "block":
                return Block(weights) ?? throw weights.Error($"{where}: strategy is \"block\" but block_structure is not two numbers above 0, rows and columns");
            default:
                throw weights.Error($"{where}: strategy is {MessageText.Quote(strategy)}; supported: tensor, channel, group, tensor_group, block");
        }
    }
}
