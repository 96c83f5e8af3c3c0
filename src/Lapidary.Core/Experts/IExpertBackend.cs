using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Experts;

/// <summary>What an expert backend must serve. The activation is a definition, not a name: backends never list activations.</summary>
/// <param name="Form">Gated experts have an up projection; non-gated ones apply the activation to the only one they have.</param>
/// <param name="HasLora">Whether adapters may update the experts while the model is open.</param>
public sealed record ExpertLayerSpec(
    int NumExperts, int TopK, int HiddenSize, int IntermediateSize, Activation Activation, ActivationForm Form, WeightFormat Weights,
    bool HasLora);

/// <summary>Weights of all experts of one layer: per expert gate [i, h], up [i, h], down [h, i].</summary>
/// <param name="Gate">What the activation is applied to.</param>
/// <param name="Up">Null for non-gated experts.</param>
public sealed record ExpertWeights(
    IReadOnlyList<StoredMatrix> Gate, IReadOnlyList<StoredMatrix>? Up, IReadOnlyList<StoredMatrix> Down)
{
    /// <summary>Every matrix of every expert.</summary>
    public IEnumerable<StoredMatrix> Matrices => Gate.Concat(Up ?? []).Concat(Down);

    /// <summary>From the fused layout of HuggingFace: a gate_up [2i, h] for each expert with the gate's rows first, a down [h, i].</summary>
    public static ExpertWeights FromFused(IReadOnlyList<StoredMatrix> gateUp, IReadOnlyList<StoredMatrix> down) => new(
        [.. gateUp.Select(matrix => matrix.SliceRows(0, matrix.Rows / 2))],
        [.. gateUp.Select(matrix => matrix.SliceRows(matrix.Rows / 2, matrix.Rows / 2))],
        down);
}

/// <summary>Whether a backend can serve a layer, and why not.</summary>
public readonly record struct Support(string? Reason)
{
    public static Support Yes => default;
    public static Support No(string reason) => new(reason);
    public bool Supported => Reason is null;
    public override string ToString() => Reason ?? "yes";
}

/// <summary>One algorithm for routed experts on one device.</summary>
public interface IExpertBackend
{
    string Name { get; }

    /// <summary>Why this algorithm exists, in a few words, for people.</summary>
    string Purpose { get; }

    /// <summary>What hidden states and activated values are when they meet such weights.</summary>
    HiddenPrecision HiddenStates(WeightFormat weights);

    Support Supports(ExpertLayerSpec spec);

    /// <summary>Closes the activation and lays out the weights, once, at load.</summary>
    /// <param name="maxTokens">Most tokens one call of Forward will see.</param>
    IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens);
}

/// <summary>The routed experts of one layer.</summary>
public interface IExpertLayer : IDisposable
{
    /// <summary>Bytes of one expert's weights in the device's layout: what a token reads of each of its k experts.</summary>
    long BytesPerExpert { get; }

    /// <summary>output[t] = Σ over the k chosen experts of weight · down(combine(gate(x), up(x))), or down(apply(gate(x))).</summary>
    /// <param name="x">[t, h]</param> <param name="ids">[t, k] int32</param> <param name="weights">[t, k]</param>
    /// <param name="adapters">Updates of gate and up before the activation, of down before the weight; null for none.</param>
    /// <param name="output">[t, h]; not <paramref name="x"/>.</param>
    void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output);
}
