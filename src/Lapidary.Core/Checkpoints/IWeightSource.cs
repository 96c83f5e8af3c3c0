using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints;

/// <summary>
/// The weights of a text model by HuggingFace's short names ("layers.3.router.scale"), whatever file they lie in, and a
/// record of what was asked for. For one loader on one thread.
/// </summary>
public interface IWeightSource
{
    /// <summary>What to show in messages.</summary>
    string Location { get; }

    /// <summary>Bytes of all tensors.</summary>
    long ByteLength { get; }

    /// <summary>A vector, table or scalar of exactly that shape, in F32, F16 or BF16.</summary>
    /// <exception cref="CheckpointException">It is missing or has another shape or dtype.</exception>
    StoredTensor Require(string name, params ReadOnlySpan<long> shape);

    /// <summary>The weight matrix of a linear layer or an embedding in whatever layout it is stored.</summary>
    /// <param name="name">The module's short name, e.g. "layers.0.self_attn.q_proj".</param>
    /// <exception cref="CheckpointException">It is missing, of another shape, or not stored as the file says.</exception>
    StoredMatrix Matrix(string name, int rows, int columns);

    /// <summary>All experts of a layer, fused or one by one.</summary>
    /// <param name="name">The module's short name, e.g. "layers.0.experts".</param>
    /// <exception cref="CheckpointException">As for <see cref="Matrix"/>.</exception>
    ExpertWeights Experts(string name, int count, int intermediateSize, int hiddenSize);

    /// <summary>Notes a module that may be present but is not used, all its tensors.</summary>
    void IgnoreModule(string name);

    /// <summary>Names that were neither asked for nor ignored and belong to no other part of a multimodal model, sorted.</summary>
    IReadOnlyList<string> Unused();
}
