using System.Globalization;
using Lapidary.Quantization;

namespace Lapidary.Models;

/// <summary>
/// Reads config.json in both spellings: the published one (global_head_dim, num_global_key_value_heads) and the one that
/// transformers saves from 5.15 on (per_layer_config, which wins). Defaults are those of Gemma4TextConfig.
/// </summary>
public static class Gemma4ConfigReader
{
    private const int MaxWidth = 1 << 24;
    private const string Sliding = "sliding_attention", Full = "full_attention";
    private static readonly string[] ModelTypes = ["gemma4_text", "gemma4_unified_text"];
    private static readonly string[] PerLayerKeys = ["head_dim", "num_key_value_heads"];
    private static readonly string[] MultimodalTypes = ["gemma4", "gemma4_unified"];

    /// <param name="path">config.json, or the folder that holds it.</param>
    /// <exception cref="ConfigException">Missing, malformed, or describes what is not implemented.</exception>
    public static Gemma4Config Load(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, "config.json") : path;
        return JsonConfig.Load(file, root => Read(root, Path.GetDirectoryName(file)));
    }

    /// <exception cref="ConfigException">Malformed, or describes what is not implemented.</exception>
    public static Gemma4Config Parse(ReadOnlyMemory<byte> json, string file) => JsonConfig.Parse(json, file, root => Read(root, folder: null));

    /// <summary>The text part of a drafter, whose layers all read the keys and values of the target's.</summary>
    /// <exception cref="ConfigException">Malformed, not implemented, or not for this target.</exception>
    internal static Gemma4Config ReadDrafter(JsonConfig root, string folder, Gemma4Config target)
    {
        JsonConfig text = root.Object("text_config") ?? throw root.Error("a drafter's config without \"text_config\"");
        if (text.Int("hidden_size_per_layer_input", 256, min: 0) is > 0 and var d) throw text.Error($"hidden_size_per_layer_input is {d}, expected 0 in a drafter");
        return Read(root, text, folder, target.Layers);
    }

    private static JsonConfig TextConfig(JsonConfig root)
    {
        string? type = root.String("model_type");
        if (Array.IndexOf(ModelTypes, type) >= 0) return root;
        if (Array.IndexOf(Gemma4AssistantConfig.ModelTypes, type) >= 0)
            throw root.Error($"model_type is \"{type}\": a drafter, which has no keys and values of its own; give it beside its model, as --speculative-config mtp:model=FOLDER");
        if (Array.IndexOf(MultimodalTypes, type) < 0)
            throw root.Error($"model_type is {(type is null ? "missing" : $"\"{type}\"")}; supported: {string.Join(", ", [.. ModelTypes, .. MultimodalTypes])}");
        JsonConfig text = root.Object("text_config") ?? throw root.Error("a multimodal config without \"text_config\"");
        string? textType = text.String("model_type");
        if (textType is not null && Array.IndexOf(ModelTypes, textType) < 0)
            throw root.Error($"text_config.model_type is \"{textType}\"; supported: {string.Join(", ", ModelTypes)}");
        return text;
    }

    private static Gemma4Config Read(JsonConfig root, string? folder) => Read(root, TextConfig(root), folder, donors: null);

    /// <param name="c">The text model's part of <paramref name="root"/>.</param>
    /// <param name="donors">Layers whose keys and values are read instead of own ones; null for a whole model.</param>
    private static Gemma4Config Read(JsonConfig root, JsonConfig c, string? folder, IReadOnlyList<Gemma4Layer>? donors)
    {
        Refuse(c);
        string name = c.String("hidden_activation") ?? "gelu_pytorch_tanh";
        Activation activation;
        try
        {
            activation = Activation.FromHuggingFace(name);
        }
        catch (ConfigException exception)
        {
            throw c.Error($"hidden_activation: {exception.Message}");
        }

        IReadOnlyList<Gemma4Layer> layers = Layers(c, donors);
        (RopeParameters sliding, RopeParameters full) = Rope(c);
        Gemma4Config config = new()
        {
            VocabSize = c.Int("vocab_size", 262144),
            HiddenSize = c.Int("hidden_size", 2304),
            NumAttentionHeads = c.Int("num_attention_heads", 8),
            AttentionBias = c.Bool("attention_bias", false),
            MaxPositionEmbeddings = c.Int("max_position_embeddings", 131072),
            SlidingWindow = c.Int("sliding_window", 512),
            RmsNormEps = (float)c.Double("rms_norm_eps", 1e-6),
            HiddenActivation = activation,
            FinalLogitSoftcapping = (float?)c.DoubleOrNull("final_logit_softcapping"),
            HiddenSizePerLayerInput = c.Int("hidden_size_per_layer_input", 256, min: 0),
            VocabSizePerLayerInput = c.Int("vocab_size_per_layer_input", 262144, min: 0),
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
            SlidingRope = sliding,
            FullRope = full,
            Experts = Experts(c),
            Quantization = QuantizationConfig.Find(root, folder),
            Layers = layers,
            EosTokenIds = root.Ints("eos_token_id") is { Count: > 0 } outer ? outer : c.Ints("eos_token_id") is { Count: > 0 } ids ? ids : [1],
        };
        Check(config, c, donors ?? layers);
        return config;
    }

    private static void Refuse(JsonConfig c)
    {
        if (c.String("use_bidirectional_attention") is { } mode && mode != "vision")
            throw c.Error($"use_bidirectional_attention is \"{mode}\"; only causal text (null or \"vision\") is supported");
    }

    private static Gemma4Experts? Experts(JsonConfig c)
    {
        if (!c.Bool("enable_moe_block", false)) return null;
        int Required(string key) => c.IntOrNull(key) ?? throw c.Error($"enable_moe_block is true but \"{key}\" is missing");
        int width = c.IntOrNull("moe_intermediate_size") ?? c.IntOrNull("expert_intermediate_size") ?? Required("moe_intermediate_size");
        Gemma4Experts experts = new(Required("num_experts"), Required("top_k_experts"), width);
        if (experts.TopKExperts > experts.NumExperts)
            throw c.Error($"top_k_experts {experts.TopKExperts} is more than num_experts {experts.NumExperts}");
        if (experts.NumExperts > 65536) throw c.Error($"num_experts {experts.NumExperts} is more than 65536");
        return experts;
    }

    private static List<Gemma4Layer> Layers(JsonConfig c, IReadOnlyList<Gemma4Layer>? donors)
    {
        bool[] full = LayerTypes(c);
        int count = full.Length, shared = c.Int("num_kv_shared_layers", 0, min: 0, max: count);
        if (donors is not null && shared > 0 && shared != count)
            throw c.Error($"num_kv_shared_layers is {shared}, expected {count}: a drafter has no keys and values of its own");
        if (donors is null && shared == count) throw c.Error($"num_kv_shared_layers {shared} leaves no layer that computes keys and values");
        int headDim = c.Int("head_dim", 256), globalHeadDim = c.Int("global_head_dim", 512);
        int heads = c.Int("num_key_value_heads", 4);
        bool keyIsValue = c.Bool("attention_k_eq_v", false);
        int globalHeads = keyIsValue ? c.IntOrNull("num_global_key_value_heads") ?? heads : heads;
        int intermediate = c.Int("intermediate_size", 9216);
        bool doubleWide = c.Bool("use_double_wide_mlp", false) && shared > 0;
        Dictionary<int, JsonConfig>? overrides = PerLayer(c, count);

        List<Gemma4Layer> layers = [];
        for (int i = 0; i < count; i++)
        {
            int dim = full[i] && overrides is null ? globalHeadDim : headDim;
            int keyValueHeads = full[i] && overrides is null ? globalHeads : heads;
            if (overrides is not null && overrides.TryGetValue(i, out JsonConfig layer))
            {
                dim = layer.Int("head_dim", dim);
                keyValueHeads = layer.Int("num_key_value_heads", keyValueHeads);
            }
            bool shares = donors is not null || i >= count - shared;
            int donor = shares ? (donors ?? layers).LastOrDefault(l => l.IsFull == full[i] && !l.SharesKeyValues)?.Index ?? -1 : i;
            if (donor < 0)
                throw c.Error($"layer {i} shares keys and values, but no {(donors is null ? "earlier layer" : "layer of the target")} of its type computes them");
            layers.Add(new Gemma4Layer(
                i, full[i], dim, keyValueHeads, keyIsValue && full[i],
                shares && doubleWide ? 2 * intermediate : intermediate, donor)
            { SharesKeyValues = shares });
        }
        return layers;
    }

    private static bool[] LayerTypes(JsonConfig c)
    {
        int count = c.Int("num_hidden_layers", 30, max: 4096);
        var full = new bool[count];
        if (c.Strings("layer_types") is { } types)
        {
            if (types.Count != count) throw c.Error($"layer_types has {types.Count} entries, num_hidden_layers is {count}");
            for (int i = 0; i < count; i++)
                full[i] = types[i] switch
                {
                    Full => true,
                    Sliding => false,
                    _ => throw c.Error($"layer_types[{i}] is \"{types[i]}\"; known: {Sliding}, {Full}"),
                };
        }
        else
        {
            for (int i = 0; i < count; i++) full[i] = (i + 1) % 6 == 0;
        }
        full[^1] = true; // HuggingFace forces the last layer
        return full;
    }

    private static Dictionary<int, JsonConfig>? PerLayer(JsonConfig c, int count)
    {
        if (c.Object("per_layer_config") is not { } perLayer) return null;
        Dictionary<int, JsonConfig> overrides = [];
        foreach ((string key, JsonConfig value) in perLayer.Objects())
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) || layer >= count)
                throw c.Error($"per_layer_config has key \"{key}\", expected layer numbers 0 to {count - 1}");
            if (value.Keys().Except(PerLayerKeys).FirstOrDefault() is { } unknown)
                throw c.Error($"per_layer_config of layer {layer} sets \"{unknown}\"; supported: {string.Join(", ", PerLayerKeys)}");
            overrides[layer] = value;
        }
        return overrides;
    }

    private static (RopeParameters Sliding, RopeParameters Full) Rope(JsonConfig c)
    {
        JsonConfig? rope = c.Object("rope_parameters");
        foreach (string type in (string[])[Sliding, Full])
            if (rope is { } given && given.Object(type) is null)
                throw c.Error($"rope_parameters has no \"{type}\"; expected one object for {Sliding} and one for {Full}");
        return (Rope(c, rope?.Object(Sliding), "default", 1e4, 1), Rope(c, rope?.Object(Full), "proportional", 1e6, 0.25));
    }

    private static RopeParameters Rope(JsonConfig c, JsonConfig? parameters, string defaultType, double theta, double partial)
    {
        if (parameters is not { } p) return new RopeParameters(theta, partial, 1);
        string type = p.String("rope_type") ?? defaultType;
        if (type is not ("default" or "linear" or "proportional"))
            throw c.Error($"rope_type is \"{type}\"; supported: default, linear, proportional");
        double share = type == "proportional" ? p.Double("partial_rotary_factor", 1) : 1;
        double factor = type == "default" ? 1 : p.Double("factor", 1), rope = p.Double("rope_theta", theta);
        if (share is <= 0 or > 1) throw c.Error($"partial_rotary_factor is {share}, expected above 0 and up to 1");
        if ((float)rope <= 0 || (float)factor <= 0) throw c.Error($"rope_theta {rope} and factor {factor} must be above 0 in float32");
        return new RopeParameters(rope, share, factor);
    }

    private static void Check(Gemma4Config config, JsonConfig c, IReadOnlyList<Gemma4Layer> donors)
    {
        foreach (Gemma4Layer layer in config.Layers)
        {
            if (layer.HeadDim % 2 != 0) throw c.Error($"head_dim {layer.HeadDim} of layer {layer.Index} is odd");
            if (config.NumAttentionHeads % layer.KeyValueHeads != 0)
                throw c.Error($"num_attention_heads {config.NumAttentionHeads} is not a multiple of the {layer.KeyValueHeads} key-value heads of layer {layer.Index}");
            // Widths are multiplied in int: the queries of all heads are one row.
            if ((long)config.NumAttentionHeads * layer.HeadDim > MaxWidth)
                throw c.Error($"num_attention_heads {config.NumAttentionHeads} times head_dim {layer.HeadDim} of layer {layer.Index} is more than {MaxWidth}");
            Gemma4Layer donor = donors[layer.CacheLayer];
            if (donor.HeadDim != layer.HeadDim || donor.KeyValueHeads != layer.KeyValueHeads)
                throw c.Error($"layer {layer.Index} shares the keys of layer {donor.Index}{(donors == config.Layers ? "" : " of the target")}, whose heads differ: "
                    + $"{donor.KeyValueHeads} of {donor.HeadDim}, not {layer.KeyValueHeads} of {layer.HeadDim}");
        }
        if (config.HiddenSizePerLayerInput > 0 && config.VocabSizePerLayerInput < config.VocabSize)
            throw c.Error($"vocab_size_per_layer_input {config.VocabSizePerLayerInput} is less than vocab_size {config.VocabSize}");
        if ((long)config.HiddenSizePerLayerInput * config.Layers.Count > MaxWidth)
            throw c.Error($"hidden_size_per_layer_input {config.HiddenSizePerLayerInput} times num_hidden_layers {config.Layers.Count} is more than {MaxWidth}");
        if (config.RmsNormEps <= 0) throw c.Error($"rms_norm_eps is {config.RmsNormEps} in float32, expected above 0");
        if (config.FinalLogitSoftcapping is <= 0) throw c.Error($"final_logit_softcapping is {config.FinalLogitSoftcapping}, expected above 0");
    }
}
