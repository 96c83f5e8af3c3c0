using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Lora;

namespace Lapidary.Cpu.Experts;

/// <summary>
/// Tokens sorted by expert in blocks; per block one GEMM for gate and up with the activation applied to the block while it
/// is in cache, one GEMM for down; then each token sums its k results with the routing weights, in slot order.
/// </summary>
internal sealed class GroupedExperts(WorkerPool pool) : IExpertBackend
{
    public string Name => "grouped";
    public string Purpose => "tokens sorted by expert, two grouped GEMMs with the activation between, all threads";

    public DType HiddenStates => DType.F32;

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.AnyMatrix(spec);

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens)
        => new GroupedExpertLayer(spec, weights, maxTokens, pool);
}

internal sealed unsafe class GroupedExpertLayer(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens, WorkerPool pool)
    : IExpertLayer
{
    private readonly WeightMatrix[] gates = [.. weights.Gate.Select(WeightMatrix.Load)];
    private readonly WeightMatrix[]? ups = weights.Up?.Select(WeightMatrix.Load).ToArray();
    private readonly WeightMatrix[] downs = [.. weights.Down.Select(WeightMatrix.Load)];
    private readonly CpuActivation activation = CpuActivation.Load(spec.Activation);
    private readonly TokenGroups groups = new(spec.NumExperts, spec.TopK, maxTokens);
    private readonly CpuBuffer sorted = new(DType.F32, maxTokens * spec.TopK, spec.HiddenSize);   // inputs, later results
    private readonly CpuBuffer gate = new(DType.F32, maxTokens * spec.TopK, spec.IntermediateSize);
    private readonly CpuBuffer up = new(DType.F32, maxTokens * spec.TopK, spec.IntermediateSize);
    private readonly int[] sortedRow = new int[maxTokens * spec.TopK]; // pair → its row in the sorted buffers

    public void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output)
    {
        CpuBuffer input = (CpuBuffer)x, expertIds = (CpuBuffer)ids, factors = (CpuBuffer)weights, sums = (CpuBuffer)output;
        int pairs = input.Rows * spec.TopK;
        groups.Sort(expertIds);
        for (int row = 0; row < pairs; row++)
        {
            int pair = groups.Pairs[row];
            sortedRow[pair] = row;
            Copy(input.Row(pair / spec.TopK), sorted.Row(row), spec.HiddenSize);
        }

        long operations = (long)pairs * spec.HiddenSize * spec.IntermediateSize;
        var gateUp = new GateUpJob(this);
        pool.Run(ref gateUp, 2 * operations);
        var down = new DownJob(this);
        pool.Run(ref down, operations);
        var sum = new SumJob(this, factors, sums);
        pool.Run(ref sum, (long)pairs * spec.HiddenSize);
    }

    public void Dispose()
    {
        sorted.Dispose();
        gate.Dispose();
        up.Dispose();
        foreach (WeightMatrix matrix in (WeightMatrix[])[.. gates, .. ups ?? [], .. downs]) matrix.Dispose();
    }

    private static void Copy(float* from, float* to, int n) => new ReadOnlySpan<float>(from, n).CopyTo(new Span<float>(to, n));

    /// <summary>Each worker takes its share of the intermediate columns of every expert.</summary>
    private readonly struct GateUpJob(GroupedExpertLayer layer) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            (int from, int to) = Share.Of(layer.gate.Columns, worker, workers, layer.gates[0].Grain);
            ReadOnlySpan<int> start = layer.groups.Start;
            for (int e = 0; e < start.Length - 1; e++)
            {
                int row = start[e], tokens = start[e + 1] - row;
                if (tokens == 0) continue;
                float* x = layer.sorted.Row(row), g = layer.gate.Row(row), u = layer.up.Row(row);
                layer.gates[e].Multiply(from, to, x, layer.sorted.Stride, tokens, g, layer.gate.Stride);
                layer.ups?[e].Multiply(from, to, x, layer.sorted.Stride, tokens, u, layer.up.Stride);
                for (int t = 0; t < tokens; t++)
                {
                    float* gateRow = g + (nint)t * layer.gate.Stride + from, upRow = u + (nint)t * layer.up.Stride + from;
                    if (layer.ups is null) layer.activation.Apply(gateRow, gateRow, to - from);
                    else layer.activation.Combine(gateRow, upRow, gateRow, to - from);
                }
            }
        }
    }

    /// <summary>Each worker takes its share of the hidden columns of every expert; the inputs are no longer needed.</summary>
    private readonly struct DownJob(GroupedExpertLayer layer) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            (int from, int to) = Share.Of(layer.sorted.Columns, worker, workers, layer.downs[0].Grain);
            ReadOnlySpan<int> start = layer.groups.Start;
            for (int e = 0; e < start.Length - 1; e++)
            {
                int row = start[e], tokens = start[e + 1] - row;
                if (tokens == 0) continue;
                layer.downs[e].Multiply(
                    from, to, layer.gate.Row(row), layer.gate.Stride, tokens, layer.sorted.Row(row), layer.sorted.Stride);
            }
        }
    }

    /// <summary>Each token sums its k results with the routing weights, in slot order.</summary>
    private readonly struct SumJob(GroupedExpertLayer layer, CpuBuffer factors, CpuBuffer sums) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            int k = factors.Columns;
            (int from, int to) = Share.Of(sums.Rows, worker, workers);
            for (int token = from; token < to; token++)
            {
                float* output = sums.Row(token);
                new Span<float>(output, sums.Columns).Clear();
                for (int slot = 0; slot < k; slot++)
                {
                    float* result = layer.sorted.Row(layer.sortedRow[token * k + slot]);
                    ElementWise.AddScaled<TLane>(result, factors.Row(token)[slot], output, sums.Columns);
                }
            }
        }
    }
}
