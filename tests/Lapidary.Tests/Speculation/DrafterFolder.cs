using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Lapidary.Checkpoints;
using Lapidary.Models;
using Lapidary.Tests.Checkpoints;

namespace Lapidary.Tests.Speculation;

/// <summary>A checkpoint of a drafter with random weights for a given target, as HuggingFace would save it.</summary>
internal sealed class DrafterFolder : IDisposable
{
    public const int Hidden = 32, Intermediate = 40, Window = 6, Centroids = 16, ChosenCentroids = 3;
    private static readonly bool[] Full = [false, false, true];

    private readonly CheckpointFolder folder = new();
    private readonly Random random;

    /// <param name="loud">Tokens that the drafter prefers to all others.</param>
    public DrafterFolder(Gemma4Config target, bool centroids = false, int seed = 1, params ReadOnlySpan<int> loud)
    {
        random = new Random(seed);
        Gemma4Layer sliding = target.Layers.Last(l => !l.IsFull && !l.SharesKeyValues), full = target.Layers.Last(l => l.IsFull && !l.SharesKeyValues);
        int window = Math.Min(Window, target.SlidingWindow);
        Config = new JsonObject
        {
            ["architectures"] = new JsonArray("Gemma4AssistantForCausalLM"),
            ["model_type"] = "gemma4_assistant",
            ["backbone_hidden_size"] = target.HiddenSize,
            ["use_ordered_embeddings"] = centroids,
            ["num_centroids"] = centroids ? Centroids : 2048, // published drafters without the head carry the defaults
            ["centroid_intermediate_top_k"] = centroids ? ChosenCentroids : 32,
            ["tie_word_embeddings"] = true,
            ["text_config"] = new JsonObject
            {
                ["model_type"] = "gemma4_text",
                ["vocab_size"] = target.VocabSize,
                ["hidden_size"] = Hidden,
                ["intermediate_size"] = Intermediate,
                ["num_hidden_layers"] = Full.Length,
                ["num_attention_heads"] = target.NumAttentionHeads,
                ["num_key_value_heads"] = sliding.KeyValueHeads,
                ["num_global_key_value_heads"] = full.KeyValueHeads,
                ["attention_k_eq_v"] = true,
                ["head_dim"] = sliding.HeadDim,
                ["global_head_dim"] = full.HeadDim,
                ["layer_types"] = new JsonArray([.. Full.Select(f => (JsonNode)(f ? "full_attention" : "sliding_attention"))]),
                ["num_kv_shared_layers"] = Full.Length,
                ["sliding_window"] = window,
                ["hidden_size_per_layer_input"] = 0,
                ["vocab_size_per_layer_input"] = 0,
                ["max_position_embeddings"] = target.MaxPositionEmbeddings,
            },
        };
        Add("pre_projection.weight", 0.15, Hidden, 2 * target.HiddenSize);
        Add("post_projection.weight", 0.2, target.HiddenSize, Hidden);
        Add("model.embed_tokens.weight", 0.3, target.VocabSize, Hidden);
        foreach (int token in loud)
            for (int i = 0; i < Hidden; i++) Tensors["model.embed_tokens.weight"].Values[token * Hidden + i] *= 8;
        AddNorm("model.norm.weight", Hidden);
        for (int i = 0; i < Full.Length; i++)
        {
            int dim = Full[i] ? full.HeadDim : sliding.HeadDim, queries = target.NumAttentionHeads * dim;
            string p = $"model.layers.{i}.";
            Tensors[$"{p}layer_scalar"] = ([1], [0.7f + 0.2f * i]);
            foreach (string norm in (string[])["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]) AddNorm($"{p}{norm}.weight", Hidden);
            AddNorm($"{p}self_attn.q_norm.weight", dim);
            Add($"{p}self_attn.q_proj.weight", 0.2, queries, Hidden);
            Add($"{p}self_attn.o_proj.weight", 0.2, Hidden, queries);
            Add($"{p}mlp.gate_proj.weight", 0.3, Intermediate, Hidden);
            Add($"{p}mlp.up_proj.weight", 0.3, Intermediate, Hidden);
            Add($"{p}mlp.down_proj.weight", 0.3, Hidden, Intermediate);
        }
        if (centroids)
        {
            Add("masked_embedding.centroids.weight", 0.3, Centroids, Hidden);
            Ordering = [.. Enumerable.Range(0, target.VocabSize)];
            random.Shuffle(Ordering);
        }
        Write();
    }

    /// <summary>config.json; <see cref="Write"/> after a change.</summary>
    public JsonObject Config { get; }

    /// <summary>By full name, row-major; <see cref="Write"/> after a change.</summary>
    public Dictionary<string, (long[] Shape, float[] Values)> Tensors { get; } = [];

    /// <summary>masked_embedding.token_ordering; null without centroids.</summary>
    public int[]? Ordering { get; set; }

    public string Path => folder.Path;

    public void Write()
    {
        folder.Write("config.json", Config.ToJsonString());
        IEnumerable<TensorToWrite> tensors = Tensors.Select(t => TensorToWrite.From(t.Key, DType.F32, t.Value.Shape, MemoryMarshal.AsBytes(t.Value.Values.AsSpan()).ToArray()));
        if (Ordering is not null)
        {
            long[] ids = [.. Ordering.Select(id => (long)id)];
            tensors = tensors.Append(TensorToWrite.From("masked_embedding.token_ordering", DType.I64, [ids.Length], MemoryMarshal.AsBytes(ids.AsSpan()).ToArray()));
        }
        SafetensorsWriter.WriteFile(folder["model.safetensors"], tensors);
    }

    public void Dispose() => folder.Dispose();

    private void Add(string name, double deviation, int rows, int columns)
        => Tensors[name] = ([rows, columns], [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(deviation * Normal()))]);

    private void AddNorm(string name, int length)
        => Tensors[name] = ([length], [.. Enumerable.Range(0, length).Select(_ => (float)(1 + 0.3 * Normal()))]);

    private double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
