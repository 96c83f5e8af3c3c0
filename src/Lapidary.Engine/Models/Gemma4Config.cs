using Lapidary.Quantization;

namespace Lapidary.Models;

/// <summary>Geometry of one decoder layer.</summary>
/// <param name="Index">Layer number.</param>
/// <param name="IsFull">Full attention; otherwise a sliding window.</param>
/// <param name="HeadDim">Width of one head.</param>
/// <param name="KeyValueHeads">Heads of keys and values.</param>
/// <param name="KeyIsValue">No v_proj: V is the norm of the raw k_proj output.</param>
/// <param name="IntermediateSize">Width of the dense MLP.</param>
/// <param name="CacheLayer">Layer whose keys and values this one reads: itself, or the donor of a kv-shared layer.</param>
public sealed record Gemma4Layer(
    int Index, bool IsFull, int HeadDim, int KeyValueHeads, bool KeyIsValue, int IntermediateSize, int CacheLayer)
{
    /// <summary>A kv-shared layer computes queries only. In a drafter all do, and the donors are layers of the target.</summary>
    public bool SharesKeyValues { get; init; } = CacheLayer != Index;
}

/// <summary>Rotary parameters of one layer type.</summary>
/// <param name="Theta">rope_theta</param>
/// <param name="PartialRotaryFactor">Share of the frequencies that are not zero ("proportional" RoPE); 1 otherwise.</param>
/// <param name="Factor">Divides the frequencies.</param>
public sealed record RopeParameters(double Theta, double PartialRotaryFactor, double Factor)
{
    /// <summary>
    /// Frequencies that are not zero: θ^(-2i/d) / factor for i &lt; n, with the whole head d in the exponent, in the
    /// float32 steps of HuggingFace.
    /// </summary>
    public float[] InverseFrequencies(int headDim)
    {
        int n = (int)(PartialRotaryFactor * headDim / 2);
        var frequencies = new float[n];
        for (int i = 0; i < n; i++)
            frequencies[i] = 1 / MathF.Pow((float)Theta, (float)(2 * i) / headDim) / (float)Factor;
        return frequencies;
    }
}

/// <summary>The routed experts' part of the configuration.</summary>
public sealed record Gemma4Experts(int NumExperts, int TopKExperts, int MoeIntermediateSize);

/// <summary>Gemma4TextConfig, with the names of HuggingFace, checked and complete. Made by <see cref="Gemma4ConfigReader"/>.</summary>
public sealed record Gemma4Config
{
    public required int VocabSize { get; init; }
    public required int HiddenSize { get; init; }
    public required int NumAttentionHeads { get; init; }
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>The four projections of attention have biases.</summary>
    public required bool AttentionBias { get; init; }
    public required int SlidingWindow { get; init; }
    public required float RmsNormEps { get; init; }
    public required Activation HiddenActivation { get; init; }
    public required float? FinalLogitSoftcapping { get; init; }
    public required int HiddenSizePerLayerInput { get; init; }
    public required int VocabSizePerLayerInput { get; init; }
    public required bool TieWordEmbeddings { get; init; }
    public required RopeParameters SlidingRope { get; init; }
    public required RopeParameters FullRope { get; init; }
    public required Gemma4Experts? Experts { get; init; }

    /// <summary>How weights are quantised; null for floating-point weights.</summary>
    public required QuantizationConfig? Quantization { get; init; }
    public required IReadOnlyList<Gemma4Layer> Layers { get; init; }

    /// <summary>Ids that end a text, when generation_config.json names none.</summary>
    public required IReadOnlyList<int> EosTokenIds { get; init; }
}
