using System.Numerics;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints.Gguf;

/// <summary>
/// A memory-mapped GGUF file (version 2 or 3, little-endian): metadata, tensor entries, blocks. Everything is checked when
/// it is opened. Source of the layout: ggml's docs/gguf.md.
/// </summary>
public sealed class GgufFile : IDisposable
{
    // A tensor entry: name (8 + 1), axes (4), one extent (8), type (4), offset (8). A pair: key (8 + 1), type (4), value (1).
    private const int LeastTensorBytes = 33, LeastPairBytes = 14, MostAxes = 4, DefaultAlignment = 32;

    private readonly MappedFile file;
    private readonly Dictionary<string, GgufTensor> tensors = new(StringComparer.Ordinal);
    private readonly long dataStart;

    private GgufFile(string path, MappedFile file)
    {
        this.file = file;
        Location = path;
        GgufReader reader = new(file);
        if (!reader.Take(4, "the magic number").SequenceEqual("GGUF"u8)) throw new CheckpointException("this is not a GGUF file: it does not begin with \"GGUF\"");
        uint version = reader.UInt32("the version");
        if (version is not (2 or 3))
            throw new CheckpointException($"GGUF version {version}, expected 2 or 3{((version & 0xffff) == 0 ? "; the file may be big-endian" : "")}");
        int tensorCount = reader.Count("the number of tensors", LeastTensorBytes), pairs = reader.Count("the number of metadata pairs", LeastPairBytes);
        Metadata = new GgufMetadata(reader, file, pairs);
        int alignment = Metadata.Int("general.alignment", 1, 1 << 20) ?? DefaultAlignment;
        if (!BitOperations.IsPow2(alignment)) throw new CheckpointException($"general.alignment is {alignment}, expected a power of two");
        for (int i = 0; i < tensorCount; i++) Add(ReadTensor(reader, i, alignment));
        dataStart = (reader.Position + alignment - 1) / alignment * alignment;
        CheckLayout();
    }

    public string Location { get; }

    public GgufMetadata Metadata { get; }

    public IReadOnlyCollection<GgufTensor> Tensors => tensors.Values;

    public GgufTensor? Find(string name) => tensors.GetValueOrDefault(name);

    /// <summary>Address of a tensor's first block; valid until <see cref="Dispose"/>.</summary>
    public nint AddressOf(GgufTensor tensor) => file.Address + (nint)(dataStart + tensor.Offset);

    /// <summary>Part of a tensor's bytes, copied.</summary>
    /// <exception cref="CheckpointException">The disk fails, or the file has become shorter.</exception>
    internal void Read(GgufTensor tensor, long offset, Span<byte> bytes)
    {
        try
        {
            file.Read(dataStart + tensor.Offset + offset, bytes);
        }
        catch (CheckpointException exception)
        {
            throw new CheckpointException($"{Location}: tensor {MessageText.Quote(tensor.Name)}: {exception.Message}", exception);
        }
    }

    /// <inheritdoc cref="MappedFile.Release"/>
    internal void Release(GgufTensor tensor, long offset, long length) => file.Release(dataStart + tensor.Offset + offset, length);

    /// <summary>Part of a tensor's bytes, not copied; the range is checked.</summary>
    public ReadOnlySpan<byte> Bytes(GgufTensor tensor, long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.ByteLength - length);
        return file.Bytes(dataStart + tensor.Offset + offset, length);
    }

    /// <summary>A weight matrix [rows, columns]; a tensor of more axes has them joined into rows.</summary>
    /// <exception cref="CheckpointException">Weights of its type are not read; the message lists the known types.</exception>
    public StoredMatrix Matrix(GgufTensor tensor) => tensor.Type.Open is { } open
        ? open(this, tensor)
        : throw new CheckpointException($"{Location}: tensor {MessageText.Quote(tensor.Name)} is {tensor.Type.Name}, which is not read; known: {string.Join(", ", GgufType.All.Where(t => t.Open is not null).Select(t => t.Name))}");

    /// <summary>A tensor of plain elements, its axes but the last joined into rows.</summary>
    internal StoredTensor Stored(GgufTensor tensor, DType dtype)
        => new(tensor.Name, dtype, [tensor.Rows, tensor.Shape[^1]], AddressOf(tensor), file);

    /// <exception cref="CheckpointException">The file is missing, unreadable, truncated or not well-formed.</exception>
    public static GgufFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new GgufFile(path, file);
        }
        catch (CheckpointException exception)
        {
            file.Dispose();
            throw new CheckpointException($"{path}: {exception.Message}", exception);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => file.Dispose();

    private static GgufTensor ReadTensor(GgufReader reader, int index, int alignment)
    {
        string name = reader.Name($"the name of tensor {index}"), quoted = MessageText.Quote(name);
        uint axes = reader.UInt32($"the axes of tensor {quoted}");
        if (axes is 0 or > MostAxes) throw new CheckpointException($"tensor {quoted} has {axes} axes, expected 1 to {MostAxes}");
        long[] shape = new long[axes];
        long elements = 1;
        for (int axis = (int)axes - 1; axis >= 0; axis--)
        {
            ulong extent = reader.UInt64($"the shape of tensor {quoted}");
            if (extent is 0 or > long.MaxValue || elements > long.MaxValue / 64 / (long)extent)
                throw new CheckpointException($"tensor {quoted} has an extent of {extent}; no file holds so many elements");
            shape[axis] = (long)extent;
            elements *= (long)extent;
        }
        GgufType type = TypeOf(reader.UInt32($"the type of tensor {quoted}"), quoted);
        if (shape[^1] % type.BlockElements != 0)
            throw new CheckpointException($"tensor {quoted} has rows of {shape[^1]} elements, {type.Name} needs a multiple of {type.BlockElements}");
        ulong offset = reader.UInt64($"the offset of tensor {quoted}");
        if (offset % (ulong)alignment != 0 || offset > long.MaxValue)
            throw new CheckpointException($"tensor {quoted} begins at {offset}, which is no multiple of the alignment {alignment}");
        return new GgufTensor(name, type, shape, (long)offset, type.Bytes(elements));
    }

    private static GgufType TypeOf(uint id, string quoted)
    {
        try
        {
            return GgufType.Of(id);
        }
        catch (CheckpointException exception)
        {
            throw new CheckpointException($"tensor {quoted}: {exception.Message}", exception);
        }
    }

    private void Add(GgufTensor tensor)
    {
        if (!tensors.TryAdd(tensor.Name, tensor)) throw new CheckpointException($"tensor {MessageText.Quote(tensor.Name)} is there twice");
    }

    private void CheckLayout()
    {
        long present = Math.Max(0, file.Length - dataStart);
        GgufTensor? before = null;
        foreach (GgufTensor tensor in tensors.Values.OrderBy(t => t.Offset))
        {
            if (tensor.Offset > present || tensor.ByteLength > present - tensor.Offset)
                throw new CheckpointException($"tensor {MessageText.Quote(tensor.Name)} needs bytes {tensor.Offset} to {tensor.Offset + (decimal)tensor.ByteLength} of the data, {present} are present; the download may be incomplete");
            if (before is not null && before.End > tensor.Offset)
                throw new CheckpointException($"tensors {MessageText.Quote(before.Name)} and {MessageText.Quote(tensor.Name)} overlap");
            before = tensor;
        }
    }
}
