namespace Lapidary.Cpu.Attention;

/// <summary>
/// Keys and values of a layer in native memory, each [blocks, heads, positions of a block] heads of columns: what a query
/// reads of a block lies together.
/// </summary>
internal sealed unsafe class CpuKeyValues : IKeyValues
{
    private readonly int blockSize;
    private readonly LargeMemory keys, values;

    public CpuKeyValues(KeyValueType type, int blocks, int blockSize, int heads, int headDim)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocks);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(heads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headDim);
        (Type, this.blockSize, Heads, HeadDim) = (type, blockSize, heads, headDim);
        HeadBytes = type.HeadBytes(headDim);
        nuint bytes = checked((nuint)blocks * (nuint)blockSize * (nuint)heads * (nuint)HeadBytes);
        keys = new LargeMemory(bytes);
        values = new LargeMemory(bytes);
    }

    public KeyValueType Type { get; }
    public int Heads { get; }
    public int HeadDim { get; }

    /// <summary>Bytes from one position's key of a head to the next one's in a block.</summary>
    public int HeadBytes { get; }

    /// <summary>Columns of a head with its padding.</summary>
    public int PaddedDim => HeadBytes / Type.BlockBytes() * KeyValueTypes.BlockColumns;

    public byte* Keys => keys.Address;
    public byte* Values => values.Address;

    /// <summary>Bytes from the start of keys, or of values, to a head of the position <paramref name="within"/> a block.</summary>
    public nint Offset(int block, int within, int head) => (((nint)block * Heads + head) * blockSize + within) * HeadBytes;

    /// <inheritdoc cref="Offset(int, int, int)"/>
    public nint Offset(int slot, int head) => Offset(slot / blockSize, slot % blockSize, head);

    /// <summary>Copies the first positions of a block into another.</summary>
    public void Copy(int fromBlock, int toBlock, int positions)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)positions, (uint)blockSize);
        for (int head = 0; head < Heads; head++)
        {
            nint from = Offset(fromBlock, 0, head), to = Offset(toBlock, 0, head);
            int bytes = positions * HeadBytes; // those of a head lie together
            new ReadOnlySpan<byte>(Keys + from, bytes).CopyTo(new Span<byte>(Keys + to, bytes));
            new ReadOnlySpan<byte>(Values + from, bytes).CopyTo(new Span<byte>(Values + to, bytes));
        }
    }

    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }
}
