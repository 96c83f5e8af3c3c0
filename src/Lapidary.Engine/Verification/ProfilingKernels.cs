using System.Diagnostics;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Verification;

/// <summary>A device that measures what each kind of operation takes.</summary>
public sealed class ProfilingKernels(IKernels inner) : ForwardingKernels(inner)
{
    private readonly SortedDictionary<string, OperationTime> times = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, OperationTime> Times => times;

    public override IReadOnlyList<IExpertBackend> ExpertBackends => [.. Inner.ExpertBackends.Select(backend => new Profiled(backend, this))];

    public void Clear() => times.Clear();

    public override void Embed(IEmbedding table, IBuffer ids, float scale, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.Embed(table, ids, scale, output);
        Add("embed", start);
    }

    public override void RmsNorm(IBuffer x, IBuffer? weight, float eps, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.RmsNorm(x, weight, eps, output);
        Add("norm", start);
    }

    public override void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps)
    {
        long start = Stopwatch.GetTimestamp();
        base.RmsNormHeads(x, weight, headDim, eps);
        Add("norm of heads", start);
    }

    public override void Rotate(IBuffer x, IBuffer cosSin, int headDim)
    {
        long start = Stopwatch.GetTimestamp();
        base.Rotate(x, cosSin, headDim);
        Add("rotate", start);
    }

    public override void StoreKeysValues(IBuffer keys, IBuffer values, IBuffer slots, IKeyValues cache)
    {
        long start = Stopwatch.GetTimestamp();
        base.StoreKeysValues(keys, values, slots, cache);
        Add("store keys and values", start);
    }

    public override void Attention(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.Attention(queries, cache, batch, window, output);
        Add($"attention, heads of {cache.HeadDim}", start).Work += AttentionWork(queries, cache, batch, window);
    }

    public override void Linear(ILinear weight, IBuffer x, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.Linear(weight, x, output);
        Add($"linear {weight.OutFeatures} × {weight.InFeatures}", start).Work += OperationWork.OfLinear(weight, x.Rows);
    }

    public override void Linears(ReadOnlySpan<ILinear> weights, IBuffer x, ReadOnlySpan<IBuffer> outputs)
    {
        long start = Stopwatch.GetTimestamp();
        Inner.Linears(weights, x, outputs);
        int features = 0;
        foreach (ILinear weight in weights) features += weight.OutFeatures;
        OperationTime time = Add($"linear {features} × {weights[0].InFeatures} in {weights.Length}", start);
        for (int i = 0; i < weights.Length; i++)
            if (!weights[..i].Contains(weights[i])) time.Work += OperationWork.OfLinear(weights[i], x.Rows); // one that is there twice is multiplied once
    }

    public override void GatedActivation(IGatedActivation activation, IBuffer gate, IBuffer up, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.GatedActivation(activation, gate, up, output);
        Add("activation", start);
    }

    public override void RouteTopK(IBuffer logits, IBuffer perExpertScale, IBuffer ids, IBuffer weights)
    {
        long start = Stopwatch.GetTimestamp();
        base.RouteTopK(logits, perExpertScale, ids, weights);
        Add("route", start);
    }

    /// <summary>Takes the time first: counting what was done is no part of it.</summary>
    private OperationTime Add(string name, long start)
    {
        long ticks = Stopwatch.GetTimestamp() - start;
        if (!times.TryGetValue(name, out OperationTime? time)) times[name] = time = new OperationTime();
        time.Ticks += ticks;
        time.Calls++;
        return time;
    }

    private OperationWork AttentionWork(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window)
        => OperationWork.OfAttention(Ints(batch.Positions), Ints(batch.Sequences), window ?? int.MaxValue, queries.Columns / cache.HeadDim, cache);

    private int[] Ints(IBuffer buffer)
    {
        int[] values = new int[buffer.Rows * buffer.Columns];
        Read(buffer, values.AsSpan());
        return values;
    }

    private sealed class Profiled(IExpertBackend inner, ProfilingKernels owner) : IExpertBackend
    {
        public string Name => inner.Name;
        public string Purpose => inner.Purpose;
        public HiddenPrecision HiddenStates(WeightFormat weights) => inner.HiddenStates(weights);
        public Support Supports(ExpertLayerSpec spec) => inner.Supports(spec);
        public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new Layer(inner.Create(spec, weights, maxTokens), spec, owner);
    }

    private sealed class Layer(IExpertLayer inner, ExpertLayerSpec spec, ProfilingKernels owner) : IExpertLayer
    {
        public long BytesPerExpert => inner.BytesPerExpert;

        public void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.Forward(x, ids, weights, adapters, output);
            owner.Add("experts", start).Work += OperationWork.OfExperts(owner.Ints(ids), spec, inner.BytesPerExpert);
        }

        public void Dispose() => inner.Dispose();
    }
}
