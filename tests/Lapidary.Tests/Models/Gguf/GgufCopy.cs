using System.Text;
using System.Text.Json;
using Lapidary.Checkpoints;
using Lapidary.Checkpoints.Gguf;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Models.Gguf;

/// <summary>The embedded model as a GGUF file, with the names and metadata that llama.cpp's converter writes.</summary>
internal sealed class GgufCopy : IDisposable
{
    // As in llama.cpp's converter; written out here on its own so that a wrong name in the product is noticed.
    private static readonly (string HuggingFace, string Gguf)[] names =
    [
        ("embed_tokens", "token_embd"), (".input_layernorm", ".attn_norm"), (".self_attn.q_proj", ".attn_q"), (".self_attn.k_proj", ".attn_k"),
        (".self_attn.v_proj", ".attn_v"), (".self_attn.o_proj", ".attn_output"), (".self_attn.q_norm", ".attn_q_norm"), (".self_attn.k_norm", ".attn_k_norm"),
        (".post_attention_layernorm", ".post_attention_norm"), (".pre_feedforward_layernorm_2", ".pre_ffw_norm_2"), (".post_feedforward_layernorm_1", ".post_ffw_norm_1"),
        (".post_feedforward_layernorm_2", ".post_ffw_norm_2"), (".pre_feedforward_layernorm", ".ffn_norm"), (".post_feedforward_layernorm", ".post_ffw_norm"),
        (".mlp.gate_proj", ".ffn_gate"), (".mlp.up_proj", ".ffn_up"), (".mlp.down_proj", ".ffn_down"), (".router.proj", ".ffn_gate_inp"),
        (".router.scale", ".ffn_gate_inp.scale"), (".router.per_expert_scale", ".ffn_down_exps.scale"), (".experts.gate_up_proj", ".ffn_gate_up_exps.weight"),
        (".experts.down_proj", ".ffn_down_exps.weight"), (".layer_scalar", ".layer_output_scale.weight"),
    ];

    private readonly CheckpointFolder folder = new();
    private readonly MemoryStream pairs = new();
    private ulong count;

    /// <param name="change">Leaves a metadata key out or a tensor away when it says so.</param>
    public GgufCopy(Func<string, bool>? change = null)
    {
        Func<string, bool> keep = change ?? (_ => true);
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(Goldens.TinyModel, "config.json")));
        Metadata(config.RootElement, keep);
        Tokenizer(keep);
        using ICheckpoint checkpoint = Checkpoint.Open(Goldens.TinyModel);
        FilePath = folder.Write("model.gguf", Assemble(checkpoint, keep));
    }

    public string FilePath { get; }

    public void Dispose() => folder.Dispose();

    private void Metadata(JsonElement c, Func<string, bool> keep)
    {
        bool[] sliding = [.. c.GetProperty("layer_types").EnumerateArray().Select(t => t.GetString() == "sliding_attention")];
        int Int(string name, int or = 0) => c.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : or;
        int headDim = Int("head_dim"), heads = Int("num_key_value_heads"), fullDim = Int("global_head_dim"), fullHeads = Int("num_global_key_value_heads", heads);
        Text("general.architecture", "gemma4", keep);
        foreach ((string key, int value) in new (string, int)[]
        {
            ("context_length", Int("max_position_embeddings")), ("embedding_length", Int("hidden_size")), ("block_count", sliding.Length),
            ("feed_forward_length", Int("intermediate_size")), ("expert_feed_forward_length", Int("moe_intermediate_size")), ("expert_count", Int("num_experts")),
            ("expert_used_count", Int("top_k_experts")), ("attention.head_count", Int("num_attention_heads")), ("attention.key_length", fullDim),
            ("attention.key_length_swa", headDim), ("attention.sliding_window", Int("sliding_window")), ("attention.shared_kv_layers", Int("num_kv_shared_layers")),
            ("embedding_length_per_layer_input", Int("hidden_size_per_layer_input")), ("rope.dimension_count_swa", headDim),
        })
            Number($"gemma4.{key}", value, keep);
        Array("gemma4.attention.head_count_kv", 5, sliding, s => BitConverter.GetBytes(s ? heads : fullHeads), keep);
        Array("gemma4.attention.sliding_window_pattern", 7, sliding, s => [(byte)(s ? 1 : 0)], keep);
        JsonElement rope = c.GetProperty("rope_parameters");
        Single("gemma4.attention.layer_norm_rms_epsilon", (float)c.GetProperty("rms_norm_eps").GetDouble(), keep);
        Single("gemma4.rope.freq_base", (float)rope.GetProperty("full_attention").GetProperty("rope_theta").GetDouble(), keep);
        Single("gemma4.rope.freq_base_swa", (float)rope.GetProperty("sliding_attention").GetProperty("rope_theta").GetDouble(), keep);
        if (c.GetProperty("final_logit_softcapping") is { ValueKind: JsonValueKind.Number } cap) Single("gemma4.final_logit_softcapping", (float)cap.GetDouble(), keep);
        rotated = (int)(rope.GetProperty("full_attention").GetProperty("partial_rotary_factor").GetDouble() * fullDim / 2);
        frequencies = fullDim / 2;
    }

    private int rotated, frequencies;

    private void Tokenizer(Func<string, bool> keep)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Goldens.TinyModel, "tokenizer.json")));
        JsonElement model = document.RootElement.GetProperty("model");
        string[] tokens = new string[model.GetProperty("vocab").EnumerateObject().Count()];
        int[] types = new int[tokens.Length];
        foreach (JsonProperty token in model.GetProperty("vocab").EnumerateObject())
        {
            tokens[token.Value.GetInt32()] = token.Name;
            types[token.Value.GetInt32()] = token.Name.StartsWith("<0x", StringComparison.Ordinal) ? 6 : 1;
        }
        foreach (JsonElement token in document.RootElement.GetProperty("added_tokens").EnumerateArray())
            types[token.GetProperty("id").GetInt32()] = token.GetProperty("special").GetBoolean() ? 3 : 4;
        Text("tokenizer.ggml.model", "gemma4", keep);
        Array("tokenizer.ggml.tokens", 8, tokens, String, keep);
        Array("tokenizer.ggml.token_type", 5, types, BitConverter.GetBytes, keep);
        Array("tokenizer.ggml.merges", 8, [.. model.GetProperty("merges").EnumerateArray().Select(m => m.ValueKind == JsonValueKind.String ? m.GetString()! : $"{m[0].GetString()} {m[1].GetString()}")], String, keep);
        Number("tokenizer.ggml.bos_token_id", 2, keep);
        Number("tokenizer.ggml.eos_token_id", 1, keep);
        Text("tokenizer.chat_template", File.ReadAllText(Path.Combine(Goldens.TinyModel, "chat_template.jinja")), keep);
    }

    private byte[] Assemble(ICheckpoint checkpoint, Func<string, bool> keep)
    {
        List<(string Name, ulong[] Shape, uint Type, byte[] Bytes)> tensors = [];
        foreach (string name in checkpoint.Names)
        {
            StoredTensor tensor = checkpoint.Find(name)!;
            string stored = Rename(name);
            if (keep(stored)) tensors.Add((stored, [.. tensor.Shape.Reverse().Select(e => (ulong)e)], TypeOf(tensor.DType), tensor.Bytes(0, (int)tensor.ByteLength).ToArray()));
        }
        float[] factors = [.. Enumerable.Range(0, frequencies).Select(i => i < rotated ? 1 : 1e30f)];
        tensors.Add(("rope_freqs.weight", [(ulong)frequencies], 0, [.. factors.SelectMany(BitConverter.GetBytes)]));

        using MemoryStream file = new();
        using BinaryWriter writer = new(file);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors.Count);
        writer.Write(count);
        writer.Write(pairs.ToArray());
        ulong offset = 0;
        foreach ((string name, ulong[] shape, uint type, byte[] bytes) in tensors)
        {
            writer.Write(String(name));
            writer.Write((uint)shape.Length);
            foreach (ulong extent in shape) writer.Write(extent);
            writer.Write(type);
            writer.Write(offset);
            offset += ((ulong)bytes.Length + 31) / 32 * 32;
        }
        Pad();
        foreach ((_, _, _, byte[] bytes) in tensors)
        {
            writer.Write(bytes);
            Pad();
        }
        writer.Flush();
        return file.ToArray();

        void Pad()
        {
            writer.Flush();
            while (file.Length % 32 != 0) file.WriteByte(0);
        }
    }

    private static uint TypeOf(DType dtype) => GgufType.All.Single(type => type.Name == dtype.ToString()).Id;

    private static string Rename(string name)
    {
        string stored = name.Replace("model.language_model.", "model.", StringComparison.Ordinal)["model.".Length..].Replace("layers.", "blk.", StringComparison.Ordinal);
        if (stored == "norm.weight") return "output_norm.weight";
        foreach ((string from, string to) in names)
            if (stored.Contains(from, StringComparison.Ordinal)) return stored.Replace(from, to, StringComparison.Ordinal);
        throw new InvalidOperationException(name);
    }

    private static byte[] String(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return [.. BitConverter.GetBytes((ulong)utf8.Length), .. utf8];
    }

    private void Pair(string key, uint type, byte[] value, Func<string, bool> keep)
    {
        if (!keep(key)) return;
        pairs.Write(String(key));
        pairs.Write(BitConverter.GetBytes(type));
        pairs.Write(value);
        count++;
    }

    private void Text(string key, string value, Func<string, bool> keep) => Pair(key, 8, String(value), keep);

    private void Number(string key, int value, Func<string, bool> keep) => Pair(key, 4, BitConverter.GetBytes((uint)value), keep);

    private void Single(string key, float value, Func<string, bool> keep) => Pair(key, 6, BitConverter.GetBytes(value), keep);

    private void Array<T>(string key, uint type, T[] values, Func<T, byte[]> bytes, Func<string, bool> keep)
        => Pair(key, 9, [.. BitConverter.GetBytes(type), .. BitConverter.GetBytes((ulong)values.Length), .. values.SelectMany(bytes)], keep);
}
