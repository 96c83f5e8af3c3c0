namespace Lapidary.KvCache;

/// <summary>
/// Where one sequence's keys and values lie: a block table for each group. Holds its blocks until released, shares the full
/// ones that another sequence with the same tokens has computed, and makes its own known. Shared blocks are never written: of a
/// block that begins with the same tokens and goes on with others, or is not full, a sequence takes a copy of its beginning.
/// </summary>
public sealed class CacheSequence : IDisposable
{
    private const int Freed = -1;
    private readonly IReadOnlyList<CacheGroup> groups;
    private readonly int[][] tables;
    private readonly int[] firstBlock; // earlier blocks have been given back
    private readonly int[] endBlock;
    private readonly BlockHash? root;             // null: it shares nothing
    private readonly List<BlockHash> hashes;      // of the blocks whose tokens are known
    private readonly int[] tail;                  // tokens of the block that is being filled

    internal CacheSequence(IReadOnlyList<CacheGroup> groups, int maxLength, BlockHash? root)
    {
        this.groups = groups;
        this.root = root;
        MaxLength = maxLength;
        tail = new int[groups[0].BlockSize];
        tables = new int[groups.Count][];
        firstBlock = new int[groups.Count];
        endBlock = new int[groups.Count];
        for (int g = 0; g < groups.Count; g++) tables[g] = new int[(maxLength + tail.Length - 1) / tail.Length];
        hashes = new List<BlockHash>(maxLength / tail.Length);
    }

    /// <summary>Positions filled so far; the next token has this position.</summary>
    public int Length { get; private set; }

    /// <summary>Most positions it may have.</summary>
    public int MaxLength { get; }

    /// <summary>Block of each <see cref="CacheGroup.BlockSize"/> positions; entries no longer visible are meaningless.</summary>
    public ReadOnlySpan<int> Table(int group) => tables[group].AsSpan(0, endBlock[group]);

    /// <summary>Blocks it holds.</summary>
    public int Held(int group) => endBlock[group] - firstBlock[group];

    /// <summary>Row of the caches in which a position lies.</summary>
    public int Slot(int group, int position)
    {
        int size = groups[group].BlockSize;
        return tables[group][position / size] * size + position % size;
    }

    /// <summary>
    /// Starts with what is cached of these tokens: the longest run of full blocks from the first token on, in every group
    /// as far back as the next token sees. At least one token is left to compute.
    /// </summary>
    /// <param name="tokens">What the sequence will hold.</param>
    /// <returns>Positions found, now the <see cref="Length"/>.</returns>
    public int Restore(ReadOnlySpan<int> tokens)
    {
        if (Length > 0 || tokens.IsEmpty) return Length;
        int blocks = CachedBlocks(tokens);
        for (int g = 0; g < groups.Count; g++)
        {
            BlockPool pool = groups[g].Pool;
            firstBlock[g] = FirstBlock(g, blocks);
            for (endBlock[g] = firstBlock[g]; endBlock[g] < blocks; endBlock[g]++)
                pool.Hold(tables[g][endBlock[g]] = pool.Find(hashes[endBlock[g]]));
        }
        return Length = blocks * tail.Length;
    }

    /// <summary>
    /// Goes on from the full blocks it found with a copy of the beginning of another's block, as far as that has the same
    /// tokens and there is a free block to copy to. At least one token is left to compute.
    /// </summary>
    /// <param name="tokens">What the sequence will hold.</param>
    /// <param name="copies">Gets what has to be copied before the next step.</param>
    /// <returns>Positions found in all, now the <see cref="Length"/>.</returns>
    public int RestoreBeginning(ReadOnlySpan<int> tokens, List<BlockCopy> copies)
    {
        if (Length % tail.Length != 0 || root is null) return Length;
        ReadOnlySpan<int> wanted = tokens[Length..^1];
        wanted = wanted[..Math.Min(wanted.Length, tail.Length - 1)];
        int block = Length / tail.Length, common = wanted.Length;
        for (int g = 0; g < groups.Count; g++)
        {
            (int source, int shared) = groups[g].Pool.FindBeginning(Preceding(block), wanted);
            common = Math.Min(common, shared);
            // The source may be the free block that is taken next.
            if (source < 0 || groups[g].Pool.Free < (groups[g].Pool.IsHeld(source) ? 1 : 2)) return Length;
        }
        if (common == 0) return Length;
        for (int g = 0; g < groups.Count; g++)
        {
            BlockPool pool = groups[g].Pool;
            int source = pool.FindBeginning(Preceding(block), wanted).Block;
            pool.Hold(source);
            tables[g][block] = pool.Take();
            pool.Return(source); // stays as it is until the next step writes, and the copy is made before
            endBlock[g] = block + 1;
            copies.Add(new BlockCopy(g, source, tables[g][block], common));
        }
        wanted[..common].CopyTo(tail);
        return Length += common;
    }

    /// <summary>
    /// Blocks that must be free in a group for a sequence of these tokens to be computed. Those that another sequence holds
    /// and this one can share do not count.
    /// </summary>
    public int FreeBlocksNeeded(int group, ReadOnlySpan<int> tokens, int maxStepTokens)
    {
        int needed = groups[group].BlocksNeeded(tokens.Length, maxStepTokens);
        int blocks = CachedBlocks(tokens);
        for (int block = FirstBlock(group, blocks); block < blocks; block++)
            if (groups[group].Pool.IsHeld(groups[group].Pool.Find(hashes[block]))) needed--;
        return needed;
    }

    /// <summary>Whether the first block that this sequence has to compute is one that the other has yet to complete.</summary>
    /// <param name="tokens">What this sequence will hold.</param>
    public bool AwaitsBlockOf(CacheSequence other, ReadOnlySpan<int> tokens)
    {
        HashAll(tokens);
        int next = Length / tail.Length, end = (next + 1) * tail.Length;
        // A block with the last token has to be computed in any case, for the logits.
        return end < tokens.Length && end > other.Length && next < other.hashes.Count && hashes[next] == other.hashes[next];
    }

    /// <summary>Most further tokens for which blocks are free now; gives back what the next query no longer sees.</summary>
    /// <param name="spare">Free blocks of each group that are left for others.</param>
    public int Room(int spare = 0)
    {
        int room = MaxLength - Length;
        for (int g = 0; g < groups.Count; g++)
        {
            Slide(g);
            room = (int)Math.Min(room, (endBlock[g] + Math.Max(0L, groups[g].Pool.Free - spare)) * tail.Length - Length);
        }
        return room;
    }

    /// <summary>Gives back what the next query no longer sees and takes blocks for that many further tokens.</summary>
    public void Reserve(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Length + tokens, MaxLength);
        for (int g = 0; g < groups.Count; g++)
        {
            Slide(g);
            int end = (Length + tokens + tail.Length - 1) / tail.Length;
            for (; endBlock[g] < end; endBlock[g]++) tables[g][endBlock[g]] = groups[g].Pool.Take();
        }
    }

    /// <summary>
    /// The sequence goes on with these tokens, whose keys and values lie in the places reserved for them: blocks that they
    /// fill can be found. What was reserved and computed beyond them counts as never written.
    /// </summary>
    public void Advance(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens)
        {
            tail[Length++ % tail.Length] = token;
            if (Length % tail.Length > 0 || root is null) continue;
            int block = Length / tail.Length - 1;
            if (block == hashes.Count) AddHash(tail);
            for (int g = 0; g < groups.Count; g++) groups[g].Pool.Register(tables[g][block], hashes[block]);
            Fill(block, tail);
        }
        if (tokens.Length > 0 && Length % tail.Length > 0) Fill(Length / tail.Length, tail.AsSpan(0, Length % tail.Length));
    }

    /// <summary>What it has computed is wrong: nobody may find it.</summary>
    public void Forget()
    {
        foreach (BlockHash hash in hashes)
            foreach (CacheGroup group in groups) group.Pool.Forget(hash);
        for (int g = 0; g < groups.Count; g++)
            for (int block = firstBlock[g]; block < endBlock[g]; block++) groups[g].Pool.Forget(tables[g][block]);
    }

    /// <summary>Gives back all blocks; the sequence is empty and may start again.</summary>
    public void Release()
    {
        for (int g = 0; g < groups.Count; g++)
        {
            // The last block first: it is taken again first, so that what is left of a prefix is its beginning.
            for (int block = endBlock[g] - 1; block >= firstBlock[g]; block--) Return(g, block);
            firstBlock[g] = endBlock[g] = 0;
        }
        Length = 0;
    }

    public void Dispose() => Release();

    private void Slide(int g)
    {
        for (int needed = groups[g].FirstNeeded(Length) / tail.Length; firstBlock[g] < needed; firstBlock[g]++) Return(g, firstBlock[g]);
    }

    private void Return(int g, int block)
    {
        groups[g].Pool.Return(tables[g][block]);
        tables[g][block] = Freed;
    }

    /// <summary>First block that a query after that many blocks sees.</summary>
    private int FirstBlock(int g, int blocks) => Math.Min(blocks, groups[g].FirstNeeded(blocks * tail.Length) / tail.Length);

    /// <summary>Full blocks of the tokens with which a sequence can start.</summary>
    private int CachedBlocks(ReadOnlySpan<int> tokens)
    {
        HashAll(tokens);
        int blocks = Math.Min(hashes.Count, (tokens.Length - 1) / tail.Length);
        for (bool shorter = true; shorter;)
        {
            shorter = false;
            for (int g = 0; g < groups.Count; g++)
            {
                int usable = CachedBlocks(g, blocks);
                shorter |= usable < blocks;
                blocks = usable;
            }
        }
        return blocks;
    }

    /// <summary>The most blocks, up to that many, after which the group has all that the next query sees.</summary>
    private int CachedBlocks(int g, int most)
    {
        BlockPool pool = groups[g].Pool;
        if (groups[g].Window is null)
        {
            int found = 0;
            while (found < most && pool.Find(hashes[found]) >= 0) found++;
            return found;
        }
        // Backwards: a missing block makes every end that sees it useless.
        int end = most;
        for (int block = end - 1; block >= FirstBlock(g, end); block--)
            if (pool.Find(hashes[block]) < 0) end = block;
        return end;
    }

    private void HashAll(ReadOnlySpan<int> tokens)
    {
        while (root is not null && (hashes.Count + 1) * tail.Length <= tokens.Length) AddHash(tokens.Slice(hashes.Count * tail.Length, tail.Length));
    }

    private void Fill(int block, ReadOnlySpan<int> tokens)
    {
        if (root is null) return;
        for (int g = 0; g < groups.Count; g++) groups[g].Pool.Fill(tables[g][block], Preceding(block), tokens);
    }

    /// <summary>What the first token of a block follows.</summary>
    private BlockHash Preceding(int block) => block == 0 ? root!.Value : hashes[block - 1];

    private void AddHash(ReadOnlySpan<int> tokens) => hashes.Add(Preceding(hashes.Count).Next(tokens));
}
