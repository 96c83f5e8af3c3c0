using System.Buffers.Binary;

namespace Lapidary.Checkpoints;

/// <summary>
/// One memory-mapped safetensors file: 8 bytes header length (little-endian), a JSON header, the tensors' bytes.
/// Everything is checked when it is opened; tensors point into the mapping and are valid until <see cref="Dispose"/>.
/// Deleting or replacing the file while it is open does no harm. Shortening or overwriting it in place does: the next
/// read past its new end ends the process.
/// </summary>
public sealed class SafetensorsFile : ICheckpoint
{
    /// <summary>The format's own limit on the JSON header, in bytes.</summary>
    public const int LongestHeader = 100_000_000;

    private const int LengthPrefix = 8;

    private readonly MappedFile file;
    private readonly Dictionary<string, StoredTensor> tensors;

    private SafetensorsFile(string path, MappedFile file)
    {
        Location = path;
        this.file = file;
        int headerLength = ReadHeaderLength(file);
        SafetensorsHeader header = SafetensorsHeader.Parse(file.Bytes(LengthPrefix, headerLength));
        SafetensorsLayout.Check(header.Entries, file.Length - LengthPrefix - headerLength);

        Metadata = header.Metadata;
        nint data = file.Address + LengthPrefix + headerLength;
        tensors = new(header.Entries.Count, StringComparer.Ordinal);
        foreach (HeaderEntry entry in header.Entries)
            tensors.Add(entry.Name, new StoredTensor(entry.Name, entry.DType, entry.Shape, data + (nint)entry.Begin, file));
    }

    public string Location { get; }

    /// <summary>The header's __metadata__, e.g. "format" → "pt"; empty when the file has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    public IReadOnlyCollection<string> Names => tensors.Keys;

    /// <exception cref="CheckpointException">The file is missing, unreadable, truncated or not well-formed.</exception>
    public static SafetensorsFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new SafetensorsFile(path, file);
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

    public StoredTensor? Find(string name) => tensors.GetValueOrDefault(name);

    public void Dispose() => file.Dispose();

    private static int ReadHeaderLength(MappedFile file)
    {
        if (file.Length < LengthPrefix)
            throw new CheckpointException($"the file has {file.Length} bytes, a safetensors file at least {LengthPrefix}; the download may be incomplete");
        ReadOnlySpan<byte> prefix = file.Bytes(0, LengthPrefix);
        if (ForeignFormat(prefix) is { } foreign) throw new CheckpointException($"this is {foreign}");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > LongestHeader)
            throw new CheckpointException($"the header length is {length} bytes, the limit is {LongestHeader}; the file is damaged or not safetensors");
        long present = file.Length - LengthPrefix;
        if ((long)length > present)
            throw new CheckpointException($"the header has {length} bytes of which {present} are present: {(long)length - present} bytes are missing; the download may be incomplete");
        return (int)length;
    }

    /// <summary>What the file is instead, for files that people often take for the weights.</summary>
    private static string? ForeignFormat(ReadOnlySpan<byte> prefix)
    {
        if (prefix.StartsWith("version "u8)) return "a Git LFS pointer, not the weights; run `git lfs pull` in its folder";
        if (prefix.StartsWith("GGUF"u8)) return "a GGUF file, expected safetensors";
        if (prefix.StartsWith("PK\x03\x04"u8)) return "a PyTorch or zip archive, expected safetensors; convert it first";
        if (prefix.StartsWith("<!"u8) || prefix.StartsWith("<html"u8)) return "a web page, not the weights; download the file again";
        return null;
    }
}
