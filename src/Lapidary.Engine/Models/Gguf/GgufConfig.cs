using System.Text.Json;
using Lapidary.Checkpoints.Gguf;

namespace Lapidary.Models.Gguf;

/// <summary>
/// A GGUF file's metadata said in the words of config.json, so that one reader checks both. GGUF does not name the
/// activation: it belongs to the architecture, so config.json's default holds.
/// </summary>
internal static class GgufConfig
{
    private const string Architecture = "gemma4";

    /// <exception cref="CheckpointException">Metadata is missing or of another kind.</exception>
    /// <exception cref="ConfigException">It describes what is not implemented.</exception>
    public static Gemma4Config Read(GgufFile file) => Gemma4ConfigReader.Parse(Json(file), file.Location);

    private static byte[] Json(GgufFile file)
    {
        GgufMetadata metadata = file.Metadata;
        string? architecture = metadata.String("general.architecture");
        if (architecture != Architecture)
            throw new ConfigException($"{file.Location}: general.architecture is {(architecture is null ? "missing" : MessageText.Quote(architecture))}; supported: {Architecture}");

        double[] sliding = metadata.Numbers(Key("attention.sliding_window_pattern")) ?? throw Missing(file, "attention.sliding_window_pattern");
        int layers = Required(file, "block_count"), headDim = Required(file, "attention.key_length"), slidingDim = metadata.Int(Key("attention.key_length_swa")) ?? headDim;
        int rotated = metadata.Int(Key("rope.dimension_count_swa")) ?? slidingDim;
        if (rotated != slidingDim) throw new ConfigException($"{file.Location}: {Key("rope.dimension_count_swa")} is {rotated}, expected the head width {slidingDim}");
        int experts = metadata.Int(Key("expert_count")) ?? 0;
        int[] widths = PerLayer(file, "feed_forward_length", layers), heads = PerLayer(file, "attention.head_count_kv", layers);

        using MemoryStream stream = new();
        using Utf8JsonWriter json = new(stream);
        json.WriteStartObject();
        json.WriteString("model_type", "gemma4_text");
        json.WriteNumber("vocab_size", Rows(file, "embed_tokens") ?? throw Missing(file, "token_embd.weight"));
        json.WriteNumber("hidden_size", Required(file, "embedding_length"));
        json.WriteNumber("num_hidden_layers", layers);
        json.WriteNumber("num_attention_heads", Required(file, "attention.head_count"));
        json.WriteNumber("num_key_value_heads", heads[0]);
        json.WriteNumber("head_dim", slidingDim);
        json.WriteNumber("intermediate_size", widths[0]);
        json.WriteBoolean("use_double_wide_mlp", widths[^1] != widths[0]);
        json.WriteNumber("max_position_embeddings", Required(file, "context_length"));
        json.WriteNumber("sliding_window", Required(file, "attention.sliding_window"));
        json.WriteNumber("rms_norm_eps", metadata.Number(Key("attention.layer_norm_rms_epsilon")) ?? 1e-6);
        json.WriteNumber("final_logit_softcapping", metadata.Number(Key("final_logit_softcapping")) ?? 30);
        json.WriteNumber("num_kv_shared_layers", metadata.Int(Key("attention.shared_kv_layers")) ?? 0);
        json.WriteNumber("hidden_size_per_layer_input", metadata.Int(Key("embedding_length_per_layer_input")) ?? 0);
        json.WriteNumber("vocab_size_per_layer_input", Rows(file, "embed_tokens_per_layer") ?? 0);
        json.WriteBoolean("tie_word_embeddings", file.Find("output.weight") is null);
        json.WriteBoolean("attention_k_eq_v", Enumerable.Range(0, layers).Any(i => file.Find($"blk.{i}.attn_k.weight") is not null && file.Find($"blk.{i}.attn_v.weight") is null));
        json.WriteBoolean("enable_moe_block", experts > 0);
        if (experts > 0)
        {
            json.WriteNumber("num_experts", experts);
            json.WriteNumber("top_k_experts", Required(file, "expert_used_count"));
            json.WriteNumber("moe_intermediate_size", Required(file, "expert_feed_forward_length"));
        }
        json.WriteStartArray("layer_types");
        foreach (double isSliding in sliding) json.WriteStringValue(isSliding != 0 ? "sliding_attention" : "full_attention");
        json.WriteEndArray();
        json.WriteStartObject("per_layer_config");
        for (int i = 0; i < Math.Min(layers, sliding.Length); i++)
        {
            json.WriteStartObject($"{i:00}");
            json.WriteNumber("head_dim", sliding[i] != 0 ? slidingDim : headDim);
            json.WriteNumber("num_key_value_heads", heads[i]);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteStartObject("rope_parameters");
        Rope("sliding_attention", "default", metadata.Number(Key("rope.freq_base_swa")) ?? 1e4, 1);
        Rope("full_attention", "proportional", metadata.Number(Key("rope.freq_base")) ?? 1e6, RotatedShare(file, headDim));
        json.WriteEndObject();
        json.WriteStartArray("eos_token_id");
        foreach (int id in EndTokens(file)) json.WriteNumberValue(id);
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return stream.ToArray();

        void Rope(string type, string kind, double theta, double share)
        {
            json.WriteStartObject(type);
            json.WriteString("rope_type", kind);
            json.WriteNumber("rope_theta", theta);
            json.WriteNumber("partial_rotary_factor", share);
            json.WriteEndObject();
        }
    }

    /// <summary>rope_freqs holds 1 for frequencies that rotate and a huge divisor for the others.</summary>
    private static double RotatedShare(GgufFile file, int headDim)
    {
        if (file.Find("rope_freqs.weight") is not { } tensor) return 1;
        float[] factors = new float[tensor.Shape[^1]];
        file.Matrix(tensor).ReadRow(0, factors);
        int rotated = factors.TakeWhile(factor => factor == 1).Count();
        if (factors.Length != headDim / 2 || rotated == 0 || factors.Skip(rotated).Any(factor => factor < 1e20f))
            throw new ConfigException($"{file.Location}: rope_freqs.weight is not {headDim / 2} factors, first of 1 and then above 1e20");
        return (double)rotated / factors.Length;
    }

    /// <summary>The end of text, and the tokens that end a turn.</summary>
    private static SortedSet<int> EndTokens(GgufFile file)
    {
        SortedSet<int> ends = [];
        foreach (string key in (string[])["eos_token_id", "eot_token_id", "eom_token_id"])
            if (file.Metadata.Int($"tokenizer.ggml.{key}") is { } id) ends.Add(id);
        string[] tokens = file.Metadata.Strings("tokenizer.ggml.tokens") ?? [];
        foreach (string turn in (string[])["<turn|>", "<|tool_response>"])
            if (Array.IndexOf(tokens, turn) is >= 0 and var id) ends.Add(id);
        return ends;
    }

    private static int[] PerLayer(GgufFile file, string key, int layers)
    {
        if (!file.Metadata.IsArray(Key(key))) return [.. Enumerable.Repeat(Required(file, key), layers)];
        double[] values = file.Metadata.Numbers(Key(key))!;
        return values.Length == layers
            ? [.. values.Select(value => (int)value)]
            : throw new ConfigException($"{file.Location}: {Key(key)} has {values.Length} entries, {Key("block_count")} is {layers}");
    }

    private static long? Rows(GgufFile file, string name) => file.Find(GgufNames.Tensor(name)!)?.Shape[0];

    private static int Required(GgufFile file, string key) => file.Metadata.Int(Key(key)) ?? throw Missing(file, Key(key));

    private static string Key(string name) => $"{Architecture}.{name}";

    private static ConfigException Missing(GgufFile file, string what) => new($"{file.Location}: {what} is missing; the file is not a complete Gemma 4 model");
}
