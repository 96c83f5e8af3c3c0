namespace Lapidary.Checkpoints.Gguf;

/// <summary>A GGUF file's key-value pairs, asked for by key and kind.</summary>
public sealed class GgufMetadata
{
    private readonly Dictionary<string, GgufValue> values = new(StringComparer.Ordinal);

    internal GgufMetadata(GgufReader reader, MappedFile file, int count)
    {
        for (int i = 0; i < count; i++)
        {
            string key = reader.Name($"metadata key {i}");
            if (!values.TryAdd(key, GgufValue.Read(reader, file, key)))
                throw new CheckpointException($"metadata {MessageText.Quote(key)} is there twice");
        }
    }

    public IReadOnlyCollection<string> Keys => values.Keys;

    public bool Has(string key) => values.ContainsKey(key);

    public bool IsArray(string key) => values.TryGetValue(key, out GgufValue? value) && value.Count is not null;

    /// <summary>Null when the key is missing.</summary>
    /// <exception cref="CheckpointException">It is there but is no single string.</exception>
    public string? String(string key) => Single(key, "one string") is { } value ? value.Strings()[0] : null;

    /// <exception cref="CheckpointException">It is there but is no single number.</exception>
    public double? Number(string key) => Single(key, "one number") is { } value ? value.Numbers()[0] : null;

    /// <exception cref="CheckpointException">It is there but is no integer in that range.</exception>
    public int? Int(string key, int min = 0, int max = int.MaxValue)
    {
        if (Number(key) is not { } number) return null;
        return number == Math.Floor(number) && number >= min && number <= max
            ? (int)number
            : throw new CheckpointException($"metadata {MessageText.Quote(key)} is {number}, expected an integer from {min} to {max}");
    }

    public bool? Bool(string key) => Int(key, 0, 1) is { } value ? value == 1 : null;

    public string[]? Strings(string key) => Array(key)?.Strings();

    public double[]? Numbers(string key) => Array(key)?.Numbers();

    private GgufValue? Single(string key, string expected)
    {
        if (!values.TryGetValue(key, out GgufValue? value)) return null;
        return value.Count is null ? value : throw value.Wrong(expected);
    }

    private GgufValue? Array(string key)
    {
        if (!values.TryGetValue(key, out GgufValue? value)) return null;
        return value.Count is not null ? value : throw value.Wrong("an array");
    }
}
