namespace Lapidary.KvCache;

/// <summary>
/// The blocks of one cache group, counted by the sequences that hold them. A block that nobody holds is free, yet keeps its
/// contents until it is taken: while it has a hash, a later sequence with the same tokens finds it and holds it again. The
/// free block that was used longest ago is taken first. Allocates nothing after construction.
/// </summary>
public sealed class BlockPool
{
    private const int None = -1;
    private readonly int[] holders;
    private readonly BlockHash[] hashes; // of the contents; default for none
    private readonly Dictionary<BlockHash, int> byHash;
    private readonly BlockContents contents;
    // The free blocks as a ring through entry `blocks`: next is the one to take after it.
    private readonly int[] next, previous;

    public BlockPool(int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        Blocks = blocks;
        holders = new int[blocks];
        hashes = new BlockHash[blocks];
        byHash = new Dictionary<BlockHash, int>(blocks);
        contents = new BlockContents(blocks);
        next = new int[blocks + 1];
        previous = new int[blocks + 1];
        next[blocks] = previous[blocks] = blocks;
        for (int block = 0; block < blocks; block++) Link(block, before: blocks);
    }

    public int Blocks { get; }

    /// <summary>Blocks that nobody holds, those with contents to be found included.</summary>
    public int Free { get; private set; }

    /// <summary>A free block, whose old contents can no longer be found.</summary>
    /// <exception cref="InvalidOperationException">None is free: the caller has to ask <see cref="Free"/> first.</exception>
    public int Take()
    {
        int block = next[Blocks];
        if (block == Blocks) throw new InvalidOperationException("no free cache block");
        Unlink(block);
        ForgetBlock(block);
        holders[block] = 1;
        return block;
    }

    /// <summary>The block with these contents, or -1.</summary>
    public int Find(BlockHash hash) => byHash.GetValueOrDefault(hash, None);

    /// <summary>Whether a sequence holds the block.</summary>
    public bool IsHeld(int block) => holders[block] > 0;

    /// <summary>One holder more, of a block that was found.</summary>
    public void Hold(int block)
    {
        if (holders[block]++ == 0) Unlink(block);
    }

    /// <summary>One holder less.</summary>
    public void Return(int block)
    {
        if (--holders[block] > 0) return;
        // Contents that nobody can find are of no use: such a block is taken before all others.
        Link(block, before: hashes[block] == default && !contents.IsKnown(block) ? next[Blocks] : Blocks);
    }

    /// <summary>Makes the full block's contents known. If another block has the same already, that one stays the one to find.</summary>
    public void Register(int block, BlockHash hash)
    {
        if (hashes[block] == default && byHash.TryAdd(hash, block)) hashes[block] = hash;
    }

    /// <summary>Tells which tokens a block that is held has by now, and what they follow.</summary>
    public void Fill(int block, BlockHash preceding, ReadOnlySpan<int> tokens) => contents.Set(block, preceding, tokens);

    /// <summary>A block whose first tokens, after the same predecessors, are these, as many of them as possible; (-1, 0) for none.</summary>
    public (int Block, int Tokens) FindBeginning(BlockHash preceding, ReadOnlySpan<int> tokens) => contents.Longest(preceding, tokens);

    /// <summary>What the block holds is not to be found again.</summary>
    public void Forget(int block) => ForgetBlock(block);

    /// <summary>The contents with that hash are not to be found again.</summary>
    public void Forget(BlockHash hash)
    {
        if (byHash.TryGetValue(hash, out int block)) ForgetBlock(block);
    }

    private void ForgetBlock(int block)
    {
        contents.Forget(block);
        if (hashes[block] == default) return;
        byHash.Remove(hashes[block]);
        hashes[block] = default;
    }

    private void Link(int block, int before)
    {
        (previous[block], next[block]) = (previous[before], before);
        next[previous[block]] = previous[before] = block;
        Free++;
    }

    private void Unlink(int block)
    {
        next[previous[block]] = next[block];
        previous[next[block]] = previous[block];
        Free--;
    }
}
