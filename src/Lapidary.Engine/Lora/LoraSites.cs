using Lapidary.Quantization;

namespace Lapidary.Lora;

/// <summary>A weight matrix that adapters may update.</summary>
/// <param name="Name">Its short name in the checkpoint, e.g. "layers.3.self_attn.q_proj".</param>
public sealed record LinearSite(string Name, int OutFeatures, int InFeatures, LoraSlots<ILora> Updates);

/// <summary>A table of which rows are looked up.</summary>
/// <param name="Stored">[rows, columns] as the checkpoint has it.</param>
/// <param name="Scale">What looked-up rows are multiplied with, updates included.</param>
public sealed record EmbeddingSite(string Name, StoredMatrix Stored, float Scale, LoraSlots<ILora> Updates);

/// <summary>The routed experts of a layer: gate and up [i, h], down [h, i] each.</summary>
/// <param name="Name">E.g. "layers.3.experts".</param>
public sealed record ExpertSite(string Name, int NumExperts, int HiddenSize, int IntermediateSize, LoraSlots<IExpertLora> Updates);

/// <summary>All places of a model that adapters may update, by name. Filled while the model is loaded.</summary>
/// <param name="slots">Most adapters at once.</param>
public sealed class LoraSites(int slots)
{
    private readonly Dictionary<string, LinearSite> linears = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EmbeddingSite> embeddings = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ExpertSite> experts = new(StringComparer.Ordinal);

    public int Slots => slots;
    public IReadOnlyDictionary<string, LinearSite> Linears => linears;
    public IReadOnlyDictionary<string, EmbeddingSite> Embeddings => embeddings;
    public IReadOnlyDictionary<string, ExpertSite> Experts => experts;

    public LinearSite AddLinear(string name, int outFeatures, int inFeatures)
        => linears[name] = new LinearSite(name, outFeatures, inFeatures, new LoraSlots<ILora>(slots));

    public EmbeddingSite AddEmbedding(string name, StoredMatrix stored, float scale)
        => embeddings[name] = new EmbeddingSite(name, stored, scale, new LoraSlots<ILora>(slots));

    public ExpertSite AddExperts(string name, int numExperts, int hiddenSize, int intermediateSize)
        => experts[name] = new ExpertSite(name, numExperts, hiddenSize, intermediateSize, new LoraSlots<IExpertLora>(slots));
}
