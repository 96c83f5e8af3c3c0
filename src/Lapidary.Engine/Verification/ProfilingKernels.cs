using System.Diagnostics;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Verification;

/// <summary>Time and weight bytes of one kind of operation.</summary>
public sealed class OperationTime
{
    public long Ticks { get; internal set; }
    public int Calls { get; internal set; }
    public long WeightBytes { get; internal set; }
    public double Seconds => (double)Ticks / Stopwatch.Frequency;
}

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
        Add("embed", start, 0);
    }

    public override void RmsNorm(IBuffer x, IBuffer? weight, float eps, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.RmsNorm(x, weight, eps, output);
        Add("norm", start, 0);
    }

    public override void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps)
    {
        long start = Stopwatch.GetTimestamp();
        base.RmsNormHeads(x, weight, headDim, eps);
        Add("norm of heads", start, 0);
    }

    public override void Rotate(IBuffer x, IBuffer cosSin, int headDim)
    {
        long start = Stopwatch.GetTimestamp();
        base.Rotate(x, cosSin, headDim);
        Add("rotate", start, 0);
    }

    public override void StoreKeysValues(IBuffer keys, IBuffer values, IBuffer slots, IKeyValues cache)
    {
        long start = Stopwatch.GetTimestamp();
        base.StoreKeysValues(keys, values, slots, cache);
        Add("store keys and values", start, 0);
    }

    public override void Attention(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.Attention(queries, cache, batch, window, output);
        Add($"attention, heads of {cache.HeadDim}", start, 0);
    }

    public override void Linear(ILinear weight, IBuffer x, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.Linear(weight, x, output);
        Add($"linear {weight.OutFeatures} × {weight.InFeatures}", start, weight.ByteLength);
    }

    public override void Linears(ReadOnlySpan<ILinear> weights, IBuffer x, ReadOnlySpan<IBuffer> outputs)
    {
        long start = Stopwatch.GetTimestamp(), bytes = 0;
        int features = 0;
        Inner.Linears(weights, x, outputs);
        for (int i = 0; i < weights.Length; i++)
        {
            features += weights[i].OutFeatures;
            if (!weights[..i].Contains(weights[i])) bytes += weights[i].ByteLength; // one that is there twice is read once
        }
        Add($"linear {features} × {weights[0].InFeatures} in {weights.Length}", start, bytes);
    }

    public override void GatedActivation(IGatedActivation activation, IBuffer gate, IBuffer up, IBuffer output)
    {
        long start = Stopwatch.GetTimestamp();
        base.GatedActivation(activation, gate, up, output);
        Add("activation", start, 0);
    }

    public override void RouteTopK(IBuffer logits, IBuffer perExpertScale, IBuffer ids, IBuffer weights)
    {
        long start = Stopwatch.GetTimestamp();
        base.RouteTopK(logits, perExpertScale, ids, weights);
        Add("route", start, 0);
    }

    private void Add(string name, long start, long weightBytes)
    {
        if (!times.TryGetValue(name, out OperationTime? time)) times[name] = time = new OperationTime();
        time.Ticks += Stopwatch.GetTimestamp() - start;
        time.Calls++;
        time.WeightBytes += weightBytes;
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
            // Exact for one token; of more, the experts that they share are counted once for each, up to all there are.
            owner.Add("experts", start, Math.Min(x.Rows * spec.TopK, spec.NumExperts) * inner.BytesPerExpert);
        }

        public void Dispose() => inner.Dispose();
    }
}
