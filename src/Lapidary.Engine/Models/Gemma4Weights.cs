using Lapidary.Experts;
using Lapidary.Lora;

namespace Lapidary.Models;

/// <summary>A weight matrix, its bias where it has one, and what adapters add to it.</summary>
internal sealed record AdaptedLinear(ILinear Weight, IBuffer? Bias, LinearSite Site);

/// <summary>A table and what adapters add to it.</summary>
internal sealed record AdaptedEmbedding(IEmbedding Table, EmbeddingSite Site);

/// <summary>Weights of one decoder layer, named as in the checkpoint.</summary>
internal sealed class Gemma4LayerWeights
{
    public required Gemma4Layer Config { get; init; }
    public required float LayerScalar { get; init; }

    // self_attn
    public required IBuffer InputLayerNorm { get; init; }
    public required AdaptedLinear QProj { get; init; }
    public required AdaptedLinear? KProj { get; init; }   // null when keys and values are shared
    public required AdaptedLinear? VProj { get; init; }   // null when shared or when K = V
    public required AdaptedLinear OProj { get; init; }
    public required IBuffer QNorm { get; init; }
    public required IBuffer? KNorm { get; init; }
    public required IBuffer PostAttentionLayerNorm { get; init; }

    // mlp
    public required IBuffer PreFeedforwardLayerNorm { get; init; }
    public required AdaptedLinear GateProj { get; init; }
    public required AdaptedLinear UpProj { get; init; }
    public required AdaptedLinear DownProj { get; init; }
    public required IBuffer PostFeedforwardLayerNorm { get; init; }

    public required Gemma4MoeWeights? Moe { get; init; }
    public required Gemma4PerLayerInputWeights? PerLayerInput { get; init; }

    /// <summary>Bytes of weights, in the device's layout, that a step reads when it meets that many experts.</summary>
    public long Bytes(int experts)
    {
        AdaptedLinear?[] linears = [QProj, KProj, VProj, OProj, GateProj, UpProj, DownProj, Moe?.RouterProj, PerLayerInput?.PerLayerInputGate, PerLayerInput?.PerLayerProjection];
        return linears.Sum(linear => linear?.Weight.ByteLength ?? 0) + (Moe is { } moe ? experts * moe.Experts.BytesPerExpert : 0);
    }
}

/// <summary>Router and experts of one layer.</summary>
internal sealed record Gemma4MoeWeights(
    IBuffer RouterScale,            // router.scale · hidden_size^-0.5, [1, h]
    AdaptedLinear RouterProj,       // [e, h]
    IBuffer PerExpertScale,         // [1, e]
    IExpertLayer Experts,
    ExpertSite ExpertSite,
    IBuffer PostFeedforwardLayerNorm1,
    IBuffer PreFeedforwardLayerNorm2,
    IBuffer PostFeedforwardLayerNorm2);

/// <summary>A layer's part of the per-layer embeddings.</summary>
internal sealed record Gemma4PerLayerInputWeights(
    AdaptedLinear PerLayerInputGate,    // [d, h]
    AdaptedLinear PerLayerProjection,   // [h, d]
    IBuffer PostPerLayerInputNorm);     // [1, h]

/// <summary>The model's part of the per-layer embeddings.</summary>
internal sealed record Gemma4PerLayerEmbeddings(
    AdaptedEmbedding EmbedTokensPerLayer,     // [vocab, layers·d]
    AdaptedLinear PerLayerModelProjection,    // [layers·d, h]
    IBuffer PerLayerProjectionNorm);    // [1, d]

/// <summary>All weights of a text stack.</summary>
internal sealed record Gemma4Weights(
    AdaptedEmbedding EmbedTokens, AdaptedLinear LmHead, IBuffer Norm, Gemma4LayerWeights[] Layers,
    Gemma4PerLayerEmbeddings? PerLayerEmbeddings)
{
    /// <summary>Bytes of weights, in the device's layout, that a step reads when it meets that many experts of each layer.</summary>
    public long BytesRead(int experts) => LmHead.Weight.ByteLength + Layers.Sum(layer => layer.Bytes(experts));
}
