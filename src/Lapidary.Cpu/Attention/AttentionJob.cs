namespace Lapidary.Cpu.Attention;

/// <summary>
/// All heads of all tokens of a step. A block is as many heads of one key-value group, and then as many consecutive tokens of
/// one sequence, as make 4 queries; the blocks are shared out among the workers.
/// </summary>
internal readonly unsafe struct AttentionJob(
    CpuBuffer queries, CpuBuffer keys, CpuBuffer values, CpuBuffer positions, CpuBuffer sequences, CpuBuffer blockTables,
    int blockSize, int headDim, int? window, CpuBuffer output) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        int heads = queries.Columns / headDim, group = heads / (keys.Columns / headDim);
        int blockHeads = BlockHeads(group), blockTokens = CausalAttention.BlockQueries / blockHeads;
        int headBlocks = heads / blockHeads, tokenBlocks = (queries.Rows + blockTokens - 1) / blockTokens;
        (int from, int to) = Share.Of(tokenBlocks * headBlocks, worker, workers);
        Query* block = stackalloc Query[CausalAttention.BlockQueries];
        for (int item = from; item < to; item++)
        {
            int head = item % headBlocks * blockHeads, token = item / headBlocks * blockTokens, end = Math.Min(token + blockTokens, queries.Rows);
            while (token < end)
            {
                int sequence = sequences.IntRow(token)[0], count = 0;
                for (; token < end && sequences.IntRow(token)[0] == sequence; token++)
                    for (int h = head; h < head + blockHeads; h++) block[count++] = Of(token, h);
                int column = head / group * headDim;
                CausalAttention.Block<TLane>(
                    new ReadOnlySpan<Query>(block, count), keys.Row(0) + column, values.Row(0) + column, keys.Stride,
                    blockTables.IntRow(sequence), blockSize, headDim);
            }
        }
    }

    /// <summary>The most heads of a group, up to a block, that divide it: blocks never cross groups.</summary>
    private static int BlockHeads(int group) => group % 4 == 0 ? 4 : group % 2 == 0 ? 2 : 1;

    private Query Of(int token, int head)
    {
        int last = positions.IntRow(token)[0], first = window is { } width ? Math.Max(0, last - width + 1) : 0;
        return new Query(queries.Row(token) + head * headDim, output.Row(token) + head * headDim, first, last);
    }
}
