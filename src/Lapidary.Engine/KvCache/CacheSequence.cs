namespace Lapidary.KvCache;

/// <summary>Where one sequence's keys and values lie: a block table for each group. Owns its blocks until disposed.</summary>
public sealed class CacheSequence : IDisposable
{
    private const int Freed = -1;
    private readonly IReadOnlyList<CacheGroup> groups;
    private readonly int[][] tables;
    private readonly int[] firstBlock; // earlier blocks have been given back
    private readonly int[] endBlock;

    internal CacheSequence(IReadOnlyList<CacheGroup> groups, int contextLength)
    {
        this.groups = groups;
        ContextLength = contextLength;
        tables = new int[groups.Count][];
        firstBlock = new int[groups.Count];
        endBlock = new int[groups.Count];
        for (int g = 0; g < groups.Count; g++)
            tables[g] = new int[(contextLength + groups[g].BlockSize - 1) / groups[g].BlockSize];
    }

    /// <summary>Positions filled so far; the next token has this position.</summary>
    public int Length { get; private set; }
    public int ContextLength { get; }

    /// <summary>Block of each <see cref="CacheGroup.BlockSize"/> positions; entries no longer visible are meaningless.</summary>
    public ReadOnlySpan<int> Table(int group) => tables[group].AsSpan(0, endBlock[group]);

    /// <summary>Row of the caches in which a position lies.</summary>
    public int Slot(int group, int position)
    {
        int size = groups[group].BlockSize;
        return tables[group][position / size] * size + position % size;
    }

    /// <summary>Gives back what the next query no longer sees and takes blocks for that many further tokens.</summary>
    public void Reserve(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Length + tokens, ContextLength);
        for (int g = 0; g < groups.Count; g++)
        {
            CacheGroup group = groups[g];
            for (int needed = group.FirstNeeded(Length) / group.BlockSize; firstBlock[g] < needed; firstBlock[g]++)
                Release(g, firstBlock[g]);
            int end = (Length + tokens + group.BlockSize - 1) / group.BlockSize;
            for (; endBlock[g] < end; endBlock[g]++) tables[g][endBlock[g]] = group.Pool.Take();
        }
    }

    /// <summary>The step that was reserved has been computed.</summary>
    public void Advance(int tokens) => Length += tokens;

    public void Dispose()
    {
        for (int g = 0; g < groups.Count; g++)
        {
            for (int block = firstBlock[g]; block < endBlock[g]; block++) Release(g, block);
            firstBlock[g] = endBlock[g] = 0;
        }
        Length = 0;
    }

    private void Release(int group, int block)
    {
        groups[group].Pool.Return(tables[group][block]);
        tables[group][block] = Freed;
    }
}
