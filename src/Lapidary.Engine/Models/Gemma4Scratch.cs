namespace Lapidary.Models;

/// <summary>Buffers of one forward pass, allocated once for the largest step. t tokens, h hidden, r logit rows.</summary>
internal sealed class Gemma4Scratch : IDisposable
{
    private readonly IKernels kernels;
    private readonly int lowRankRows;
    private readonly List<IBuffer> perToken = [];
    private readonly List<IBuffer> all = [];
    private readonly IReadOnlyList<IBuffer> perLayerInput = [], perLayerLogitInput = [];

    public Gemma4Scratch(IKernels kernels, Gemma4Config config, int maxTokens, int maxLogitRows)
    {
        IBuffer Token(int columns, DType dtype = DType.F32)
        {
            IBuffer buffer = kernels.Allocate(dtype, maxTokens, columns);
            perToken.Add(buffer);
            all.Add(buffer);
            return buffer;
        }

        this.kernels = kernels;
        lowRankRows = maxTokens * (config.Experts?.TopKExperts ?? 1);
        int h = config.HiddenSize;
        Hidden = Token(h);
        Normed = Token(h);
        Attended = Token(h);
        Dense = Token(h);
        Routed = Token(h);
        foreach (Gemma4Layer layer in config.Layers)
        {
            int queries = config.NumAttentionHeads * layer.HeadDim, keys = layer.KeyValueHeads * layer.HeadDim;
            if (geometry.ContainsKey((queries, keys, layer.IntermediateSize))) continue;
            geometry[(queries, keys, layer.IntermediateSize)] =
                new LayerScratch(Token(queries), Token(keys), Token(keys), Token(queries), Token(layer.IntermediateSize), Token(layer.IntermediateSize));
        }
        Layers = [.. config.Layers.Select(l => geometry[(config.NumAttentionHeads * l.HeadDim, l.KeyValueHeads * l.HeadDim, l.IntermediateSize)])];

        SlidingCosSin = CosSin(config.SlidingRope, config.Layers.FirstOrDefault(l => !l.IsFull));
        FullCosSin = CosSin(config.FullRope, config.Layers.FirstOrDefault(l => l.IsFull));
        if (config.Experts is { } experts)
        {
            RouterLogits = Token(experts.NumExperts);
            TopKIds = Token(experts.TopKExperts, DType.I32);
            TopKWeights = Token(experts.TopKExperts);
        }
        if (config.HiddenSizePerLayerInput is > 0 and int d)
        {
            PerLayerTokens = Token(config.Layers.Count * d);
            PerLayerInputs = Token(config.Layers.Count * d);
            PerLayerGate = Token(d);
            perLayerInput = [.. config.Layers.Select(l => PerLayerInputs.SliceColumns(l.Index * d, d))];
            perLayerLogitInput = [.. config.Layers.Select(l => PerLayerTokens.SliceColumns(l.Index * d, d))];
        }
        all.Add(LogitHidden = kernels.Allocate(DType.F32, maxLogitRows, h));
        all.Add(Logits = kernels.Allocate(DType.F32, maxLogitRows, config.VocabSize));

        IBuffer? CosSin(RopeParameters rope, Gemma4Layer? layer)
            => layer is null ? null : Token(Math.Max(2, 2 * rope.InverseFrequencies(layer.HeadDim).Length));
    }

    private readonly Dictionary<(int, int, int), LayerScratch> geometry = [];

    public IBuffer Hidden { get; }              // [t, h] residual stream
    public IBuffer Normed { get; }              // [t, h]
    public IBuffer Attended { get; }            // [t, h]
    public IBuffer Dense { get; }               // [t, h]
    public IBuffer Routed { get; }              // [t, h]
    public IBuffer? SlidingCosSin { get; }      // [t, 2n]
    public IBuffer? FullCosSin { get; }         // [t, 2n]
    public IBuffer RouterLogits { get; } = null!;   // [t, e]; the next three only with experts
    public IBuffer TopKIds { get; } = null!;        // [t, k]
    public IBuffer TopKWeights { get; } = null!;    // [t, k]
    public IBuffer PerLayerTokens { get; } = null!; // [t, layers·d]; the next four only with per-layer embeddings
    public IBuffer PerLayerInputs { get; } = null!; // [t, layers·d]
    public IBuffer PerLayerGate { get; } = null!;   // [t, d]
    public IReadOnlyList<IBuffer> PerLayerInput { get; private set; } = []; // a view [n, d] per layer
    public IBuffer LogitHidden { get; }         // [r, h]
    public IBuffer Logits { get; }              // [r, vocab]
    public IReadOnlyList<LayerScratch> Layers { get; }

    /// <summary>x · Aᵀ of adapters, a row for each token and chosen expert; there once an adapter is.</summary>
    public IBuffer LowRank { get; private set; } = null!;

    /// <summary>Makes room for updates of that rank; between steps.</summary>
    public void ReserveLowRank(int rank)
    {
        if (LowRank is { } present && present.Columns >= rank) return;
        LowRank?.Dispose();
        LowRank = kernels.Allocate(DType.F32, lowRankRows, rank);
        LowRank.Rows = lowRankRows;
    }

    /// <summary>Sets the rows in use of every buffer.</summary>
    public void SetRows(int tokens, int logitRows)
    {
        foreach (IBuffer buffer in perToken) buffer.Rows = tokens;
        LogitHidden.Rows = logitRows;
        Logits.Rows = logitRows;
        PerLayerInput = perLayerInput;
    }

    /// <summary>Keeps of the step what layers still need for the rows that get logits; what they overwrite first is left as it is.</summary>
    /// <returns>[r, h] their residual stream.</returns>
    public IBuffer Narrow(IBuffer logitRows)
    {
        kernels.GatherRows(Hidden, logitRows, LogitHidden);
        foreach (IBuffer buffer in perToken) buffer.Rows = logitRows.Rows;
        if (PerLayerInput.Count > 0)
        {
            kernels.GatherRows(PerLayerInputs, logitRows, PerLayerTokens);
            PerLayerInput = perLayerLogitInput;
        }
        return LogitHidden;
    }

    public void Dispose()
    {
        foreach (IBuffer buffer in all) buffer.Dispose();
        LowRank?.Dispose();
    }
}

/// <summary>Buffers whose width depends on the layer; layers of equal geometry share them.</summary>
internal sealed record LayerScratch(IBuffer Queries, IBuffer Keys, IBuffer Values, IBuffer Heads, IBuffer Gate, IBuffer Up);
