namespace Lapidary.Cpu.Attention;

/// <summary>
/// How the heads and tokens of a step fall into blocks: as many heads of one key-value group, and then as many consecutive tokens
/// of one sequence, as make 8 queries.
/// </summary>
internal readonly unsafe struct AttentionPlan(CpuBuffer queries, CpuKeyValues cache, AttentionBatch batch, int? window, CpuBuffer output)
{
    private readonly CpuBuffer positions = (CpuBuffer)batch.Positions, sequences = (CpuBuffer)batch.Sequences, tables = (CpuBuffer)batch.BlockTables;
    private readonly int group = queries.Columns / cache.HeadDim / cache.Heads, blockSize = batch.BlockSize;

    public CpuKeyValues Cache => cache;

    public int Tokens => queries.Rows;

    /// <summary>
    /// Positions after which partial results are combined, in multiples from position 0. Part of the arithmetic: results are the
    /// same whether one thread computes a query's chunks or several do. Layers that see all positions have few heads of keys, so
    /// that workers need chunks of those; a window, which would meet the ends of short chunks, has more heads and few positions.
    /// </summary>
    public int ChunkKeys { get; } = window is null ? 256 : 1024;

    public int BlockHeads { get; } = BlockHeadsOf(queries.Columns / cache.HeadDim / cache.Heads);

    public int HeadBlocks => group / BlockHeads * cache.Heads;

    public int BlockQueries => QueryBlock.MaxQueries / BlockHeads * BlockHeads;

    /// <summary>First token after the block that begins with that one.</summary>
    public int BlockEnd(int token)
    {
        int end = token + 1, most = Math.Min(Tokens, token + BlockQueries / BlockHeads), sequence = sequences.IntRow(token)[0];
        while (end < most && sequences.IntRow(end)[0] == sequence) end++;
        return end;
    }

    /// <summary>Positions that a block's tokens see; within a sequence later tokens have later positions.</summary>
    public (int First, int End) Range(int token, int blockEnd) => (First(token), positions.IntRow(blockEnd - 1)[0] + 1);

    public void Fill(ref QueryBlock block, int headBlock, int token, int blockEnd)
    {
        block.Clear();
        for (int t = token; t < blockEnd; t++)
            for (int head = headBlock * BlockHeads; head < (headBlock + 1) * BlockHeads; head++)
                block.Add(queries.Row(t) + head * cache.HeadDim, cache.HeadDim, First(t), positions.IntRow(t)[0] + 1);
    }

    public void Part<TLane>(ref readonly QueryBlock block, int headBlock, int token, int from, int to, FollowingKeys following, float* partials)
        where TLane : struct, IFloatLane<TLane>
        => CausalAttention.Part<TLane>(in block, cache, Head(headBlock), Table(token), blockSize, from, to, following, partials);

    /// <summary>The keys of a block, as those that follow others.</summary>
    public FollowingKeys Following(int headBlock, int token, int blockEnd)
    {
        (int first, int end) = Range(token, blockEnd);
        return new(Head(headBlock), (nint)Table(token), first, end - first);
    }

    /// <summary>Where the result of a block's query goes.</summary>
    public float* Output(int headBlock, int token, int query)
        => output.Row(token + query / BlockHeads) + (headBlock * BlockHeads + query % BlockHeads) * cache.HeadDim;

    /// <summary>Work of one head block: blocks of tokens, positions they see, chunks these fall into.</summary>
    public (int Blocks, long Positions, int Chunks) Measure()
    {
        int blocks = 0, chunks = 0;
        long seen = 0;
        for (int token = 0, end; token < Tokens; token = end)
        {
            end = BlockEnd(token);
            (int first, int last) = Range(token, end);
            blocks++;
            seen += last - first;
            chunks += Chunks(first, last);
        }
        return (blocks, seen, chunks);
    }

    /// <summary>Chunks that a range of positions touches.</summary>
    public int Chunks(int first, int end) => (end - 1) / ChunkKeys - first / ChunkKeys + 1;

    /// <summary>The most heads of a group, up to a block, that divide it: blocks never cross groups.</summary>
    private static int BlockHeadsOf(int group)
    {
        int heads = Math.Min(group, QueryBlock.MaxQueries);
        while (group % heads != 0) heads--;
        return heads;
    }

    private int Head(int headBlock) => headBlock * BlockHeads / group;

    private int* Table(int token) => tables.IntRow(sequences.IntRow(token)[0]);

    private int First(int token) => window is { } width ? Math.Max(0, positions.IntRow(token)[0] - width + 1) : 0;
}
