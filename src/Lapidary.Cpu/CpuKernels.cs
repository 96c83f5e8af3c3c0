using Lapidary.Checkpoints;
using Lapidary.Cpu.Attention;
using Lapidary.Cpu.Experts;
using Lapidary.Cpu.Gemm;
using Lapidary.Cpu.Lora;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Cpu;

/// <summary>Kernels on the processor: weights in their stored type, sums in float32, hidden states as <see cref="Arithmetic"/> says.</summary>
public sealed unsafe class CpuKernels : IKernels
{
    private readonly WorkerPool pool;
    private readonly LinearProducts products;
    private readonly Workspace workspace = new(), attention = new();
    private readonly CpuOptions options;

    /// <param name="threads">Worker threads, the caller included; null for one per processor.</param>
    public CpuKernels(int? threads = null) : this(new CpuOptions { Threads = threads })
    {
    }

    public CpuKernels(CpuOptions options)
    {
        this.options = options;
        Threads = options.Threads ?? Environment.ProcessorCount;
        pool = new WorkerPool(Threads, options.Pin);
        products = new LinearProducts(pool);
        GroupedExperts grouped = new(pool, workspace, options);
        HummingExperts a8 = new(pool, workspace, DType.I8, options);
        IExpertBackend[] others = [new BatchedExperts(pool, workspace), new HummingExperts(pool, workspace, DType.BF16, options)];
        ExpertBackends = options.Arithmetic == Arithmetic.Exact
            ? [new MarlinExperts(pool, workspace), grouped, .. others, a8, new ReferenceExperts()]
            : [a8, grouped, new MarlinExperts(pool, workspace), .. others, new ReferenceExperts()];
    }

    public int Threads { get; }
    public string Description => $"CPU, {CpuFeatures.VectorBits}-bit vectors, {Threads} threads, {(options.Arithmetic == Arithmetic.Exact ? "exact" : "fast")} arithmetic{(options.Panels is PackedWeights ? ", packed weights" : "")}";
    public IReadOnlyList<IExpertBackend> ExpertBackends { get; }

    public void Dispose()
    {
        pool.Dispose();
        workspace.Dispose();
        products.Dispose();
        attention.Dispose();
    }

    public IBuffer Allocate(DType dtype, int rows, int columns) => new CpuBuffer(dtype, rows, columns);

    public KeyValueType DefaultKeyValueType => options.Arithmetic == Arithmetic.Exact ? KeyValueType.F32 : KeyValueType.BF16;

    public IKeyValues AllocateKeyValues(KeyValueType type, int blocks, int blockSize, int heads, int headDim)
        => new CpuKeyValues(type, blocks, blockSize, heads, headDim);

    public void Write(IBuffer destination, ReadOnlySpan<int> source)
    {
        CpuBuffer buffer = (CpuBuffer)destination;
        buffer.Rows = source.Length / buffer.Columns;
        source.CopyTo(new Span<int>(buffer.Address, buffer.Rows * buffer.Columns));
    }

    public void Write(IBuffer destination, ReadOnlySpan<float> source)
    {
        CpuBuffer buffer = (CpuBuffer)destination;
        buffer.Rows = source.Length / buffer.Columns;
        source.CopyTo(new Span<float>(buffer.Address, buffer.Rows * buffer.Columns));
    }

    public void Read(IBuffer source, Span<float> destination)
    {
        CpuBuffer buffer = (CpuBuffer)source;
        ArgumentOutOfRangeException.ThrowIfNotEqual(destination.Length, buffer.Rows * buffer.Columns);
        for (int row = 0; row < buffer.Rows; row++)
            new ReadOnlySpan<float>(buffer.Row(row), buffer.Columns).CopyTo(destination[(row * buffer.Columns)..]);
    }

    public void Read(IBuffer source, Span<int> destination)
    {
        CpuBuffer buffer = (CpuBuffer)source;
        ArgumentOutOfRangeException.ThrowIfNotEqual(destination.Length, buffer.Rows * buffer.Columns);
        for (int row = 0; row < buffer.Rows; row++)
            new ReadOnlySpan<int>(buffer.IntRow(row), buffer.Columns).CopyTo(destination[(row * buffer.Columns)..]);
    }

    public Span<float> HostRow(IBuffer buffer, int row)
    {
        CpuBuffer source = (CpuBuffer)buffer;
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)source.Rows);
        return new(source.Row(row), source.Columns);
    }

    public void OnHost(IHostWork work, int items, long operations)
    {
        HostJob job = new(work, items);
        pool.Run(ref job, operations);
    }

    public ILinear LoadLinear(params ReadOnlySpan<StoredMatrix> weights)
    {
        var parts = new WeightMatrix[weights.Length];
        for (int i = 0; i < weights.Length; i++) parts[i] = WeightMatrix.Load(weights[i], options);
        return new CpuLinear(parts);
    }

    public IEmbedding LoadEmbedding(StoredMatrix weight) => new CpuEmbedding(weight is QuantizedMatrix quantized ? new StoredRows(quantized) : WeightMatrix.Load(weight));

    public IEmbedding RowsOf(ILinear weight) => new CpuEmbedding(((CpuLinear)weight).Parts.Single());

    public IBuffer LoadVector(StoredTensor weight, float factor = 1)
    {
        WeightMatrix row = WeightMatrix.Load(new DenseMatrix(weight.AsRow()));
        CpuBuffer vector = new(DType.F32, 1, row.Columns) { Rows = 1 };
        row.CopyRow(0, factor, vector.Row(0));
        return vector;
    }

    public IBuffer LoadVector(ReadOnlySpan<float> values)
    {
        CpuBuffer vector = new(DType.F32, 1, values.Length) { Rows = 1 };
        values.CopyTo(new Span<float>(vector.Address, values.Length));
        return vector;
    }

    public IGatedActivation LoadActivation(Activation activation) => CpuActivation.Load(activation);

    public ILora LoadLora(LoraWeights weights) => CpuLora.Load(weights);

    public ILora LoadEmbeddingLora(LoraWeights weights) => CpuLora.LoadEmbedding(weights);

    public IExpertLora LoadExpertLora(ExpertLoraWeights weights) => new CpuExpertLora(weights);

    public void Embed(IEmbedding table, IBuffer ids, float scale, IBuffer output)
    {
        EmbedJob job = new(((CpuEmbedding)table).Table, (CpuBuffer)ids, scale, (CpuBuffer)output);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(output));
    }

    public void RmsNorm(IBuffer x, IBuffer? weight, float eps, IBuffer output)
        => Normalize((CpuBuffer)x, (CpuBuffer?)weight, x.Columns, eps, (CpuBuffer)output);

    public void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps)
        => Normalize((CpuBuffer)x, (CpuBuffer?)weight, headDim, eps, (CpuBuffer)x);

    public void RotaryTable(IBuffer positions, IBuffer inverseFrequencies, IBuffer cosSin)
    {
        RotaryTableJob job = new((CpuBuffer)positions, (CpuBuffer)inverseFrequencies, (CpuBuffer)cosSin);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(cosSin));
    }

    public void Rotate(IBuffer x, IBuffer cosSin, int headDim)
    {
        RotateJob job = new((CpuBuffer)x, (CpuBuffer)cosSin, headDim);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(x));
    }

    public void StoreKeysValues(IBuffer keys, IBuffer values, IBuffer slots, IKeyValues cache)
    {
        StoreJob job = new((CpuBuffer)keys, (CpuBuffer)values, (CpuBuffer)slots, (CpuKeyValues)cache);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(keys));
    }

    public void CopyKeysValues(IKeyValues cache, int fromBlock, int toBlock, int positions) => ((CpuKeyValues)cache).Copy(fromBlock, toBlock, positions);

    public void Attention(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window, IBuffer output)
    {
        AttentionPlan plan = new((CpuBuffer)queries, (CpuKeyValues)cache, batch, window, (CpuBuffer)output);
        (int blocks, long positions, int chunks) = plan.Measure();
        int dim = plan.Cache.PaddedDim;
        long operations = positions * plan.HeadBlocks * plan.BlockQueries * dim * 2;
        // Blocks share out badly when they are few, and a long context makes them long.
        if (Threads == 1 || blocks * plan.HeadBlocks >= 4 * Threads || chunks == blocks)
        {
            attention.Reserve((long)Threads * AttentionJob.ScratchFloats(dim));
            AttentionJob whole = new(plan, positions, tokensFirst: blocks == plan.Tokens, attention.Floats);
            pool.Run(ref whole, operations);
            return;
        }
        long scratch = (long)Threads * AttentionChunksJob.ScratchFloats(dim);
        attention.Reserve(scratch + (long)chunks * plan.HeadBlocks * plan.BlockQueries * PartialRow.Length(dim));
        AttentionChunksJob parts = new(plan, positions, attention.Floats, attention.Floats + scratch);
        pool.Run(ref parts, operations);
        MergeChunksJob merge = new(plan, chunks, attention.Floats + scratch);
        pool.Run(ref merge, (long)chunks * plan.HeadBlocks * plan.BlockQueries * dim);
    }

    public void Linear(ILinear weight, IBuffer x, IBuffer output) => products.Run([weight], (CpuBuffer)x, [output]);

    public void Linears(ReadOnlySpan<ILinear> weights, IBuffer x, ReadOnlySpan<IBuffer> outputs) => products.Run(weights, (CpuBuffer)x, outputs);

    public void LinearRows(IEmbedding table, IBuffer rows, IBuffer x, IBuffer output)
    {
        CpuBuffer chosen = (CpuBuffer)rows, input = (CpuBuffer)x, target = (CpuBuffer)output;
        attention.Reserve((long)Threads * input.Columns);
        LinearRowsJob job = new(((CpuEmbedding)table).Table, chosen, input, target, attention.Floats);
        pool.Run(ref job, Elements(rows) * input.Columns);
    }

    public void AddLora(LoraSlots<ILora> updates, IBuffer x, IBuffer slots, IBuffer lowRank, IBuffer output)
    {
        CpuBuffer input = (CpuBuffer)x, bySlot = (CpuBuffer)slots, u = (CpuBuffer)lowRank, target = (CpuBuffer)output;
        ShrinkJob shrink = new(updates, input, bySlot, u);
        pool.Run(ref shrink, Elements(x) * u.Columns);
        ExpandJob expand = new(updates, bySlot, u, target);
        pool.Run(ref expand, Elements(output) * u.Columns);
    }

    public void AddEmbeddingLora(LoraSlots<ILora> updates, IBuffer ids, IBuffer slots, IBuffer lowRank, IBuffer output)
    {
        CpuBuffer tokens = (CpuBuffer)ids, bySlot = (CpuBuffer)slots, u = (CpuBuffer)lowRank, target = (CpuBuffer)output;
        for (int t = 0; t < tokens.Rows; t++)
            if (TokenLora.Of(updates, bySlot, t) is CpuLora lora) lora.ShrinkRow(tokens.IntRow(t)[0], u.Row(t));
        ExpandJob expand = new(updates, bySlot, u, target);
        pool.Run(ref expand, Elements(output) * u.Columns);
    }

    public void GatedActivation(IGatedActivation activation, IBuffer gate, IBuffer up, IBuffer output)
    {
        ActivateJob job = new((CpuActivation)activation, (CpuBuffer)gate, (CpuBuffer)up, (CpuBuffer)output);
        pool.Run(ref job, ExponentialOperations * Elements(gate));
    }

    public void RouteTopK(IBuffer logits, IBuffer perExpertScale, IBuffer ids, IBuffer weights)
    {
        RouteJob job = new((CpuBuffer)logits, (CpuBuffer)perExpertScale, (CpuBuffer)ids, (CpuBuffer)weights);
        pool.Run(ref job, ExponentialOperations * Elements(logits) * ids.Columns); // each choice looks at all of them
    }

    public void AddBias(IBuffer bias, IBuffer x)
    {
        AddBiasJob job = new((CpuBuffer)bias, (CpuBuffer)x);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(x));
    }

    public void Add(IBuffer x, IBuffer residual)
    {
        AddJob job = new((CpuBuffer)x, (CpuBuffer)residual);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(x));
    }

    public void Scale(IBuffer x, float factor)
    {
        ScaleJob job = new((CpuBuffer)x, factor);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(x));
    }

    public void Softcap(IBuffer x, float cap)
    {
        SoftcapJob job = new((CpuBuffer)x, cap);
        pool.Run(ref job, ExponentialOperations * Elements(x));
    }

    public void GatherRows(IBuffer x, IBuffer rows, IBuffer output)
    {
        CpuBuffer source = (CpuBuffer)x, indices = (CpuBuffer)rows, target = (CpuBuffer)output;
        for (int r = 0; r < indices.Rows; r++) CopyRow(source.Row(indices.IntRow(r)[0]), target.Row(r), source.Columns);
    }

    private static void CopyRow(float* from, float* to, int n)
        => new ReadOnlySpan<float>(from, n).CopyTo(new Span<float>(to, n));

    private void Normalize(CpuBuffer x, CpuBuffer? weight, int group, float eps, CpuBuffer output)
    {
        RmsNormJob job = new(x, weight, group, eps, output);
        pool.Run(ref job, WorkerPool.ElementOperations * Elements(x));
    }

    /// <summary>Multiply-adds that take as long as an exponential.</summary>
    private const long ExponentialOperations = 16;

    private static long Elements(IBuffer x) => (long)x.Rows * x.Columns;
}
