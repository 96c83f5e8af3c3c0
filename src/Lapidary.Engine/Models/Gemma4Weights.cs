using Lapidary.Experts;

namespace Lapidary.Models;

/// <summary>Weights of one decoder layer, named as in the checkpoint.</summary>
internal sealed class Gemma4LayerWeights
{
    public required Gemma4Layer Config { get; init; }
    public required float LayerScalar { get; init; }

    // self_attn
    public required IBuffer InputLayerNorm { get; init; }
    public required ILinear QProj { get; init; }
    public required ILinear? KProj { get; init; }   // null when keys and values are shared
    public required ILinear? VProj { get; init; }   // null when shared or when K = V
    public required ILinear OProj { get; init; }
    public required IBuffer QNorm { get; init; }
    public required IBuffer? KNorm { get; init; }
    public required IBuffer PostAttentionLayerNorm { get; init; }

    // mlp
    public required IBuffer PreFeedforwardLayerNorm { get; init; }
    public required ILinear GateProj { get; init; }
    public required ILinear UpProj { get; init; }
    public required ILinear DownProj { get; init; }
    public required IBuffer PostFeedforwardLayerNorm { get; init; }

    public required Gemma4MoeWeights? Moe { get; init; }
    public required Gemma4PerLayerInputWeights? PerLayerInput { get; init; }
}

/// <summary>Router and experts of one layer.</summary>
internal sealed record Gemma4MoeWeights(
    IBuffer RouterScale,            // router.scale · hidden_size^-0.5, [1, h]
    ILinear RouterProj,             // [e, h]
    IBuffer PerExpertScale,         // [1, e]
    IExpertLayer Experts,
    IBuffer PostFeedforwardLayerNorm1,
    IBuffer PreFeedforwardLayerNorm2,
    IBuffer PostFeedforwardLayerNorm2);

/// <summary>A layer's part of the per-layer embeddings.</summary>
internal sealed record Gemma4PerLayerInputWeights(
    ILinear PerLayerInputGate,      // [d, h]
    ILinear PerLayerProjection,     // [h, d]
    IBuffer PostPerLayerInputNorm); // [1, h]

/// <summary>The model's part of the per-layer embeddings.</summary>
internal sealed record Gemma4PerLayerEmbeddings(
    IEmbedding EmbedTokensPerLayer,     // [vocab, layers·d]
    ILinear PerLayerModelProjection,    // [layers·d, h]
    IBuffer PerLayerProjectionNorm);    // [1, d]

/// <summary>All weights of a text stack.</summary>
internal sealed record Gemma4Weights(
    IEmbedding EmbedTokens, ILinear LmHead, IBuffer Norm, Gemma4LayerWeights[] Layers,
    Gemma4PerLayerEmbeddings? PerLayerEmbeddings);
