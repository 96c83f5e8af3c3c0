using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Models;

/// <summary>Binds the tensors of a checkpoint to the layers of the configuration. Every tensor is accounted for.</summary>
internal sealed class Gemma4Loader(
    Gemma4Config config, IWeightSource tensors, IReadOnlyList<ExpertWeights> experts, IKernels kernels, IExpertBackend? expertBackend, LoraSites sites,
    Gemma4Options options)
{
    // Above this size a look at every weight would cost more than the rest of the load. Small tensors are always checked,
    // and logits that are not numbers are refused when they appear.
    private const long CheckAllBelow = 2L << 30, AlwaysCheckBelow = 1 << 20;

    private readonly int hidden = config.HiddenSize;
    private readonly bool checkAll = tensors.ByteLength < CheckAllBelow;

    public Gemma4Weights Load()
    {
        StoredMatrix embedding = Matrix("embed_tokens", config.VocabSize, hidden);
        List<Gemma4LayerWeights> layers = [];
        foreach (Gemma4Layer layer in config.Layers)
        {
            layers.Add(LoadLayer(layer));
            options.Progress?.Invoke(layers.Count, config.Layers.Count);
        }
        AdaptedLinear head = Linear("lm_head", options.HeadFormat is { } format ? format.Round(Head(embedding)) : Head(embedding));
        bool sharesRows = config.TieWordEmbeddings && options.HeadFormat is null;
        IEmbedding table = sharesRows ? kernels.RowsOf(head.Weight) : kernels.LoadEmbedding(embedding);
        Gemma4Weights weights = new(
            new AdaptedEmbedding(table, sites.AddEmbedding("embed_tokens", embedding, MathF.Sqrt(hidden))), head,
            Vector("norm.weight", hidden), [.. layers], LoadPerLayerEmbeddings());
        if (tensors.Unused() is { Count: > 0 } unused)
            throw new CheckpointException(
                $"{unused.Count} tensors belong to no part of this model, e.g. \"{unused[0]}\"; config.json and the weights are probably of different models");
        return weights;
    }

    private StoredMatrix Head(StoredMatrix embedding)
    {
        if (!config.TieWordEmbeddings) return Matrix("lm_head", config.VocabSize, hidden);
        tensors.IgnoreModule("lm_head"); // some checkpoints hold a duplicate of the tied head
        return embedding;
    }

    private Gemma4LayerWeights LoadLayer(Gemma4Layer layer)
    {
        string p = $"layers.{layer.Index}.", attention = $"{p}self_attn.";
        int queries = config.NumAttentionHeads * layer.HeadDim, keys = layer.KeyValueHeads * layer.HeadDim;
        bool shared = layer.SharesKeyValues;
        if (shared)
            foreach (string unused in (string[])["k_proj", "v_proj", "k_norm"]) tensors.IgnoreModule(attention + unused);

        return new Gemma4LayerWeights
        {
            Config = layer,
            LayerScalar = Require($"{p}layer_scalar", 1).ToSingles()[0],
            InputLayerNorm = Vector($"{p}input_layernorm.weight", hidden),
            QProj = AttentionLinear($"{attention}q_proj", queries, hidden),
            KProj = shared ? null : AttentionLinear($"{attention}k_proj", keys, hidden),
            VProj = shared || layer.KeyIsValue ? null : AttentionLinear($"{attention}v_proj", keys, hidden),
            OProj = AttentionLinear($"{attention}o_proj", hidden, queries),
            QNorm = Vector($"{attention}q_norm.weight", layer.HeadDim),
            KNorm = shared ? null : Vector($"{attention}k_norm.weight", layer.HeadDim),
            PostAttentionLayerNorm = Vector($"{p}post_attention_layernorm.weight", hidden),
            PreFeedforwardLayerNorm = Vector($"{p}pre_feedforward_layernorm.weight", hidden),
            GateProj = Linear($"{p}mlp.gate_proj", layer.IntermediateSize, hidden),
            UpProj = Linear($"{p}mlp.up_proj", layer.IntermediateSize, hidden),
            DownProj = Linear($"{p}mlp.down_proj", hidden, layer.IntermediateSize),
            PostFeedforwardLayerNorm = Vector($"{p}post_feedforward_layernorm.weight", hidden),
            Moe = LoadMoe(layer.Index, p),
            PerLayerInput = LoadPerLayerInput(p),
        };
    }

    /// <summary>The routed experts of each layer, where they lie; none when the model has none.</summary>
    /// <exception cref="CheckpointException">They are missing, or not stored as the configuration says.</exception>
    public static IReadOnlyList<ExpertWeights> Experts(Gemma4Config config, IWeightSource tensors) => config.Experts is { } e
        ? [.. config.Layers.Select(layer => tensors.Experts($"layers.{layer.Index}.experts", e.NumExperts, e.MoeIntermediateSize, config.HiddenSize))]
        : [];

    private Gemma4MoeWeights? LoadMoe(int index, string p)
    {
        if (config.Experts is not { } sizes || expertBackend is null) return null;
        ExpertWeights weights = experts[index];
        foreach (StoredMatrix matrix in weights.Matrices) CheckFinite(matrix);
        ExpertLayerSpec spec = Gemma4.ExpertSpec(config, weights.Gate[0].Format, sites.Slots);
        return new Gemma4MoeWeights(
            kernels.LoadVector(Require($"{p}router.scale", hidden), MathF.Pow(hidden, -0.5f)),
            Linear($"{p}router.proj", sizes.NumExperts, hidden),
            Vector($"{p}router.per_expert_scale", sizes.NumExperts),
            expertBackend.Create(spec, weights, options.MaxStepTokens),
            sites.AddExperts($"{p}experts", sizes.NumExperts, hidden, sizes.MoeIntermediateSize),
            Vector($"{p}post_feedforward_layernorm_1.weight", hidden),
            Vector($"{p}pre_feedforward_layernorm_2.weight", hidden),
            Vector($"{p}post_feedforward_layernorm_2.weight", hidden));
    }

    private Gemma4PerLayerInputWeights? LoadPerLayerInput(string p)
    {
        int d = config.HiddenSizePerLayerInput;
        return d == 0 ? null : new Gemma4PerLayerInputWeights(
            Linear($"{p}per_layer_input_gate", d, hidden),
            Linear($"{p}per_layer_projection", hidden, d),
            Vector($"{p}post_per_layer_input_norm.weight", hidden));
    }

    private Gemma4PerLayerEmbeddings? LoadPerLayerEmbeddings()
    {
        int d = config.HiddenSizePerLayerInput, all = config.Layers.Count * d;
        return d == 0 ? null : new Gemma4PerLayerEmbeddings(
            PerLayerTable("embed_tokens_per_layer", all, scale: MathF.Sqrt(d)),
            Linear("per_layer_model_projection", all, hidden),
            Vector("per_layer_projection_norm.weight", d));
    }

    private AdaptedLinear AttentionLinear(string name, int rows, int columns)
        => Linear(name, Matrix(name, rows, columns), config.AttentionBias ? Vector($"{name}.bias", rows) : null);

    private AdaptedLinear Linear(string name, int rows, int columns) => Linear(name, Matrix(name, rows, columns));

    private AdaptedLinear Linear(string name, StoredMatrix weight, IBuffer? bias = null)
        => new(kernels.LoadLinear(weight), bias, sites.AddLinear(name, weight.Rows, weight.Columns));

    private AdaptedEmbedding PerLayerTable(string name, int columns, float scale)
    {
        StoredMatrix table = Matrix(name, config.VocabSizePerLayerInput, columns);
        return new(kernels.LoadEmbedding(table), sites.AddEmbedding(name, table, scale));
    }

    private IBuffer Vector(string name, int length) => kernels.LoadVector(Require(name, length));

    private StoredMatrix Matrix(string name, int rows, int columns)
    {
        StoredMatrix matrix = tensors.Matrix(name, rows, columns);
        CheckFinite(matrix);
        return matrix;
    }

    private void CheckFinite(StoredMatrix matrix)
    {
        if (checkAll || matrix.ByteLength < AlwaysCheckBelow) matrix.RequireFinite(tensors.Location);
    }

    private StoredTensor Require(string name, params ReadOnlySpan<long> shape)
    {
        StoredTensor tensor = tensors.Require(name, shape);
        if (checkAll || tensor.ByteLength < AlwaysCheckBelow) FiniteCheck.Require(tensor, tensors.Location);
        return tensor;
    }
}
