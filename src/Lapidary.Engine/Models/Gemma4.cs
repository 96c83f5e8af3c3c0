using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.KvCache;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Models;

/// <summary>
/// The Gemma 4 text stack: sliding and full attention layers, a dense MLP beside routed experts, per-layer embeddings,
/// shared keys and values. Written once over <see cref="IKernels"/>; tensor memory is the device's affair.
/// Shapes: t tokens of the step, h hidden, i intermediate, e experts, k chosen experts, d per-layer input, r logit rows,
/// n rows that a layer computes: t, or r once keys and values of all tokens are known.
/// </summary>
public sealed class Gemma4 : IModel, IDisposable
{
    private readonly IKernels kernels;
    private readonly Gemma4Weights weights;
    private readonly Gemma4Scratch scratch;
    private readonly IGatedActivation activation;
    private readonly IBuffer? slidingFrequencies, fullFrequencies;
    private readonly Gemma4Layer? lastToStore; // the last layer that computes keys and values

    private Gemma4(
        IKernels kernels, Gemma4Config config, Gemma4Weights weights, LoraSites sites, ExpertSelection? experts, Gemma4Options options)
    {
        this.kernels = kernels;
        this.weights = weights;
        Config = config;
        Experts = experts;
        MaxStepTokens = options.MaxStepTokens;
        MaxLogitRows = options.MaxLogitRows;
        scratch = new Gemma4Scratch(kernels, config, options.MaxStepTokens, options.MaxLogitRows);
        Adapters = new LoraAdapters(kernels, sites);
        activation = kernels.LoadActivation(config.HiddenActivation);
        slidingFrequencies = Frequencies(config.SlidingRope, config.Layers.FirstOrDefault(l => !l.IsFull));
        fullFrequencies = Frequencies(config.FullRope, config.Layers.FirstOrDefault(l => l.IsFull));
        lastToStore = weights.Layers.LastOrDefault(layer => layer.KProj is not null)?.Config;

        IBuffer? Frequencies(RopeParameters rope, Gemma4Layer? layer)
            => layer is null || rope.InverseFrequencies(layer.HeadDim) is { Length: 0 } ? null : kernels.LoadVector(rope.InverseFrequencies(layer.HeadDim));
    }

    public Gemma4Config Config { get; }

    public int VocabSize => Config.VocabSize;
    public int MaxStepTokens { get; }
    public int MaxLogitRows { get; }

    /// <summary>Which expert backend serves the model and why; null without experts.</summary>
    public ExpertSelection? Experts { get; }

    /// <inheritdoc/>
    public LoraAdapters Adapters { get; }

    /// <summary>Sees all tokens in every layer: while there is one, no layer leaves out tokens that get no logits.</summary>
    public ITensorObserver? Observer { get; set; }

    /// <summary>Bytes of weights, in the device's layout, that a step of one token reads.</summary>
    public long BytesPerToken => weights.BytesRead(Config.Experts?.TopKExperts ?? 0);

    /// <summary>Bytes of all weights in the device's layout, tables not counted.</summary>
    public long WeightBytes => weights.BytesRead(Config.Experts?.NumExperts ?? 0);

    /// <summary>Loads from an open checkpoint, which must stay open as long as the model.</summary>
    /// <exception cref="CheckpointException">A tensor is missing, of wrong shape, not finite, or belongs to no part of the model.</exception>
    /// <exception cref="BackendException">No expert backend, or not the forced one, can serve the model.</exception>
    public static Gemma4 Load(ICheckpoint checkpoint, Gemma4Config config, IKernels kernels, Gemma4Options options)
        => Load(new TensorSource(checkpoint, config.Quantization), config, kernels, options);

    /// <summary>Loads from weights whose file must stay open as long as the model.</summary>
    /// <inheritdoc cref="Load(ICheckpoint, Gemma4Config, IKernels, Gemma4Options)"/>
    public static Gemma4 Load(IWeightSource tensors, Gemma4Config config, IKernels kernels, Gemma4Options options)
    {
        IReadOnlyList<ExpertWeights> experts = Gemma4Loader.Experts(config, tensors);
        ExpertSelection? selection = experts.Count == 0
            ? null
            : ExpertBackends.Select(kernels.ExpertBackends, ExpertSpecs(config, experts, options.MaxLoras), options.ExpertBackend);
        LoraSites sites = new(options.MaxLoras);
        Gemma4Loader loader = new(config, tensors, experts, kernels, selection?.Chosen, sites, options);
        return new Gemma4(kernels, config, loader.Load(), sites, selection, options);
    }

    /// <summary>What an expert backend has to serve: a spec for each format that experts are stored in; none without experts.</summary>
    /// <exception cref="CheckpointException">Experts are not stored as the configuration says.</exception>
    public static IReadOnlyList<ExpertLayerSpec> ExpertSpecs(Gemma4Config config, IWeightSource tensors, int maxLoras)
        => ExpertSpecs(config, Gemma4Loader.Experts(config, tensors), maxLoras);

    private static ExpertLayerSpec[] ExpertSpecs(Gemma4Config config, IReadOnlyList<ExpertWeights> experts, int maxLoras)
        => [.. experts.SelectMany(layer => layer.Matrices).Select(matrix => matrix.Format).Distinct().Select(format => ExpertSpec(config, format, maxLoras))];

    /// <summary>A layer's experts in that format.</summary>
    internal static ExpertLayerSpec ExpertSpec(Gemma4Config config, WeightFormat weights, int maxLoras) => new(
        config.Experts!.NumExperts, config.Experts.TopKExperts, config.HiddenSize, config.Experts.MoeIntermediateSize, config.HiddenActivation,
        ActivationForm.Gated, weights, HasLora: maxLoras > 0);

    /// <inheritdoc/>
    public IBuffer LastHidden => scratch.LogitHidden;

    public void Copy(BlockCopy copy, KeyValueCache cache) => cache.Copy(kernels, copy);

    /// <inheritdoc/>
    public IBuffer Forward(ForwardBatch batch, KeyValueCache cache)
    {
        Begin(batch);
        Embed(weights.EmbedTokens, batch, Hidden);
        Observer?.Observe(null, "embeds", Hidden);
        if (weights.PerLayerEmbeddings is { } perLayer) PerLayerInputs(perLayer, batch, Hidden);
        DecoderLayers(batch, cache);
        Head(batch);
        if (Config.FinalLogitSoftcapping is { } cap) kernels.Softcap(scratch.Logits, cap);
        Observer?.Observe(null, "logits", scratch.Logits);
        return scratch.Logits;
    }

    // The parts of a step, for a drafter, whose layers begin with something else than embeddings.

    /// <summary>[t, h] residual stream of the step.</summary>
    internal IBuffer Hidden => scratch.Hidden;

    /// <summary>Brings the step's metadata to the device.</summary>
    internal void Begin(ForwardBatch batch)
    {
        scratch.SetRows(batch.All.Count, batch.Logits.Count);
        batch.Upload();
        if (batch.All.UsesAdapters) scratch.ReserveLowRank(Adapters.Rank);
    }

    /// <summary>output[t] = embedding of token t, scaled, without what adapters add.</summary>
    internal void EmbedTokens(IBuffer ids, IBuffer output)
        => kernels.Embed(weights.EmbedTokens.Table, ids, weights.EmbedTokens.Site.Scale, output);

    /// <summary>All layers over <see cref="Hidden"/>, then the final norm of the rows that get logits into <see cref="LastHidden"/>.</summary>
    internal void DecoderLayers(ForwardBatch batch, KeyValueCache cache)
    {
        bool narrows = batch.Logits.Count < batch.All.Count && Observer is null;
        IBuffer hidden = Hidden;
        StepRows rows = batch.All;
        RotaryTables(rows);
        foreach (Gemma4LayerWeights layer in weights.Layers)
        {
            bool last = narrows && layer.Config == lastToStore;
            if (last)
            {
                // Other tokens are seen by their keys and values only, which are complete now.
                KeysValues(layer, hidden, batch, cache);
                rows = batch.Logits;
                if (rows.Count == 0) break;
                hidden = scratch.Narrow(batch.LogitRows);
                RotaryTables(rows);
            }
            DecoderLayer(layer, hidden, rows, last ? null : batch.Slots, cache);
        }
        batch.Advance();

        if (hidden != scratch.LogitHidden) kernels.GatherRows(hidden, batch.LogitRows, scratch.LogitHidden);
        kernels.RmsNorm(scratch.LogitHidden, weights.Norm, Config.RmsNormEps, scratch.LogitHidden);
        Observer?.Observe(null, "final_norm", scratch.LogitHidden);
    }

    private void RotaryTables(StepRows rows)
    {
        if (slidingFrequencies is not null) kernels.RotaryTable(rows.Positions, slidingFrequencies, scratch.SlidingCosSin!);
        if (fullFrequencies is not null) kernels.RotaryTable(rows.Positions, fullFrequencies, scratch.FullCosSin!);
    }

    /// <returns>[r, vocab] logits from <see cref="LastHidden"/>, not capped.</returns>
    internal IBuffer Head(ForwardBatch batch)
    {
        Linear(weights.LmHead, scratch.LogitHidden, batch.Logits, scratch.Logits);
        Observer?.Observe(null, "lm_head_out", scratch.Logits);
        return scratch.Logits;
    }

    /// <param name="hidden">[n, h] residual stream, updated in place</param>
    /// <param name="slots">Where the rows' keys and values go; null once they are there.</param>
    private void DecoderLayer(Gemma4LayerWeights layer, IBuffer hidden, StepRows rows, IBuffer[]? slots, KeyValueCache cache)
    {
        int index = layer.Config.Index;
        float eps = Config.RmsNormEps;

        // attention block
        kernels.RmsNorm(hidden, layer.InputLayerNorm, eps, scratch.Normed);
        Attention(layer, scratch.Normed, rows, slots, cache, scratch.Attended);
        Observer?.Observe(index, "attn_out", scratch.Attended);
        kernels.RmsNorm(scratch.Attended, layer.PostAttentionLayerNorm, eps, scratch.Attended);
        kernels.Add(scratch.Attended, residual: hidden);

        // feed-forward block: dense MLP and routed experts side by side, each with its own norms
        kernels.RmsNorm(hidden, layer.PreFeedforwardLayerNorm, eps, scratch.Normed);
        DenseMlp(layer, scratch.Normed, rows, scratch.Dense);
        Observer?.Observe(index, "mlp_out", scratch.Dense);
        if (layer.Moe is { } moe)
        {
            kernels.RmsNorm(scratch.Dense, moe.PostFeedforwardLayerNorm1, eps, scratch.Dense);
            Router(index, moe, hidden, rows);
            kernels.RmsNorm(hidden, moe.PreFeedforwardLayerNorm2, eps, scratch.Normed);
            moe.Experts.Forward(scratch.Normed, scratch.TopKIds, scratch.TopKWeights, ExpertAdapters(moe.ExpertSite, rows), scratch.Routed);
            Observer?.Observe(index, "experts_out", scratch.Routed);
            kernels.RmsNorm(scratch.Routed, moe.PostFeedforwardLayerNorm2, eps, scratch.Routed);
            kernels.Add(scratch.Routed, residual: scratch.Dense);
        }
        kernels.RmsNorm(scratch.Dense, layer.PostFeedforwardLayerNorm, eps, scratch.Dense);
        kernels.Add(scratch.Dense, residual: hidden);

        if (layer.PerLayerInput is { } perLayer) PerLayerInput(index, perLayer, hidden, rows);
        kernels.Scale(hidden, layer.LayerScalar); // the whole residual stream, trained per layer
        Observer?.Observe(index, "out", hidden);
    }

    /// <summary>o_proj(softmax(q kᵀ) v), [n, h] → [n, h]. No scale: q_norm and k_norm carry it.</summary>
    private void Attention(Gemma4LayerWeights layer, IBuffer x, StepRows rows, IBuffer[]? slots, KeyValueCache cache, IBuffer output)
    {
        Gemma4Layer geometry = layer.Config;
        LayerScratch s = scratch.Layers[geometry.Index];
        LayerCache layerCache = cache[geometry.CacheLayer];

        if (slots is not null && layer.KProj is { } keys)
        {
            kernels.Linears([layer.QProj.Weight, keys.Weight, (layer.VProj ?? keys).Weight], x, [s.Queries, s.Keys, s.Values]);
            Adapt(layer.QProj, x, rows, s.Queries);
            Store(layer, keys, x, rows, slots[layerCache.Group], layerCache);
        }
        else
        {
            Linear(layer.QProj, x, rows, s.Queries);
        }
        NormHeads(layer, s.Queries, layer.QNorm);

        kernels.Attention(
            s.Queries, layerCache.KeysValues, rows.Attention[layerCache.Group], geometry.IsFull ? null : Config.SlidingWindow, s.Heads);
        Linear(layer.OProj, s.Heads, rows, output);
    }

    /// <summary>Keys and values of all tokens into the cache, without queries.</summary>
    private void KeysValues(Gemma4LayerWeights layer, IBuffer hidden, ForwardBatch batch, KeyValueCache cache)
    {
        LayerScratch s = scratch.Layers[layer.Config.Index];
        LayerCache layerCache = cache[layer.Config.CacheLayer];
        AdaptedLinear keys = layer.KProj!;
        kernels.RmsNorm(hidden, layer.InputLayerNorm, Config.RmsNormEps, scratch.Normed);
        kernels.Linears([keys.Weight, (layer.VProj ?? keys).Weight], scratch.Normed, [s.Keys, s.Values]);
        Store(layer, keys, scratch.Normed, batch.All, batch.Slots[layerCache.Group], layerCache);
    }

    /// <summary>What projections gave, with adapters, norms and rotation, into the cache. K = V: values are the raw projection,
    /// before k_norm and RoPE.</summary>
    private void Store(Gemma4LayerWeights layer, AdaptedLinear keys, IBuffer x, StepRows rows, IBuffer slots, LayerCache cache)
    {
        LayerScratch s = scratch.Layers[layer.Config.Index];
        Adapt(keys, x, rows, s.Keys);
        Adapt(layer.VProj ?? keys, x, rows, s.Values);
        NormHeads(layer, s.Keys, layer.KNorm);
        kernels.RmsNormHeads(s.Values, weight: null, layer.Config.HeadDim, Config.RmsNormEps);
        kernels.StoreKeysValues(s.Keys, s.Values, slots, cache.KeysValues);
    }

    /// <summary>Norm of each head, then rotation, in place.</summary>
    private void NormHeads(Gemma4LayerWeights layer, IBuffer x, IBuffer? norm)
    {
        Gemma4Layer geometry = layer.Config;
        kernels.RmsNormHeads(x, norm, geometry.HeadDim, Config.RmsNormEps);
        if ((geometry.IsFull ? fullFrequencies : slidingFrequencies) is null) return;
        kernels.Rotate(x, geometry.IsFull ? scratch.FullCosSin! : scratch.SlidingCosSin!, geometry.HeadDim);
    }

    /// <summary>down(act(gate(x)) · up(x)), [n, h] → [n, h].</summary>
    private void DenseMlp(Gemma4LayerWeights layer, IBuffer x, StepRows rows, IBuffer output)
    {
        LayerScratch s = scratch.Layers[layer.Config.Index];
        kernels.Linears([layer.GateProj.Weight, layer.UpProj.Weight], x, [s.Gate, s.Up]);
        Adapt(layer.GateProj, x, rows, s.Gate);
        Adapt(layer.UpProj, x, rows, s.Up);
        kernels.GatedActivation(activation, s.Gate, s.Up, s.Gate);
        Linear(layer.DownProj, s.Gate, rows, output);
    }

    /// <summary>Chooses experts from the residual stream itself: norm without weight, router.scale · h^-0.5, logits, top k.</summary>
    private void Router(int index, Gemma4MoeWeights moe, IBuffer hidden, StepRows rows)
    {
        kernels.RmsNorm(hidden, moe.RouterScale, Config.RmsNormEps, scratch.Normed);
        Linear(moe.RouterProj, scratch.Normed, rows, scratch.RouterLogits);
        Observer?.Observe(index, "router_logits", scratch.RouterLogits);
        kernels.RouteTopK(scratch.RouterLogits, moe.PerExpertScale, scratch.TopKIds, scratch.TopKWeights);
        Observer?.Observe(index, "topk_index", scratch.TopKIds);
        Observer?.Observe(index, "topk_weight", scratch.TopKWeights);
    }

    /// <summary>(N(projection(x) · h^-0.5) + table[id] · d^0.5) · 2^-0.5, one part [t, d] per layer.</summary>
    private void PerLayerInputs(Gemma4PerLayerEmbeddings perLayer, ForwardBatch batch, IBuffer embedded)
    {
        int d = Config.HiddenSizePerLayerInput;
        Embed(perLayer.EmbedTokensPerLayer, batch, scratch.PerLayerTokens);
        Linear(perLayer.PerLayerModelProjection, embedded, batch.All, scratch.PerLayerInputs);
        kernels.Scale(scratch.PerLayerInputs, MathF.Pow(Config.HiddenSize, -0.5f));
        kernels.RmsNormHeads(scratch.PerLayerInputs, perLayer.PerLayerProjectionNorm, d, Config.RmsNormEps);
        kernels.Add(scratch.PerLayerTokens, residual: scratch.PerLayerInputs);
        kernels.Scale(scratch.PerLayerInputs, MathF.Pow(2, -0.5f));
        Observer?.Observe(null, "per_layer_inputs", scratch.PerLayerInputs);
    }

    /// <summary>hidden += N(projection(act(gate(hidden)) · per-layer input)).</summary>
    private void PerLayerInput(int index, Gemma4PerLayerInputWeights perLayer, IBuffer hidden, StepRows rows)
    {
        Linear(perLayer.PerLayerInputGate, hidden, rows, scratch.PerLayerGate);
        kernels.GatedActivation(activation, scratch.PerLayerGate, scratch.PerLayerInput[index], scratch.PerLayerGate);
        Linear(perLayer.PerLayerProjection, scratch.PerLayerGate, rows, scratch.Normed);
        kernels.RmsNorm(scratch.Normed, perLayer.PostPerLayerInputNorm, Config.RmsNormEps, scratch.Normed);
        kernels.Add(scratch.Normed, residual: hidden);
    }

    /// <summary>output = x · weightᵀ + bias, and what the rows' adapters add.</summary>
    private void Linear(AdaptedLinear linear, IBuffer x, StepRows rows, IBuffer output)
    {
        kernels.Linear(linear.Weight, x, output);
        Adapt(linear, x, rows, output);
    }

    /// <summary>output += bias, and what the rows' adapters add.</summary>
    private void Adapt(AdaptedLinear linear, IBuffer x, StepRows rows, IBuffer output)
    {
        if (linear.Bias is not null) kernels.AddBias(linear.Bias, output);
        if (rows.UsesAdapters && linear.Site.Updates.Used > 0) kernels.AddLora(linear.Site.Updates, x, rows.AdapterSlots, scratch.LowRank, output);
    }

    /// <summary>output[t] = table[id] · scale, and what the tokens' adapters add.</summary>
    private void Embed(AdaptedEmbedding embedding, ForwardBatch batch, IBuffer output)
    {
        EmbeddingSite site = embedding.Site;
        kernels.Embed(embedding.Table, batch.TokenIds, site.Scale, output);
        if (batch.All.UsesAdapters && site.Updates.Used > 0)
            kernels.AddEmbeddingLora(site.Updates, batch.TokenIds, batch.All.AdapterSlots, scratch.LowRank, output);
    }

    private ExpertLoraBatch? ExpertAdapters(ExpertSite site, StepRows rows)
        => rows.UsesAdapters && site.Updates.Used > 0 ? new ExpertLoraBatch(site.Updates, rows.AdapterSlots, scratch.LowRank) : null;

    public void Dispose()
    {
        Adapters.Dispose();
        scratch.Dispose();
    }
}

/// <summary>Choices made when a model is loaded.</summary>
public sealed record Gemma4Options
{
    /// <summary>Most tokens of one step; a longer prompt is computed in several.</summary>
    public int MaxStepTokens { get; init; } = 512;

    /// <summary>Most rows of one step that get logits.</summary>
    public int MaxLogitRows { get; init; } = 1;

    /// <summary>Most LoRA adapters at once; 0 for none, which leaves the choice among more expert backends.</summary>
    public int MaxLoras { get; init; }

    /// <summary>Name of an expert backend to force; null lets the device choose.</summary>
    public string? ExpertBackend { get; init; }

    /// <summary>What the head is rounded to; null for what it is stored as.</summary>
    public HeadFormat? HeadFormat { get; init; }

    /// <summary>Told (layers loaded, layers in all).</summary>
    public Action<int, int>? Progress { get; init; }
}
