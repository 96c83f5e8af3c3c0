namespace Lapidary.KvCache;

/// <summary>
/// The tokens of each block of a pool, full or not, and what precedes them: blocks that begin like a text, and can be copied as
/// far as they do, are found by what precedes both. Allocates nothing after construction.
/// </summary>
internal sealed class BlockContents
{
    /// <summary>Of the blocks that follow the same, only that many of the latest are looked at.</summary>
    private const int MostCompared = 32;

    private const int None = -1;
    private readonly int[] tokens;       // [blocks, BlockSize]
    private readonly int[] filled;       // 0 for a block whose contents are not known
    private readonly BlockHash[] before; // of a known block: what its first token follows
    private readonly Dictionary<BlockHash, int> latest; // by what precedes them: the first of a chain through next
    private readonly int[] next, previous;

    public BlockContents(int blocks)
    {
        tokens = new int[blocks * KeyValueCache.BlockSize];
        filled = new int[blocks];
        before = new BlockHash[blocks];
        latest = new Dictionary<BlockHash, int>(blocks);
        next = new int[blocks];
        previous = new int[blocks];
    }

    public bool IsKnown(int block) => filled[block] > 0;

    /// <summary>The block holds these tokens now: more than before, or the first ones.</summary>
    public void Set(int block, BlockHash preceding, ReadOnlySpan<int> held)
    {
        held.CopyTo(tokens.AsSpan(block * KeyValueCache.BlockSize));
        bool isNew = filled[block] == 0;
        filled[block] = held.Length;
        if (!isNew) return;
        before[block] = preceding;
        (previous[block], next[block]) = (None, latest.GetValueOrDefault(preceding, None));
        if (next[block] != None) previous[next[block]] = block;
        latest[preceding] = block;
    }

    public void Forget(int block)
    {
        if (filled[block] == 0) return;
        filled[block] = 0;
        if (next[block] != None) previous[next[block]] = previous[block];
        if (previous[block] != None) next[previous[block]] = next[block];
        else if (next[block] != None) latest[before[block]] = next[block];
        else latest.Remove(before[block]);
    }

    /// <summary>The block that shares the most first tokens with these, and how many; (-1, 0) when none shares any.</summary>
    public (int Block, int Tokens) Longest(BlockHash preceding, ReadOnlySpan<int> wanted)
    {
        (int best, int most) = (None, 0);
        int block = latest.GetValueOrDefault(preceding, None);
        for (int compared = 0; block != None && compared < MostCompared && most < wanted.Length; compared++, block = next[block])
        {
            int common = wanted.CommonPrefixLength(tokens.AsSpan(block * KeyValueCache.BlockSize, filled[block]));
            if (common > most) (best, most) = (block, common);
        }
        return (best, most);
    }
}
