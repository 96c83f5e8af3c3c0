namespace Lapidary.Cpu.Attention;

/// <summary>Whole blocks, shared out so that each worker sees as many positions.</summary>
/// <param name="positions">Those of one head block.</param>
/// <param name="tokensFirst">Whether all heads of a block of tokens follow each other: where each text has one token, a worker
/// that has its other rows then has its keys as well. Else a head's keys stay in the processor's cache.</param>
/// <param name="scratch"><see cref="ScratchFloats"/> for each worker.</param>
internal readonly unsafe struct AttentionJob(AttentionPlan plan, long positions, bool tokensFirst, float* scratch) : IParallelJob
{
    /// <summary>Queries, the part of a chunk, and the results so far.</summary>
    public static int ScratchFloats(int dim) => QueryBlock.MaxQueries * (dim + 2 * PartialRow.Length(dim));

    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        int dim = plan.Cache.PaddedDim, row = PartialRow.Length(dim);
        float* queries = scratch + (nint)worker * ScratchFloats(dim), part = queries + QueryBlock.MaxQueries * dim, totals = part + QueryBlock.MaxQueries * row;
        QueryBlock block = new(queries, dim);
        long all = positions * plan.HeadBlocks, from = all * worker / workers, to = all * (worker + 1) / workers, at = 0;
        (int HeadBlock, int Token, int End) begun = default; // the last block met, which waits to know its follower
        (int outer, int inner) = tokensFirst ? (1, plan.HeadBlocks) : (plan.HeadBlocks, 1);
        for (int heads = 0; heads < outer * inner; heads += inner)
        {
            for (int token = 0, end; token < plan.Tokens; token = end)
            {
                end = plan.BlockEnd(token);
                (int first, int last) = plan.Range(token, end);
                for (int headBlock = heads; headBlock < heads + inner; headBlock++, at += last - first)
                {
                    if (at < from || at >= to) continue;
                    if (begun.End > 0) Whole<TLane>(ref block, begun, plan.Following(headBlock, token, end), part, totals);
                    begun = (headBlock, token, end);
                }
            }
        }
        if (begun.End > 0) Whole<TLane>(ref block, begun, following: default, part, totals);
    }

    private void Whole<TLane>(ref QueryBlock block, (int HeadBlock, int Token, int End) of, FollowingKeys following, float* part, float* totals)
        where TLane : struct, IFloatLane<TLane>
    {
        (int headBlock, int token, int end) = of;
        int row = PartialRow.Length(block.Dim);
        plan.Fill(ref block, headBlock, token, end);
        for (int chunk = block.First / plan.ChunkKeys * plan.ChunkKeys, chunkEnd; chunk < block.End; chunk = chunkEnd)
        {
            chunkEnd = chunk + plan.ChunkKeys;
            plan.Part<TLane>(in block, headBlock, token, chunk, chunkEnd, chunkEnd < block.End ? default : following, part);
            for (int q = 0; q < block.Count; q++)
            {
                if (block.BeginsIn(q, chunk, chunkEnd)) PartialRow.Copy(part + q * row, totals + q * row, block.Dim);
                else if (block.ContinuesIn(q, chunk)) PartialRow.Merge<TLane>(part + q * row, totals + q * row, block.Dim);
            }
        }
        for (int q = 0; q < block.Count; q++)
            PartialRow.Finish<TLane>(totals + q * row, plan.Output(headBlock, token, q), plan.Cache.HeadDim);
    }
}
