using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Lapidary.Checkpoints;

/// <summary>One entry of a safetensors header.</summary>
/// <param name="Begin">First byte, counted from the first byte after the header.</param>
/// <param name="End">First byte after the tensor.</param>
internal readonly record struct HeaderEntry(string Name, DType DType, long[] Shape, long Begin, long End);

/// <summary>
/// Reads the JSON header of a safetensors file: name → {dtype, shape, data_offsets}, and the string map __metadata__.
/// Each entry is checked by itself here; <see cref="SafetensorsLayout"/> checks them against each other and the data.
/// Stricter than the format's own library in one point: a tensor entry has these three keys and no others.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>numpy allows 64; no weight needs more than 4, and a bound keeps hostile shapes from costing memory.</summary>
    public const int MostDimensions = 8;

    /// <summary>The one member of the header that is no tensor: a map of strings.</summary>
    public const string MetadataKey = "__metadata__";

    // Root object, tensor object, shape array.
    private const int DeepestNesting = 3;

    // Trainers store a few dozen; the bound keeps many tiny entries from costing far more memory than the file.
    private const int MostMetadata = 10_000;

    // Shorter than the entries of real files: the collections below hardly ever grow, however many tensors there are.
    private const int ShortEntry = 64;

    private readonly List<HeaderEntry> entries;
    private readonly HashSet<string> names;
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);
    private bool metadataSeen;

    private SafetensorsHeader(int length)
    {
        entries = new(length / ShortEntry);
        names = new(length / ShortEntry, StringComparer.Ordinal);
    }

    public List<HeaderEntry> Entries => entries;
    public IReadOnlyDictionary<string, string> Metadata => metadata;

    /// <exception cref="CheckpointException">What is wrong, without the file's name.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty || json[0] != '{') throw new CheckpointException("the header does not start with '{'; the file is damaged or not safetensors");
        if (!Utf8.IsValid(json)) throw new CheckpointException("the header is not UTF-8; the file is damaged");

        SafetensorsHeader header = new(json.Length);
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = DeepestNesting });
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName) header.ReadMember(ref reader);
            reader.Read();   // anything but white space after the object throws
        }
        catch (JsonException exception)
        {
            throw new CheckpointException($"the header is not valid JSON after byte {reader.BytesConsumed}; the file is damaged", exception);
        }
        return header;
    }

    private void ReadMember(ref Utf8JsonReader reader)
    {
        string name = Text(ref reader);
        reader.Read();
        if (name == MetadataKey)
        {
            if (metadataSeen) throw new CheckpointException("__metadata__ appears twice in the header");
            metadataSeen = true;
            ReadMetadata(ref reader);
            return;
        }
        if (!names.Add(name)) throw new CheckpointException($"tensor {MessageText.Quote(name)} appears twice in the header");
        entries.Add(ReadEntry(ref reader, name));
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw new CheckpointException($"__metadata__ is {Found(ref reader)}, expected an object of strings");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = Text(ref reader);
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw new CheckpointException($"__metadata__ entry {MessageText.Quote(key)} is {Found(ref reader)}, expected a string");
            if (metadata.Count == MostMetadata) throw new CheckpointException($"__metadata__ has more than {MostMetadata} entries");
            if (!metadata.TryAdd(key, Text(ref reader))) throw new CheckpointException($"__metadata__ entry {MessageText.Quote(key)} appears twice");
        }
    }

    private static HeaderEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Wrong(name, $"the entry is {Found(ref reader)}, expected an object with dtype, shape and data_offsets");
        DType? dtype = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("dtype"u8) && dtype is null) dtype = ReadDType(ref reader, name);
            else if (reader.ValueTextEquals("shape"u8) && shape is null) shape = ReadIntegers(ref reader, name, "shape", MostDimensions);
            else if (reader.ValueTextEquals("data_offsets"u8) && offsets is null) offsets = ReadIntegers(ref reader, name, "data_offsets", 2);
            else throw Wrong(name, $"key {MessageText.Quote(Text(ref reader))} is repeated or unknown; expected dtype, shape and data_offsets once each");
        }
        if (dtype is null || shape is null || offsets is null)
        {
            string missing = dtype is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            throw Wrong(name, $"{missing} is missing");
        }
        if (offsets.Length != 2) throw Wrong(name, $"data_offsets holds {offsets.Length} of 2 numbers (begin, end)");
        HeaderEntry entry = new(name, dtype.Value, shape, offsets[0], offsets[1]);
        CheckSize(entry);
        return entry;
    }

    private static void CheckSize(HeaderEntry entry)
    {
        if (entry.Begin > entry.End) throw Wrong(entry.Name, $"data_offsets [{entry.Begin}, {entry.End}] end before they begin");
        Int128 bytes = entry.DType.Size();
        foreach (long extent in entry.Shape)
        {
            bytes *= extent;   // below 2^63 times 2^63: no overflow in 128 bits
            if (bytes > long.MaxValue) throw Wrong(entry.Name, $"shape {ShapeText(entry.Shape)} of {entry.DType} overflows 64 bits");
        }
        if (bytes != entry.End - entry.Begin)
            throw Wrong(entry.Name, $"shape {ShapeText(entry.Shape)} of {entry.DType} needs {bytes} bytes, data_offsets [{entry.Begin}, {entry.End}] hold {entry.End - entry.Begin}");
    }

    private static DType ReadDType(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.String) throw Wrong(name, $"dtype is {Found(ref reader)}, expected a string");
        for (int index = 0; index < DTypes.Names.Count; index++)
            if (reader.ValueTextEquals(DTypes.Names[index])) return (DType)index;   // without a string per tensor
        throw Wrong(name, $"dtype {MessageText.Quote(Text(ref reader))} is not supported; known: {string.Join(", ", DTypes.Names)}");
    }

    private static long[] ReadIntegers(ref Utf8JsonReader reader, string name, string key, int most)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) throw Wrong(name, $"{key} is {Found(ref reader)}, expected an array of integers");
        Span<long> numbers = stackalloc long[most];
        int count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (count == most) throw Wrong(name, $"{key} has more than {most} numbers");
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw Wrong(name, $"{key} holds {Found(ref reader)}, expected an integer from 0 to 2^63-1");
            numbers[count++] = number;
        }
        return numbers[..count].ToArray();
    }

    private static CheckpointException Wrong(string name, string what) => new($"tensor {MessageText.Quote(name)}: {what}");

    /// <summary>The current string or property name.</summary>
    private static string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new CheckpointException($"a string near byte {reader.TokenStartIndex} of the header escapes half a surrogate pair; the file is damaged", exception);
        }
    }

    /// <summary>The current token as a message shows it.</summary>
    private static string Found(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        _ => Encoding.UTF8.GetString(reader.ValueSpan[..Math.Min(reader.ValueSpan.Length, 40)]),
    };

    private static string ShapeText(long[] shape) => $"[{string.Join(", ", shape)}]";
}
