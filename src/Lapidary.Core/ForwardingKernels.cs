using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary;

/// <summary>Kernels that pass every call on; a base for devices that change or watch some of them.</summary>
public abstract class ForwardingKernels(IKernels inner) : IKernels
{
    protected IKernels Inner { get; } = inner;

    public virtual string Description => Inner.Description;
    public virtual IReadOnlyList<IExpertBackend> ExpertBackends => Inner.ExpertBackends;
    public virtual IBuffer Allocate(DType dtype, int rows, int columns) => Inner.Allocate(dtype, rows, columns);
    public virtual KeyValueType DefaultKeyValueType => Inner.DefaultKeyValueType;

    public virtual IKeyValues AllocateKeyValues(KeyValueType type, int blocks, int blockSize, int heads, int headDim)
        => Inner.AllocateKeyValues(type, blocks, blockSize, heads, headDim);

    public virtual void Write(IBuffer destination, ReadOnlySpan<int> source) => Inner.Write(destination, source);
    public virtual void Write(IBuffer destination, ReadOnlySpan<float> source) => Inner.Write(destination, source);
    public virtual void Read(IBuffer source, Span<float> destination) => Inner.Read(source, destination);
    public virtual void Read(IBuffer source, Span<int> destination) => Inner.Read(source, destination);
    public virtual Span<float> HostRow(IBuffer buffer, int row) => Inner.HostRow(buffer, row);
    public virtual void OnHost(IHostWork work, int items, long operations) => Inner.OnHost(work, items, operations);
    public virtual ILinear LoadLinear(params ReadOnlySpan<StoredMatrix> weights) => Inner.LoadLinear(weights);
    public virtual IEmbedding LoadEmbedding(StoredMatrix weight) => Inner.LoadEmbedding(weight);
    public virtual IEmbedding RowsOf(ILinear weight) => Inner.RowsOf(weight);
    public virtual IBuffer LoadVector(StoredTensor weight, float factor = 1) => Inner.LoadVector(weight, factor);
    public virtual IBuffer LoadVector(ReadOnlySpan<float> values) => Inner.LoadVector(values);
    public virtual IGatedActivation LoadActivation(Activation activation) => Inner.LoadActivation(activation);

    public virtual ILora LoadLora(LoraWeights weights) => Inner.LoadLora(weights);
    public virtual ILora LoadEmbeddingLora(LoraWeights weights) => Inner.LoadEmbeddingLora(weights);
    public virtual IExpertLora LoadExpertLora(ExpertLoraWeights weights) => Inner.LoadExpertLora(weights);

    public virtual void Embed(IEmbedding table, IBuffer ids, float scale, IBuffer output)
        => Inner.Embed(table, ids, scale, output);

    public virtual void RmsNorm(IBuffer x, IBuffer? weight, float eps, IBuffer output)
        => Inner.RmsNorm(x, weight, eps, output);

    public virtual void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps)
        => Inner.RmsNormHeads(x, weight, headDim, eps);

    public virtual void RotaryTable(IBuffer positions, IBuffer inverseFrequencies, IBuffer cosSin)
        => Inner.RotaryTable(positions, inverseFrequencies, cosSin);

    public virtual void Rotate(IBuffer x, IBuffer cosSin, int headDim) => Inner.Rotate(x, cosSin, headDim);

    public virtual void StoreKeysValues(IBuffer keys, IBuffer values, IBuffer slots, IKeyValues cache)
        => Inner.StoreKeysValues(keys, values, slots, cache);

    public virtual void CopyKeysValues(IKeyValues cache, int fromBlock, int toBlock, int positions)
        => Inner.CopyKeysValues(cache, fromBlock, toBlock, positions);

    public virtual void Attention(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window, IBuffer output)
        => Inner.Attention(queries, cache, batch, window, output);

    public virtual void Linear(ILinear weight, IBuffer x, IBuffer output) => Inner.Linear(weight, x, output);

    /// <summary>One by one through <see cref="Linear"/>, so that who changes that one changes these too.</summary>
    public virtual void Linears(ReadOnlySpan<ILinear> weights, IBuffer x, ReadOnlySpan<IBuffer> outputs)
    {
        for (int i = 0; i < weights.Length; i++) Linear(weights[i], x, outputs[i]);
    }

    public virtual void LinearRows(IEmbedding table, IBuffer rows, IBuffer x, IBuffer output) => Inner.LinearRows(table, rows, x, output);

    public virtual void AddLora(LoraSlots<ILora> updates, IBuffer x, IBuffer slots, IBuffer lowRank, IBuffer output)
        => Inner.AddLora(updates, x, slots, lowRank, output);

    public virtual void AddEmbeddingLora(LoraSlots<ILora> updates, IBuffer ids, IBuffer slots, IBuffer lowRank, IBuffer output)
        => Inner.AddEmbeddingLora(updates, ids, slots, lowRank, output);

    public virtual void GatedActivation(IGatedActivation activation, IBuffer gate, IBuffer up, IBuffer output)
        => Inner.GatedActivation(activation, gate, up, output);

    public virtual void RouteTopK(IBuffer logits, IBuffer perExpertScale, IBuffer ids, IBuffer weights)
        => Inner.RouteTopK(logits, perExpertScale, ids, weights);

    public virtual void AddBias(IBuffer bias, IBuffer x) => Inner.AddBias(bias, x);
    public virtual void Add(IBuffer x, IBuffer residual) => Inner.Add(x, residual);
    public virtual void Scale(IBuffer x, float factor) => Inner.Scale(x, factor);
    public virtual void Softcap(IBuffer x, float cap) => Inner.Softcap(x, cap);
    public virtual void GatherRows(IBuffer x, IBuffer rows, IBuffer output) => Inner.GatherRows(x, rows, output);

    public void Dispose()
    {
        Inner.Dispose();
        GC.SuppressFinalize(this);
    }
}
