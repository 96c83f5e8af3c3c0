using System.Runtime.CompilerServices;
using Lapidary.Cpu.Gemm;
using Lapidary.Cpu.Lora;
using Lapidary.Experts;
using Lapidary.Lora;

namespace Lapidary.Cpu.Experts;

/// <summary>
/// Routed experts over rows in blocks of one expert: inputs are gathered or rewritten, gate and up multiplied and the activation
/// applied while a block is in cache, down multiplied, and each token sums its k results times their routing weights in slot
/// order. Workers share the columns of every matrix, so any routing loads them evenly.
/// </summary>
internal sealed unsafe class ExpertPipeline : IExpertLayer
{
    private readonly ExpertLayerSpec spec;
    private readonly ExpertMatrices matrices;
    private readonly ExpertRows rows;
    private readonly WorkerPool pool;
    private readonly Workspace workspace;
    private readonly HiddenForm? inputForm, downForm;

    public ExpertPipeline(ExpertLayerSpec spec, ExpertMatrices matrices, ExpertRows rows, WorkerPool pool, Workspace workspace)
    {
        this.spec = spec;
        this.matrices = matrices;
        this.rows = rows;
        this.pool = pool;
        this.workspace = workspace;
        inputForm = matrices.InputForm;
        downForm = matrices.DownForm;
        long written = Math.Max(inputForm?.RowBytes ?? 0, downForm?.RowBytes ?? 0) / sizeof(float);
        workspace.Reserve(rows.Capacity * (spec.HiddenSize + 2L * spec.IntermediateSize + written));
    }

    public long BytesPerExpert => matrices.BytesPerExpert;

    public void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output)
    {
        CpuBuffer expertIds = (CpuBuffer)ids;
        int pairs = x.Rows * spec.TopK;
        rows.Arrange(expertIds);
        Step step = new(this, (CpuBuffer)x, (CpuBuffer)weights, (CpuBuffer)output);

        long operations = (long)pairs * spec.HiddenSize * spec.IntermediateSize;
        PairLora? lora = adapters is { } batch ? new PairLora(batch, expertIds) : null;
        if (inputForm is null || lora is not null)
        {
            var gather = new GatherJob(step);
            pool.Run(ref gather, WorkerPool.ElementOperations * pairs * spec.HiddenSize);
        }
        ShrinkInputs(step, lora, pairs);
        if (inputForm is not null)
        {
            var write = new WriteInputsJob(step, inputForm);
            pool.Run(ref write, WorkerPool.ElementOperations * pairs * spec.HiddenSize);
        }
        var gateUp = new GateUpJob(step, lora);
        pool.Run(ref gateUp, 2 * operations);
        ShrinkActivations(step, lora, pairs);
        if (downForm is not null)
        {
            var write = new WriteActivationsJob(step, downForm);
            pool.Run(ref write, WorkerPool.ElementOperations * pairs * spec.IntermediateSize);
        }
        var down = new DownJob(step, lora);
        pool.Run(ref down, operations);
        var sum = new SumJob(step);
        pool.Run(ref sum, WorkerPool.ElementOperations * pairs * spec.HiddenSize);
    }

    public void Dispose() => matrices.Dispose();

    private void ShrinkInputs(Step step, PairLora? lora, int pairs)
    {
        if (lora is not { } updates) return;
        var job = new ShrinkInputJob(step, updates, pairs);
        pool.Run(ref job, (long)pairs * spec.HiddenSize * updates.Width);
    }

    private void ShrinkActivations(Step step, PairLora? lora, int pairs)
    {
        if (lora is not { } updates) return;
        var job = new ShrinkDownJob(step, updates, pairs);
        pool.Run(ref job, (long)pairs * spec.IntermediateSize * updates.Width);
    }

    /// <summary>Buffers of one call.</summary>
    private readonly struct Step(ExpertPipeline layer, CpuBuffer x, CpuBuffer factors, CpuBuffer output)
    {
        private readonly float* memory = layer.workspace.Floats;

        public ExpertPipeline Layer => layer;
        public CpuBuffer X => x;
        public CpuBuffer Output => output;
        public int Hidden => layer.spec.HiddenSize;
        public int Intermediate => layer.spec.IntermediateSize;

        /// <summary>[rows, h]: inputs, later results.</summary>
        public float* Row(int row) => memory + (nint)row * Hidden;

        /// <summary>[rows, i]: gate's products, later what goes into down.</summary>
        public float* Gate(int row) => memory + (nint)layer.rows.Capacity * Hidden + (nint)row * Intermediate;

        /// <summary>[rows, i]</summary>
        public float* Up(int row) => Gate(layer.rows.Capacity + row);

        /// <summary>[rows] in the form that gate and up, later down, read.</summary>
        public byte* Written(int row, HiddenForm form)
            => (byte*)(memory + (nint)layer.rows.Capacity * (Hidden + 2 * Intermediate)) + row * form.RowBytes;

        /// <summary>The routing weight of a pair.</summary>
        public float Factor(int pair) => factors.Row(pair / layer.spec.TopK)[pair % layer.spec.TopK];
    }

    private readonly struct GatherJob(Step step) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            int k = step.Layer.spec.TopK;
            (int from, int to) = Share.Of(step.X.Rows * k, worker, workers);
            for (int pair = from; pair < to; pair++)
                new ReadOnlySpan<float>(step.X.Row(pair / k), step.Hidden).CopyTo(new Span<float>(step.Row(step.Layer.rows.Row(pair)), step.Hidden));
        }
    }

    /// <summary>Inputs rewritten from where the tokens have them, once for all workers and matrices.</summary>
    private readonly struct WriteInputsJob(Step step, HiddenForm form) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            ReadOnlySpan<RowBlock> blocks = step.Layer.rows.Blocks;
            (int from, int to) = Share.Of(blocks.Length, worker, workers);
            foreach (RowBlock block in blocks[from..to])
                for (int row = 0; row < block.Count; row++)
                {
                    float* token = step.X.Row(step.Layer.rows.Pair(block.First + row) / step.Layer.spec.TopK);
                    form.Write(token, stride: 0, row, row + 1, block.Count, step.Written(block.First, form)); // every row of the block is at token
                }
        }
    }

    /// <summary>What goes into down, rewritten block by block.</summary>
    private readonly struct WriteActivationsJob(Step step, HiddenForm form) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            ReadOnlySpan<RowBlock> blocks = step.Layer.rows.Blocks;
            (int from, int to) = Share.Of(blocks.Length, worker, workers);
            foreach (RowBlock block in blocks[from..to])
                form.Write(step.Gate(block.First), step.Intermediate, 0, block.Count, block.Count, step.Written(block.First, form));
        }
    }

    /// <summary>The adapters' u of gate and up, from the inputs.</summary>
    private readonly struct ShrinkInputJob(Step step, PairLora lora, int pairs) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            (int from, int to) = Share.Of(pairs, worker, workers);
            for (int pair = from; pair < to; pair++) lora.Of(pair)?.ShrinkInput(step.Row(step.Layer.rows.Row(pair)), lora.LowRank(pair));
        }
    }

    /// <summary>The adapters' u of down, from what goes into it, not rounded as for quantised weights.</summary>
    private readonly struct ShrinkDownJob(Step step, PairLora lora, int pairs) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            (int from, int to) = Share.Of(pairs, worker, workers);
            for (int pair = from; pair < to; pair++) lora.Of(pair)?.ShrinkDown(step.Gate(step.Layer.rows.Row(pair)), lora.LowRank(pair));
        }
    }

    /// <summary>Each worker takes its share of the intermediate columns of every expert.</summary>
    private readonly struct GateUpJob(Step step, PairLora? lora) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            ExpertMatrices matrices = step.Layer.matrices;
            (int from, int to) = Share.Of(step.Intermediate, worker, workers, matrices.GateGrain);
            foreach (RowBlock block in step.Layer.rows.Blocks)
            {
                float* x = step.Row(block.First), gate = step.Gate(block.First), up = step.Up(block.First);
                if (step.Layer.inputForm is { } form)
                {
                    matrices.ProjectWritten(block.Expert, from, to, step.Written(block.First, form), block.Count, gate, up, step.Intermediate);
                }
                else if (lora is null)
                {
                    matrices.ProjectAndActivate(block.Expert, from, to, x, step.Hidden, block.Count, gate, up, step.Intermediate);
                    continue;
                }
                else
                {
                    matrices.Project(block.Expert, from, to, x, step.Hidden, block.Count, gate, up, step.Intermediate);
                }
                for (int row = block.First; row < block.First + block.Count; row++)
                {
                    int pair = step.Layer.rows.Pair(row);
                    if (lora is { } updates) updates.Of(pair)?.ExpandGateUp(updates.LowRank(pair), from, to, step.Gate(row), step.Up(row));
                }
                matrices.Activate(from, to, block.Count, gate, up, step.Intermediate);
            }
        }
    }

    /// <summary>Each worker takes its share of the hidden columns of every expert; the inputs are no longer needed.</summary>
    private readonly struct DownJob(Step step, PairLora? lora) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            ExpertMatrices matrices = step.Layer.matrices;
            (int from, int to) = Share.Of(step.Hidden, worker, workers, matrices.DownGrain);
            foreach (RowBlock block in step.Layer.rows.Blocks)
            {
                if (step.Layer.downForm is { } form)
                    matrices.DownWritten(block.Expert, from, to, step.Written(block.First, form), block.Count, step.Row(block.First), step.Hidden);
                else
                    matrices.Down(block.Expert, from, to, step.Gate(block.First), step.Intermediate, block.Count, step.Row(block.First), step.Hidden);
                if (lora is not { } updates) continue;
                for (int row = block.First; row < block.First + block.Count; row++)
                {
                    int pair = step.Layer.rows.Pair(row);
                    updates.Of(pair)?.ExpandDown(updates.LowRank(pair), from, to, step.Row(row));
                }
            }
        }
    }

    /// <summary>Each token sums its k results times their routing weights in slot order.</summary>
    private readonly struct SumJob(Step step) : IParallelJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            int k = step.Layer.spec.TopK;
            (int from, int to) = Share.Of(step.Output.Rows, worker, workers);
            for (int token = from; token < to; token++)
            {
                float* output = step.Output.Row(token);
                for (int slot = 0; slot < k; slot++)
                {
                    int pair = token * k + slot;
                    float* result = step.Row(step.Layer.rows.Row(pair));
                    if (slot == 0) ElementWise.Scale<TLane>(result, step.Factor(pair), output, step.Hidden);
                    else ElementWise.AddScaled<TLane>(result, step.Factor(pair), output, step.Hidden);
                }
            }
        }
    }
}
