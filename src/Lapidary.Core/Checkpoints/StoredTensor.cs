namespace Lapidary.Checkpoints;

/// <summary>
/// A tensor as stored: name, dtype, shape, and where its bytes lie in memory (usually memory-mapped, never copied).
/// Row-major, little-endian, as in safetensors. Valid while the checkpoint that made it is open.
/// The address is aligned only as the file is: read elements with unaligned loads.
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
        for (int axis = 0; axis < shape.Count; axis++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(shape[axis], nameof(shape));
            elements = checked(elements * shape[axis]);
        }
        ElementCount = elements;
        ByteLength = checked(elements * dtype.Size());
    }

    public string Name { get; }
    public DType DType { get; }
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Address of the first byte.</summary>
    public nint Address { get; }
    public long ElementCount { get; }
    public long ByteLength { get; }

    /// <summary>Part of the bytes, not copied; the range is checked.</summary>
    /// <exception cref="ObjectDisposedException">The checkpoint's mapped file is closed.</exception>
    public unsafe ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength - length);
        ObjectDisposedException.ThrowIf(owner is MappedFile { IsClosed: true }, typeof(ICheckpoint));
        return new ReadOnlySpan<byte>((byte*)Address + offset, length);
    }

    /// <summary>Tells, of each byte once, that it is not needed soon, so that a mapped file's memory may go.</summary>
    internal void Release(long offset, long length)
    {
        if (owner is MappedFile file) file.Release(Address - file.Address + offset, length);
    }

    /// <summary>Entry <paramref name="index"/> along the first axis, e.g. one expert of [e, o, i], without copying.</summary>
    public StoredTensor this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, FirstExtent);
            return Slice($"{Name}[{index}]", [.. Shape.Skip(1)], index);
        }
    }

    /// <summary>Rows <paramref name="first"/> to first + count - 1 along the first axis, without copying.</summary>
    public StoredTensor Rows(long first, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, FirstExtent - count);
        return Slice($"{Name}[{first}:{first + count}]", [count, .. Shape.Skip(1)], first);
    }

    /// <summary>The same elements as a matrix of one row, [1, n].</summary>
    public StoredTensor AsRow() => new(Name, DType, [1, ElementCount], Address, owner);

    public string ShapeText => $"[{string.Join(", ", Shape)}]";

    private long FirstExtent => Shape.Count > 0 ? Shape[0] : throw new InvalidOperationException($"{Name} is a scalar and has no rows");

    private StoredTensor Slice(string name, long[] shape, long firstRow)
    {
        long stride = FirstExtent == 0 ? 0 : ByteLength / FirstExtent;
        return new StoredTensor(name, DType, shape, Address + (nint)(firstRow * stride), owner);
    }
}
