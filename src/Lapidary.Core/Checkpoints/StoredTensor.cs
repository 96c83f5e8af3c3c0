namespace Lapidary.Checkpoints;

/// <summary>
/// A tensor as stored: name, dtype, shape, and where its bytes lie in memory (usually memory-mapped, never copied).
/// Row-major, little-endian, as in safetensors. Valid while the checkpoint that made it is open.
/// </summary>
public sealed class StoredTensor
{
    private readonly object? owner;

    /// <param name="address">First byte.</param>
    /// <param name="owner">Kept alive as long as this tensor (an array's pin, a mapped file).</param>
    public StoredTensor(string name, DType dtype, IReadOnlyList<long> shape, nint address, object? owner)
    {
        Name = name;
        DType = dtype;
        Shape = shape;
        Address = address;
        this.owner = owner;
        long elements = 1;
        foreach (long extent in shape) elements = checked(elements * extent);
        ElementCount = elements;
    }

    public string Name { get; }
    public DType DType { get; }
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Address of the first byte.</summary>
    public nint Address { get; }
    public long ElementCount { get; }
    public long ByteLength => ElementCount * DType.Size();

    /// <summary>A copy of part of the bytes as a span; the range is checked.</summary>
    public unsafe ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, ByteLength);
        return new ReadOnlySpan<byte>((byte*)Address + offset, length);
    }

    /// <summary>Entry <paramref name="index"/> along the first axis, e.g. one expert of [e, o, i], without copying.</summary>
    public StoredTensor this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Shape[0]);
            long[] shape = [.. Shape.Skip(1)];
            long stride = ByteLength / Shape[0];
            return new StoredTensor($"{Name}[{index}]", DType, shape, Address + (nint)(index * stride), owner);
        }
    }

    /// <summary>Rows <paramref name="first"/> to first + count - 1 along the first axis, without copying.</summary>
    public StoredTensor Rows(long first, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first + count, Shape[0]);
        long[] shape = [count, .. Shape.Skip(1)];
        long stride = ByteLength / Shape[0];
        return new StoredTensor($"{Name}[{first}:{first + count}]", DType, shape, Address + (nint)(first * stride), owner);
    }

    /// <summary>The same elements as a matrix of one row, [1, n].</summary>
    public StoredTensor AsRow() => new(Name, DType, [1, ElementCount], Address, owner);

    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}
