using Lapidary.Quantization;

namespace Lapidary.Lora;

/// <summary>One adapter's update of one weight matrix as stored: output += scale · (B · A · x + bias).</summary>
/// <param name="A">[r, in]</param> <param name="B">[out, r]</param> <param name="Bias">[1, out] or null.</param>
public sealed record LoraWeights(StoredMatrix A, StoredMatrix B, float Scale, StoredMatrix? Bias = null)
{
    public int Rank => A.Rows;
}

/// <summary>
/// One adapter's updates of all experts of a layer as stored, an entry for each expert; null where an expert's projection
/// has none. Where gate and up come from one matrix, their A is one object.
/// </summary>
public sealed record ExpertLoraWeights(
    IReadOnlyList<LoraWeights?> Gate, IReadOnlyList<LoraWeights?> Up, IReadOnlyList<LoraWeights?> Down);
