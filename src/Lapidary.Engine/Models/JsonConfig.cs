using System.Text.Json;

namespace Lapidary.Models;

/// <summary>Typed, checked access to one object of a configuration file; every error names the file and the key.</summary>
internal readonly struct JsonConfig(JsonElement element, string file)
{
    public string File => file;

    public JsonConfig? Object(string key)
    {
        if (!Present(key, out JsonElement value)) return null;
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(key, value, "an object");
        return new JsonConfig(value, file);
    }

    public IEnumerable<(string Key, JsonConfig Value)> Objects()
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Object) throw Wrong(property.Name, property.Value, "an object");
            yield return (property.Name, new JsonConfig(property.Value, file));
        }
    }

    /// <summary>The objects of a list; none when the key is missing.</summary>
    public IReadOnlyList<JsonConfig> List(string key)
    {
        if (!Present(key, out JsonElement value)) return [];
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(key, value, "a list of objects");
        List<JsonConfig> objects = [];
        foreach (JsonElement item in value.EnumerateArray())
            objects.Add(item.ValueKind == JsonValueKind.Object ? new JsonConfig(item, file) : throw Wrong(key, item, "a list of objects"));
        return objects;
    }

    public string? String(string key)
    {
        if (!Present(key, out JsonElement value)) return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(key, value, "a string");
    }

    /// <summary>An integer in [min, max], or the default when the key is missing or null.</summary>
    public int Int(string key, int missing, int min = 1, int max = 1 << 24)
        => IntOrNull(key, min, max) ?? missing;

    public int? IntOrNull(string key, int min = 1, int max = 1 << 24)
    {
        if (!Present(key, out JsonElement value)) return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number) || number < min || number > max)
            throw Wrong(key, value, $"an integer from {min} to {max}");
        return (int)number;
    }

    public double Double(string key, double missing) => DoubleOrNull(key) ?? missing;

    /// <summary>Models compute in float32, where a larger number would become infinite.</summary>
    public double? DoubleOrNull(string key)
    {
        if (!Present(key, out JsonElement value)) return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !float.IsFinite((float)number))
            throw Wrong(key, value, "a finite number");
        return number;
    }

    public bool Bool(string key, bool missing)
    {
        if (!Present(key, out JsonElement value)) return missing;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, value, "true or false");
    }

    public IReadOnlyList<string>? Strings(string key)
    {
        if (!Present(key, out JsonElement value)) return null;
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(key, value, "a list of strings");
        List<string> strings = [];
        foreach (JsonElement item in value.EnumerateArray())
            strings.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Wrong(key, item, "a list of strings"));
        return strings;
    }

    /// <summary>One integer or a list of integers.</summary>
    public IReadOnlyList<int> Ints(string key)
    {
        if (!Present(key, out JsonElement value)) return [];
        if (value.ValueKind == JsonValueKind.Number) return [IntOrNull(key, 0)!.Value];
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(key, value, "an integer or a list of integers");
        List<int> ints = [];
        foreach (JsonElement item in value.EnumerateArray())
            ints.Add(item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id >= 0
                ? id : throw Wrong(key, item, "a list of token ids"));
        return ints;
    }

    public ConfigException Error(string message) => new(MessageText.OneLine($"{file}: {message}"));

    private bool Present(string key, out JsonElement value)
        => element.TryGetProperty(key, out value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined);

    private ConfigException Wrong(string key, JsonElement found, string expected)
    {
        string text = found.GetRawText();
        if (text.Length > 40) text = text[..40] + "…";
        return Error($"\"{key}\" is {text}, expected {expected}");
    }
}
