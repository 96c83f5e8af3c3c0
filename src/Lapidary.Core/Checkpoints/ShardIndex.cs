using System.Text.Json;
using System.Text.Unicode;

namespace Lapidary.Checkpoints;

/// <summary>The weight_map of model.safetensors.index.json: tensor name → shard file name. Other members are not used.</summary>
internal static class ShardIndex
{
    private const int LongestIndex = SafetensorsFile.LongestHeader;

    /// <exception cref="CheckpointException">The file is unreadable, not such an index, or names a file outside its folder.</exception>
    public static Dictionary<string, string> Read(string path)
    {
        using MappedFile file = MappedFile.Open(path);
        try
        {
            if (file.Length > LongestIndex) throw new CheckpointException($"the index has {file.Length} bytes, the limit is {LongestIndex}");
            return Parse(file.Bytes(0, (int)file.Length));
        }
        catch (CheckpointException exception)
        {
            throw new CheckpointException($"{path}: {exception.Message}", exception);
        }
    }

    private static Dictionary<string, string> Parse(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json)) throw new CheckpointException("the index is not UTF-8");
        Utf8JsonReader reader = new(json);   // nesting is limited to 64 by default
        Dictionary<string, string>? map = null;
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject) throw new CheckpointException("the index is not a JSON object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isMap = reader.ValueTextEquals("weight_map"u8);
                reader.Read();
                if (!isMap) reader.Skip();
                else if (map is null) map = ReadMap(ref reader);
                else throw new CheckpointException("weight_map appears twice");
            }
            reader.Read();   // anything but white space after the object throws
        }
        catch (JsonException exception)
        {
            throw new CheckpointException($"the index is not valid JSON after byte {reader.BytesConsumed}; download it again", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw new CheckpointException($"a string near byte {reader.TokenStartIndex} escapes half a surrogate pair", exception);
        }
        return map is { Count: > 0 } ? map : throw new CheckpointException("weight_map is missing or empty");
    }

    private static Dictionary<string, string> ReadMap(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw new CheckpointException("weight_map is not an object");
        Dictionary<string, string> map = new(StringComparer.Ordinal);
        Dictionary<string, string> files = new(StringComparer.Ordinal);   // one string per file, not per tensor
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            string? shard = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            if (shard is null) throw new CheckpointException($"weight_map entry {MessageText.Quote(name)} is not a file name");
            if (!files.TryGetValue(shard, out string? known)) files.Add(known = CheckFileName(shard), known);
            if (!map.TryAdd(name, known)) throw new CheckpointException($"tensor {MessageText.Quote(name)} appears twice in weight_map");
        }
        return map;
    }

    // A shard is a plain name beside the index: an index from elsewhere must not make us read other files.
    private static string CheckFileName(string shard)
    {
        string shown = MessageText.Quote(shard);
        if (shard.AsSpan().ContainsAny("/\\:") || shard.Any(char.IsControl))
            throw new CheckpointException($"weight_map names the file {shown}; only plain file names beside the index are allowed");
        if (!shard.EndsWith(".safetensors", StringComparison.Ordinal))
            throw new CheckpointException($"weight_map names the file {shown}, expected a .safetensors file");
        return shard;
    }
}
