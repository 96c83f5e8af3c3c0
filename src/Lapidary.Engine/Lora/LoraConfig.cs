using System.Text.Json;
using System.Text.RegularExpressions;

namespace Lapidary.Lora;

/// <summary>adapter_config.json of PEFT, with its names: what the low-rank matrices are to be multiplied with.</summary>
public sealed class LoraConfig
{
    public const string FileName = "adapter_config.json";

    private readonly LoraPattern[] rankPatterns, alphaPatterns;
    private readonly string file;

    private LoraConfig(JsonConfig c)
    {
        file = c.File;
        R = c.Int("r", 8);
        LoraAlpha = c.Double("lora_alpha", 8);
        UseRsLora = c.Bool("use_rslora", false);
        TargetParameters = c.Strings("target_parameters") ?? [];
        BaseModelNameOrPath = c.String("base_model_name_or_path");
        string release = string.Concat((c.String("peft_version") ?? "").TakeWhile(character => char.IsAsciiDigit(character) || character == '.')); // not "dev0@…"
        PeftVersion = Version.TryParse(release.TrimEnd('.'), out Version? version) ? version : null;
        rankPatterns = Patterns(c, "rank_pattern", (values, key) => values.IntOrNull(key));
        alphaPatterns = Patterns(c, "alpha_pattern", (values, key) => values.DoubleOrNull(key));
    }

    /// <summary>Parameters, by the ends of their names, that were adapted as tensors rather than as modules.</summary>
    public IReadOnlyList<string> TargetParameters { get; }

    /// <summary>Rank where rank_pattern says nothing.</summary>
    public int R { get; }

    /// <summary>Alpha where alpha_pattern says nothing.</summary>
    public double LoraAlpha { get; }

    /// <summary>Scale alpha / √r in place of alpha / r.</summary>
    public bool UseRsLora { get; }

    public string? BaseModelNameOrPath { get; }

    /// <summary>The PEFT that saved the adapter; null before 0.18, which did not say.</summary>
    public Version? PeftVersion { get; }

    /// <exception cref="ConfigException">Missing, malformed, or asks for what is not implemented; the message says why.</exception>
    public static LoraConfig Load(string folder)
    {
        string path = Path.Combine(folder, FileName);
        return File.Exists(path)
            ? JsonConfig.Load(path, Read)
            : throw new ConfigException($"{folder}: found no {FileName}; an adapter is a folder with {FileName} and {LoraAdapter.FileName}, as PEFT saves it");
    }

    public static LoraConfig Parse(ReadOnlyMemory<byte> json, string file) => JsonConfig.Parse(json, file, Read);

    /// <summary>The rank of a module or parameter, by its full name in the model ("model.layers.0.self_attn.q_proj").</summary>
    public int RankOf(string name) => (int)(Match(rankPatterns, name) ?? R);

    /// <summary>What patterns see of a module's name: the parameter's where that was adapted.</summary>
    public string PatternName(string module)
    {
        string parameter = $"{module}.weight";
        return TargetParameters.Any(target => parameter == target || parameter.EndsWith($".{target}", StringComparison.Ordinal)) ? parameter : module;
    }

    /// <summary>What B · A of a module or parameter is multiplied with.</summary>
    public float ScaleOf(string name)
    {
        double alpha = Match(alphaPatterns, name) ?? LoraAlpha;
        return (float)(UseRsLora ? alpha / Math.Sqrt(RankOf(name)) : alpha / RankOf(name));
    }

    private static LoraConfig Read(JsonConfig c)
    {
        LoraVariants.Refuse(c);
        return new LoraConfig(c);
    }

    /// <summary>The first pattern in the file's order that matches.</summary>
    private double? Match(LoraPattern[] patterns, string name)
    {
        try
        {
            return Array.Find(patterns, p => p.Expression.IsMatch(name))?.Value;
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw new ConfigException(MessageText.OneLine($"{file}: the pattern {exception.Pattern} takes too long to match \"{name}\""), exception);
        }
    }

    private static LoraPattern[] Patterns(JsonConfig c, string key, Func<JsonConfig, string, double?> value)
    {
        if (c.Object(key) is not { } values) return [];
        return [.. values.Properties().Select(p => new LoraPattern(Expression(c, key, p.Key), value(values, p.Key)
            ?? throw c.Error($"\"{key}\" gives null for \"{p.Key}\", expected a number")))];
    }

    /// <summary>As PEFT matches: the pattern is a whole name, or what comes after a dot of it.</summary>
    private static Regex Expression(JsonConfig c, string key, string pattern)
    {
        string expression = $@"\A(.*\.)?({pattern.Replace("(?P<", "(?<", StringComparison.Ordinal)})$"; // (?P<name>…) is Python's spelling
        try
        {
            return new Regex(expression, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (NotSupportedException) // looks ahead or back
        {
            return new Regex(expression, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
        catch (ArgumentException exception)
        {
            throw c.Error($"\"{key}\" has the pattern \"{pattern}\", which is no regular expression: {exception.Message}");
        }
    }

    private sealed record LoraPattern(Regex Expression, double Value);
}

/// <summary>Settings of PEFT that change what an adapter computes, and why an adapter that has one is refused.</summary>
internal static class LoraVariants
{
    private const string Merge = "merge it into its model with PEFT's merge_and_unload and serve that";

    /// <summary>Settings that are on when true or not empty.</summary>
    private static readonly Dictionary<string, string> Refused = new(StringComparer.Ordinal)
    {
        ["use_dora"] = $"DoRA scales each row of the merged weight by a trained magnitude, which a low-rank update beside the weight cannot do; {Merge}",
        ["use_qalora"] = "QALoRA pools the inputs by group before A, which is not implemented",
        ["use_bdlora"] = $"block-diagonal LoRA is not implemented; {Merge}",
        ["kasa_config"] = $"KaSA changes the model's own weights; {Merge}",
        ["monteclora_config"] = "MonteCLoRA's sampling is not implemented",
        ["arrow_config"] = "Arrow routing between adapters is not implemented",
        ["alora_invocation_tokens"] = "an activated LoRA starts in the middle of a text, which is not implemented",
        ["layer_replication"] = "it repeats layers, so it belongs to a larger model than its base",
        ["megatron_config"] = "Megatron's layers are not those of this model",
        ["modules_to_save"] = $"it replaces whole modules beside the low-rank updates; {Merge}",
        ["trainable_token_indices"] = $"it replaces rows of the embedding; {Merge}",
        ["ensure_weight_tying"] = $"an update that embedding and head share is not implemented; {Merge}",
        ["fan_in_fan_out"] = "it belongs to a model that stores weights as [in, out]; Gemma 4 stores [out, in]",
    };

    /// <summary>Settings that are read elsewhere or matter in training only: dropout, initial values, what to adapt, VeLoRA's backward pass.</summary>
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "base_model_name_or_path", "peft_version", "lora_bias",
        "target_modules", "target_parameters", "exclude_modules", "layers_to_transform", "layers_pattern", "task_type", "inference_mode",
        "init_lora_weights", "lora_dropout", "auto_mapping", "revision", "megatron_core", "bias", "eva_config", "corda_config", "loftq_config",
        "lora_ga_config", "velora_config", "qalora_group_size", "runtime_config",
    };

    /// <summary>Initial values that leave the model's own weights as they are.</summary>
    private static readonly string[] PlainInitialValues = ["gaussian", "eva", "orthogonal", "mica"];

    /// <exception cref="ConfigException">The configuration asks for what is not implemented.</exception>
    public static void Refuse(JsonConfig c)
    {
        if (c.String("peft_type") is var type and not "LORA")
            throw c.Error($"peft_type is {(type is null ? "missing" : $"\"{type}\"")}; only \"LORA\" adapters can be served");
        foreach ((string key, JsonElement value) in c.Properties())
        {
            if (!IsOn(value)) continue;
            if (Refused.TryGetValue(key, out string? reason)) throw c.Error($"\"{key}\" is set: {reason}");
            if (!Harmless.Contains(key) && value.ValueKind != JsonValueKind.Number)
                throw c.Error($"\"{key}\" is set, which this version does not know; the adapter may compute something else without it");
        }
        RefuseChangedBase(c);
    }

    /// <summary>PiSSA and its like move part of the weight into the adapter: it is right only on top of the rest.</summary>
    private static void RefuseChangedBase(JsonConfig c)
    {
        JsonElement value = c.Properties().FirstOrDefault(p => p.Key == "init_lora_weights").Value;
        if (value.ValueKind != JsonValueKind.String || Array.IndexOf(PlainInitialValues, value.GetString()) >= 0) return;
        throw c.Error($"\"init_lora_weights\" is \"{value.GetString()}\": such adapters belong to a model whose weights were changed when training began; "
            + "save it as a plain adapter with PEFT's path_initial_model_for_weight_conversion");
    }

    private static bool IsOn(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.Undefined or JsonValueKind.False => false,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        JsonValueKind.String => value.GetString()!.Length > 0,
        _ => true,
    };
}
