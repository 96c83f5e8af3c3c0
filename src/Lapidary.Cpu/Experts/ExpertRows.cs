namespace Lapidary.Cpu.Experts;

/// <summary>Rows of one expert that lie together in the buffers of a layer.</summary>
internal readonly record struct RowBlock(int Expert, int First, int Count);

/// <summary>
/// Where the (token, slot) pairs of a step lie in the buffers of an expert layer, in blocks of one expert each. A pair is
/// token · k + slot.
/// </summary>
internal abstract class ExpertRows(int experts, int topK, int maxTokens, int capacity)
{
    private readonly int[] pairs = new int[capacity];
    private readonly int[] rows = new int[maxTokens * topK];
    private readonly RowBlock[] blocks = new RowBlock[maxTokens * topK]; // each holds a pair at least

    protected int Experts => experts;
    protected int TopK => topK;

    /// <summary>Rows of the buffers.</summary>
    public int Capacity => capacity;

    /// <summary>The most rows of a block.</summary>
    public abstract int BlockCapacity { get; }

    /// <summary>Blocks of the step, by ascending expert; none is empty.</summary>
    public ReadOnlySpan<RowBlock> Blocks => blocks.AsSpan(0, BlockCount);

    protected int BlockCount { get; private set; }

    /// <summary>The pairs of a block, row by row.</summary>
    public ReadOnlySpan<int> Pairs(RowBlock block) => pairs.AsSpan(block.First, block.Count);

    /// <summary>The row a pair lies in.</summary>
    public int Row(int pair) => rows[pair];

    /// <summary>Arranges the pairs of the ids [t, k].</summary>
    public abstract void Arrange(CpuBuffer ids);

    protected void Clear() => BlockCount = 0;

    protected void Add(RowBlock block) => blocks[BlockCount++] = block;

    protected void Put(int pair, int row)
    {
        rows[pair] = row;
        pairs[row] = pair;
    }
}

/// <summary>
/// Pairs sorted by expert, each expert's part padded to whole blocks: what vLLM's moe_align_block_size makes for Triton's
/// grouped GEMM. Padding costs rows of the buffers and no work.
/// </summary>
internal sealed class AlignedRows(int experts, int topK, int maxTokens, int blockSize)
    : ExpertRows(experts, topK, maxTokens, Padded(maxTokens * topK, experts, blockSize))
{
    private readonly int[] counts = new int[experts];
    private readonly int[] next = new int[experts];

    public override int BlockCapacity => blockSize;

    /// <summary>Rows up to the end of the last block, padding included.</summary>
    public int PaddedCount { get; private set; }

    /// <summary>At most one block of each expert that is met is not full.</summary>
    private static int Padded(int pairs, int experts, int blockSize) => pairs + Math.Min(pairs, experts) * (blockSize - 1);

    public override unsafe void Arrange(CpuBuffer ids)
    {
        Array.Clear(counts);
        for (int t = 0; t < ids.Rows; t++)
            for (int slot = 0; slot < TopK; slot++) counts[ids.IntRow(t)[slot]]++;

        Clear();
        int row = 0;
        for (int e = 0; e < Experts; e++)
        {
            next[e] = row;
            for (int left = counts[e]; left > 0; left -= blockSize, row += blockSize) Add(new RowBlock(e, row, Math.Min(left, blockSize)));
        }
        PaddedCount = row;

        for (int t = 0; t < ids.Rows; t++)
            for (int slot = 0; slot < TopK; slot++) Put(t * TopK + slot, next[ids.IntRow(t)[slot]]++);
    }
}

/// <summary>
/// [experts, max tokens] with a count for each expert: the shape does not depend on the routing, so buffers can be filled by
/// other machines (expert-parallel dispatch). An expert is met by a token once at most.
/// </summary>
internal sealed class BatchedRows(int experts, int topK, int maxTokens)
    : ExpertRows(experts, topK, maxTokens, checked(experts * maxTokens))
{
    private readonly int maxTokens = maxTokens;
    private readonly int[] counts = new int[experts];

    public override int BlockCapacity => maxTokens;

    /// <summary>Tokens of each expert.</summary>
    public ReadOnlySpan<int> Counts => counts;

    public override unsafe void Arrange(CpuBuffer ids)
    {
        Array.Clear(counts);
        for (int t = 0; t < ids.Rows; t++)
        {
            for (int slot = 0; slot < TopK; slot++)
            {
                int expert = ids.IntRow(t)[slot];
                if (counts[expert] == maxTokens) throw new InvalidOperationException($"expert {expert} is met more than once by a token");
                Put(t * TopK + slot, expert * maxTokens + counts[expert]++);
            }
        }
        Clear();
        for (int e = 0; e < Experts; e++)
            if (counts[e] > 0) Add(new RowBlock(e, e * maxTokens, counts[e]));
    }
}
