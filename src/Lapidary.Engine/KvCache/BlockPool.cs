namespace Lapidary.KvCache;

/// <summary>Free blocks of one cache group. Allocates nothing after construction.</summary>
public sealed class BlockPool
{
    private readonly int[] free;

    public BlockPool(int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        Blocks = blocks;
        Free = blocks;
        free = new int[blocks];
        for (int i = 0; i < blocks; i++) free[i] = blocks - 1 - i; // block 0 first
    }

    public int Blocks { get; }
    public int Free { get; private set; }

    /// <exception cref="InvalidOperationException">None is free: the caller has to ask <see cref="Free"/> first.</exception>
    public int Take() => Free > 0 ? free[--Free] : throw new InvalidOperationException("no free cache block");

    public void Return(int block) => free[Free++] = block;
}
