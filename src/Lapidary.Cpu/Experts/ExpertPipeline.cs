using System.Runtime.CompilerServices;
using Lapidary.Cpu.Gemm;
using Lapidary.Cpu.Lora;
using Lapidary.Experts;
using Lapidary.Lora;

namespace Lapidary.Cpu.Experts;

/// <summary>
/// Routed experts over rows in blocks of one expert: inputs are gathered or rewritten, gate and up multiplied and the activation
/// applied while a block is in cache, down multiplied, and its results, times their routing weights, added to their tokens while
/// they are in cache, too. So a token sums its k results by ascending expert, as HuggingFace does. Workers share the columns of
/// every matrix, so any routing loads them evenly; of a token alone they take experts in pieces, and wait for each other once.
/// </summary>
internal sealed unsafe class ExpertPipeline : IExpertLayer
{
    private readonly ExpertLayerSpec spec;
    private readonly ExpertMatrices matrices;
    private readonly ExpertRows rows;
    private readonly WorkerPool pool;
    private readonly Workspace workspace;
    private readonly HiddenForm? inputForm, downForm;
    private readonly int gatePieces, downPieces; // of an expert, for a token alone
    private readonly int[] done; // of these gate pieces, by block

    public ExpertPipeline(ExpertLayerSpec spec, ExpertMatrices matrices, ExpertRows rows, WorkerPool pool, Workspace workspace)
    {
        this.spec = spec;
        this.matrices = matrices;
        this.rows = rows;
        this.pool = pool;
        this.workspace = workspace;
        inputForm = matrices.InputForm;
        downForm = matrices.DownForm;
        downPieces = PiecesOf(matrices.DownBytes, spec.HiddenSize, matrices.DownGrain);
        gatePieces = PiecesOf(matrices.BytesPerExpert - matrices.DownBytes, spec.IntermediateSize, matrices.GateGrain);
        done = new int[spec.TopK];
        long written = ((inputForm?.RowBytes ?? 0) + (downForm?.RowBytes ?? 0) + sizeof(float) - 1) / sizeof(float);
        workspace.Reserve(rows.Capacity * (spec.HiddenSize + spec.IntermediateSize + written));
    }

    public long BytesPerExpert => matrices.BytesPerExpert;

    private static int PiecesOf(long bytes, int columns, int grain) => (int)Math.Max(1, Math.Min(bytes / Pieces.Bytes, columns / grain));

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
        if (x.Rows == 1 && lora is null)
        {
            done.AsSpan().Clear();
            var alone = new TokenAloneJob(step);
            pool.Run(ref alone, 3 * operations);
            var sum = new SumJob(step);
            pool.Run(ref sum, WorkerPool.ElementOperations * pairs * spec.HiddenSize);
            return;
        }
        var gateUp = new GateUpJob(step, lora);
        pool.Run(ref gateUp, 2 * operations);
        ShrinkActivations(step, lora, pairs);
        var down = new DownJob(step, lora);
        pool.Run(ref down, operations);
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

        /// <summary>[rows, h]: inputs.</summary>
        public float* Row(int row) => memory + (nint)row * Hidden;

        /// <summary>[rows, i]: what goes into down.</summary>
        public float* Activated(int row) => memory + (nint)layer.rows.Capacity * Hidden + (nint)row * Intermediate;

        /// <summary>[rows] in the form that gate and up read.</summary>
        public byte* WrittenInput(int row) => (byte*)Activated(layer.rows.Capacity) + row * layer.inputForm!.RowBytes;

        /// <summary>[rows] in the form that down reads.</summary>
        public byte* WrittenActivated(int row)
            => (byte*)Activated(layer.rows.Capacity) + layer.rows.Capacity * (layer.inputForm?.RowBytes ?? 0) + row * layer.downForm!.RowBytes;

        /// <summary>A worker's results of one block, [matrices, rows of a block, <see cref="ResultStride"/>]; overwritten by the next.</summary>
        public float* Results(int columns, int matrices) => ThreadScratch.Results(checked(layer.rows.BlockCapacity * ResultStride(columns) * matrices));

        /// <summary>Floats from one row of results to the next: rows a multiple of a power of two apart would meet in few places of a cache.</summary>
        public static int ResultStride(int columns) => columns % 256 == 0 ? columns + 16 : columns;

        /// <summary>results[r] = activated row r of the block · downᵀ, columns [from, to).</summary>
        public void Down(RowBlock block, int from, int to, float* results, nint stride)
        {
            ExpertMatrices matrices = layer.matrices;
            if (layer.downForm is null) matrices.Down(block.Expert, from, to, Activated(block.First), Intermediate, block.Count, results, stride);
            else matrices.DownWritten(block.Expert, from, to, WrittenActivated(block.First), block.Count, results, stride);
        }

        /// <summary>Adds a block's results, times their routing weights, to its tokens.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void AddToTokens<TLane>(RowBlock block, int from, int to, float* results, nint stride) where TLane : struct, IFloatLane<TLane>
        {
            ReadOnlySpan<int> pairs = layer.rows.Pairs(block);
            for (int row = 0; row < pairs.Length; row++)
            {
                (int token, int slot) = Math.DivRem(pairs[row], layer.spec.TopK);
                ElementWise.AddScaled<TLane>(results + row * stride + from, factors.Row(token)[slot], output.Row(token) + from, to - from);
            }
        }
    }

    /// <summary>
    /// A token's experts, one after the other in pieces of gate and up, then of down, which waits for all of its expert's first. Workers
    /// begin with experts of their own. Results replace inputs.
    /// </summary>
    private readonly struct TokenAloneJob(Step step) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            ExpertPipeline layer = step.Layer;
            ReadOnlySpan<RowBlock> blocks = layer.rows.Blocks;
            int each = layer.gatePieces + layer.downPieces;
            GateUpJob gateUp = new(step, lora: null);
            Pieces pieces = new(layer.pool, blocks.Length * each, worker, workers);
            while (pieces.Next(out int piece))
            {
                (int b, int part) = Math.DivRem(piece, each);
                RowBlock block = blocks[b];
                ref int finished = ref layer.done[b];
                if (part < layer.gatePieces)
                {
                    (int from, int to) = Share.Of(step.Intermediate, part, layer.gatePieces, layer.matrices.GateGrain);
                    try
                    {
                        gateUp.Activate(block, from, to);
                    }
                    finally
                    {
                        Interlocked.Increment(ref finished); // even where it failed: others wait for it
                    }
                }
                else
                {
                    while (Volatile.Read(ref finished) < layer.gatePieces) Thread.SpinWait(4);
                    (int from, int to) = Share.Of(step.Hidden, part - layer.gatePieces, layer.downPieces, layer.matrices.DownGrain);
                    step.Down(block, from, to, step.Row(block.First), step.Hidden);
                }
            }
        }
    }

    /// <summary>What a token's experts gave, in their order.</summary>
    private readonly struct SumJob(Step step) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            (int from, int to) = Share.Of(step.Hidden, worker, workers, grain: 16);
            for (int token = 0; token < step.Output.Rows; token++) new Span<float>(step.Output.Row(token) + from, to - from).Clear();
            foreach (RowBlock block in step.Layer.rows.Blocks) step.AddToTokens<TLane>(block, from, to, step.Row(block.First), step.Hidden);
        }
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
            {
                ReadOnlySpan<int> pairs = step.Layer.rows.Pairs(block);
                for (int row = 0; row < pairs.Length; row++)
                {
                    float* token = step.X.Row(pairs[row] / step.Layer.spec.TopK);
                    form.Write(token, stride: 0, row, row + 1, block.Count, step.WrittenInput(block.First)); // every row of the block is at token
                }
            }
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
            for (int pair = from; pair < to; pair++) lora.Of(pair)?.ShrinkDown(step.Activated(step.Layer.rows.Row(pair)), lora.LowRank(pair));
        }
    }

    /// <summary>Each worker takes its share of the intermediate columns of every expert.</summary>
    private readonly struct GateUpJob(Step step, PairLora? lora) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            (int from, int to) = Share.Of(step.Intermediate, worker, workers, step.Layer.matrices.GateGrain);
            foreach (RowBlock block in step.Layer.rows.Blocks) Activate(block, from, to);
        }

        /// <summary>A block's columns [from, to) of what goes into down.</summary>
        public void Activate(RowBlock block, int from, int to)
        {
            ExpertMatrices matrices = step.Layer.matrices;
            HiddenForm? form = step.Layer.downForm;
            int stride = Step.ResultStride(to - from);
            float* gate = step.Results(to - from, matrices: 2) - from, up = gate + (nint)step.Layer.rows.BlockCapacity * stride;
            if (step.Layer.inputForm is null && lora is null)
            {
                matrices.ProjectAndActivate(block.Expert, from, to, step.Row(block.First), step.Hidden, block.Count, gate, up, stride);
            }
            else
            {
                if (step.Layer.inputForm is null) matrices.Project(block.Expert, from, to, step.Row(block.First), step.Hidden, block.Count, gate, up, stride);
                else matrices.ProjectWritten(block.Expert, from, to, step.WrittenInput(block.First), block.Count, gate, up, stride);
                AddLora(block, from, to, gate, up, stride);
                matrices.Activate(from, to, block.Count, gate, up, stride);
            }
            form?.WriteColumns(gate, stride, 0, block.Count, block.Count, from, to, step.WrittenActivated(block.First));
            if (form is null || lora is not null) Keep(block, from, to, gate, stride);
        }

        /// <summary>For a down, or for an adapter's, that reads float32.</summary>
        private void Keep(RowBlock block, int from, int to, float* activated, int stride)
        {
            for (int row = 0; row < block.Count; row++)
                new ReadOnlySpan<float>(activated + (nint)row * stride + from, to - from).CopyTo(new Span<float>(step.Activated(block.First + row) + from, to - from));
        }

        private void AddLora(RowBlock block, int from, int to, float* gate, float* up, int stride)
        {
            if (lora is not { } updates) return;
            ReadOnlySpan<int> pairs = step.Layer.rows.Pairs(block);
            for (int row = 0; row < pairs.Length; row++)
                updates.Of(pairs[row])?.ExpandGateUp(updates.LowRank(pairs[row]), from, to, gate + (nint)row * stride, up + (nint)row * stride);
        }
    }

    /// <summary>Each worker takes its share of the hidden columns of every expert and token.</summary>
    private readonly struct DownJob(Step step, PairLora? lora) : IParallelJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            (int from, int to) = Share.Of(step.Hidden, worker, workers, step.Layer.matrices.DownGrain);
            int stride = Step.ResultStride(to - from);
            float* results = step.Results(to - from, matrices: 1) - from;
            for (int token = 0; token < step.Output.Rows; token++) new Span<float>(step.Output.Row(token) + from, to - from).Clear();
            foreach (RowBlock block in step.Layer.rows.Blocks)
            {
                step.Down(block, from, to, results, stride);
                AddLora(block, from, to, results, stride);
                step.AddToTokens<TLane>(block, from, to, results, stride);
            }
        }

        private void AddLora(RowBlock block, int from, int to, float* results, int stride)
        {
            if (lora is not { } updates) return;
            ReadOnlySpan<int> pairs = step.Layer.rows.Pairs(block);
            for (int row = 0; row < pairs.Length; row++) updates.Of(pairs[row])?.ExpandDown(updates.LowRank(pairs[row]), from, to, results + (nint)row * stride);
        }
    }
}
