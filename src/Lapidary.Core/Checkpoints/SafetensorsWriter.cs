using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Lapidary.Checkpoints;

/// <summary>A tensor to write: what the header says, and a function that writes exactly its bytes when its turn comes.</summary>
/// <param name="Shape">Extents, at most 8; empty for a scalar.</param>
/// <param name="WriteBytes">Row-major, little-endian elements; called once.</param>
public sealed record TensorToWrite(string Name, DType DType, IReadOnlyList<long> Shape, Action<Stream> WriteBytes)
{
    public static TensorToWrite From(string name, DType dtype, IReadOnlyList<long> shape, ReadOnlyMemory<byte> bytes) =>
        new(name, dtype, shape, stream => stream.Write(bytes.Span));

    /// <summary>A copy of a stored tensor; its checkpoint must stay open until it is written.</summary>
    public static TensorToWrite From(StoredTensor tensor) => new(tensor.Name, tensor.DType, tensor.Shape, stream =>
    {
        const int Chunk = 1 << 20;
        for (long offset = 0; offset < tensor.ByteLength; offset += Chunk)
            stream.Write(tensor.Bytes(offset, (int)Math.Min(Chunk, tensor.ByteLength - offset)));
    });

    internal long ByteLength
    {
        get
        {
            long elements = 1;
            foreach (long extent in Shape) elements = checked(elements * extent);
            return checked(elements * DType.Size());
        }
    }
}

/// <summary>
/// Writes safetensors files, one tensor in memory at a time. Tensors go widest element first, then by name, after a
/// header padded with spaces to a multiple of 8, so each is aligned to its element size (the order of the format's own library).
/// </summary>
public static class SafetensorsWriter
{
    private const int LeastAlignment = 8;

    /// <summary>Writes beside <paramref name="path"/> first and renames at the end: a file of that name is always whole.</summary>
    /// <exception cref="CheckpointException">The file cannot be written.</exception>
    /// <param name="alignment">The data begins at a multiple of it: a power of two, at least 8.</param>
    public static void WriteFile(string path, IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null, int alignment = LeastAlignment)
    {
        string partial = path + ".partial";
        try
        {
            using (FileStream stream = new(partial, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
                Write(stream, tensors, metadata, alignment);
            File.Move(partial, path, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be written: {exception.Message}", exception);
        }
        finally
        {
            DeleteIfThere(partial);
        }
    }

    /// <exception cref="ArgumentException">Two tensors of one name, a name that is not valid Unicode or reserved, or too many dimensions.</exception>
    /// <exception cref="InvalidOperationException">A tensor wrote another number of bytes than its shape needs.</exception>
    public static void Write(Stream stream, IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null, int alignment = LeastAlignment)
    {
        TensorToWrite[] ordered = [.. tensors.OrderByDescending(tensor => tensor.DType.Size()).ThenBy(tensor => tensor.Name, StringComparer.Ordinal)];
        CheckNames(ordered);
        WriteHeader(stream, ordered, metadata, alignment);
        CountingStream counted = new(stream);
        foreach (TensorToWrite tensor in ordered)
        {
            counted.Written = 0;
            tensor.WriteBytes(counted);
            if (counted.Written != tensor.ByteLength)
                throw new InvalidOperationException($"tensor {MessageText.Quote(tensor.Name)} wrote {counted.Written} bytes, its shape needs {tensor.ByteLength}");
        }
    }

    private static void CheckNames(TensorToWrite[] tensors)
    {
        UTF8Encoding strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (TensorToWrite tensor in tensors)
        {
            strict.GetByteCount(tensor.Name);   // throws on half a surrogate pair, which JSON writers replace silently
            if (!names.Add(tensor.Name)) throw new ArgumentException($"two tensors are named {MessageText.Quote(tensor.Name)}", nameof(tensors));
            if (tensor.Name == SafetensorsHeader.MetadataKey) throw new ArgumentException($"{tensor.Name} is not a tensor name", nameof(tensors));
            if (tensor.Shape.Count > SafetensorsHeader.MostDimensions)
                throw new ArgumentException($"tensor {MessageText.Quote(tensor.Name)} has more than {SafetensorsHeader.MostDimensions} dimensions", nameof(tensors));
        }
    }

    private static void WriteHeader(Stream stream, TensorToWrite[] tensors, IReadOnlyDictionary<string, string>? metadata, int alignment)
    {
        ArrayBufferWriter<byte> header = new();
        using (Utf8JsonWriter json = new(header))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(SafetensorsHeader.MetadataKey);
                foreach ((string key, string value) in metadata) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long begin = 0;
            foreach (TensorToWrite tensor in tensors) begin = WriteEntry(json, tensor, begin);
            json.WriteEndObject();
        }
        int padding = -(sizeof(ulong) + header.WrittenCount) & (alignment - 1);
        header.GetSpan(padding)[..padding].Fill((byte)' ');
        header.Advance(padding);
        if (header.WrittenCount > SafetensorsFile.LongestHeader)
            throw new ArgumentException($"the header has {header.WrittenCount} bytes, the limit is {SafetensorsFile.LongestHeader}", nameof(tensors));

        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.WrittenCount);
        stream.Write(length);
        stream.Write(header.WrittenSpan);
    }

    private static long WriteEntry(Utf8JsonWriter json, TensorToWrite tensor, long begin)
    {
        long end = checked(begin + tensor.ByteLength);
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", DTypes.Names[(int)tensor.DType]);
        json.WriteStartArray("shape");
        foreach (long extent in tensor.Shape) json.WriteNumberValue(extent);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
        return end;
    }

    private static void DeleteIfThere(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The error that left it there is already on its way.
        }
    }

    /// <summary>Counts what a tensor writes; the target may not support Position (a pipe, a network stream).</summary>
    private sealed class CountingStream(Stream target) : Stream
    {
        public long Written { get; set; }
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() => target.Flush();
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            target.Write(buffer);
            Written += buffer.Length;
        }
    }
}
