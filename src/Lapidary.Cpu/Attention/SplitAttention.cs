namespace Lapidary.Cpu.Attention;

/// <summary>Where there are too few blocks for the workers: chunks of positions are shared out as well.</summary>
/// <param name="positions">Those of one head block.</param>
/// <param name="scratch">Queries of a block for each worker.</param>
/// <param name="partials">A <see cref="PartialRow"/> for each query of each chunk of each block.</param>
internal readonly unsafe struct AttentionChunksJob(AttentionPlan plan, long positions, float* scratch, float* partials) : IParallelJob
{
    public static int ScratchFloats(int dim) => QueryBlock.MaxQueries * dim;

    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        int dim = plan.Cache.PaddedDim;
        nint chunkFloats = (nint)plan.BlockQueries * PartialRow.Length(dim);
        QueryBlock block = new(scratch + (nint)worker * ScratchFloats(dim), dim);
        long all = positions * plan.HeadBlocks, from = all * worker / workers, to = all * (worker + 1) / workers, at = 0;
        float* row = partials;
        for (int headBlock = 0; headBlock < plan.HeadBlocks; headBlock++)
        {
            for (int token = 0, end; token < plan.Tokens; token = end)
            {
                end = plan.BlockEnd(token);
                (int first, int last) = plan.Range(token, end);
                bool filled = false;
                for (int begin = first, chunkEnd; begin < last; begin = chunkEnd, row += chunkFloats)
                {
                    int chunk = begin / plan.ChunkKeys * plan.ChunkKeys;
                    chunkEnd = Math.Min(last, chunk + plan.ChunkKeys);
                    long middle = at + (chunkEnd - begin) / 2;
                    if (middle >= from && middle < to)
                    {
                        if (!filled) plan.Fill(ref block, headBlock, token, end);
                        filled = true;
                        plan.Part<TLane>(in block, headBlock, token, chunk, chunkEnd, following: default, row);
                    }
                    at += chunkEnd - begin;
                }
            }
        }
    }
}

/// <summary>Combines the chunks of each query in their order; blocks are shared out.</summary>
/// <param name="chunks">Of one head block.</param>
internal readonly unsafe struct MergeChunksJob(AttentionPlan plan, int chunks, float* partials) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        int dim = plan.Cache.PaddedDim, length = PartialRow.Length(dim);
        nint chunkFloats = (nint)plan.BlockQueries * length;
        (int from, int to) = Share.Of(plan.HeadBlocks, worker, workers);
        for (int headBlock = from; headBlock < to; headBlock++)
        {
            float* rows = partials + headBlock * chunks * chunkFloats;
            for (int token = 0, end; token < plan.Tokens; token = end)
            {
                end = plan.BlockEnd(token);
                (int first, int last) = plan.Range(token, end);
                int count = plan.Chunks(first, last), firstChunk = first / plan.ChunkKeys;
                for (int q = 0; q < (end - token) * plan.BlockHeads; q++)
                {
                    (int begin, int stop) = plan.Range(token + q / plan.BlockHeads, token + q / plan.BlockHeads + 1);
                    float* total = rows + (begin / plan.ChunkKeys - firstChunk) * chunkFloats + q * length;
                    for (int c = 1; c < plan.Chunks(begin, stop); c++) PartialRow.Merge<TLane>(total + c * chunkFloats, total, dim);
                    PartialRow.Finish<TLane>(total, plan.Output(headBlock, token, q), plan.Cache.HeadDim);
                }
                rows += count * chunkFloats;
            }
        }
    }
}
