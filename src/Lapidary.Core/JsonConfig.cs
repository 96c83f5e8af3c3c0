using System.Text.Json;

namespace Lapidary;

/// <summary>Typed, checked access to one object of a configuration file; every error names the file and the key.</summary>
public readonly struct JsonConfig(JsonElement element, string file)
{
    public string File => file;

    /// <summary>Parses a configuration file and gives its object to <paramref name="read"/>, which must not keep it.</summary>
    /// <exception cref="ConfigException">The file cannot be read, is no JSON object, or is refused by <paramref name="read"/>.</exception>
    public static T Load<T>(string path, Func<JsonConfig, T> read)
    {
        byte[] bytes;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > 16 << 20 })
                throw new ConfigException($"{path}: larger than 16 MiB, which no model configuration is");
            bytes = System.IO.File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"{path}: cannot be read ({exception.Message}); a model folder holds config.json beside its weights", exception);
        }
        return Parse(bytes, path, read);
    }

    /// <summary>As <see cref="Load"/>, from bytes.</summary>
    /// <exception cref="ConfigException">No JSON object, or refused by <paramref name="read"/>.</exception>
    public static T Parse<T>(ReadOnlyMemory<byte> json, string file, Func<JsonConfig, T> read)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 32 });
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? read(new JsonConfig(document.RootElement, file))
                : throw new ConfigException($"{file}: not a JSON object");
        }
        catch (JsonException exception)
        {
            throw new ConfigException(MessageText.OneLine($"{file}: not valid JSON ({exception.Message})"), exception);
        }
        catch (InvalidOperationException exception) // a string that is not valid UTF-16 or UTF-8
        {
            throw new ConfigException(MessageText.OneLine($"{file}: not valid JSON text ({exception.Message})"), exception);
        }
    }

    public JsonConfig? Object(string key)
    {
        if (!Present(key, out JsonElement value)) return null;
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(key, value, "an object");
        return new JsonConfig(value, file);
    }

    public IEnumerable<string> Keys() => element.EnumerateObject().Select(property => property.Name);

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
                ? id : throw Wrong(key, item, "a list of integers of at least 0"));
        return ints;
    }

    /// <summary>One string or the strings of a list; nothing else is one.</summary>
    public IReadOnlyList<string> Texts(string key)
    {
        if (!Present(key, out JsonElement value)) return [];
        IEnumerable<JsonElement> items = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [value];
        return [.. items.Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)];
    }

    /// <summary>Whether the key is there and not null, false, empty or a dictionary without entries.</summary>
    public bool Says(string key) => Present(key, out JsonElement value) && value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Any(),
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.False => false,
        JsonValueKind.String => value.GetString() is { Length: > 0 },
        _ => true,
    };

    /// <summary>All keys with their raw values.</summary>
    public IEnumerable<(string Key, JsonElement Value)> Properties() => element.EnumerateObject().Select(p => (p.Name, p.Value));

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
