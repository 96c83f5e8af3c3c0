using System.Text.Json;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>
/// The members of one object of a request, taken by name and type. A member that is null counts as absent. At the end
/// <see cref="Done"/> refuses every member that nobody took: no parameter is ignored in silence.
/// </summary>
internal sealed class Fields(JsonElement json, string path)
{
    private const int LongestParam = 200;

    private readonly List<string> taken = [];

    /// <summary>The whole body.</summary>
    public Fields(JsonElement body) : this(body, "") { }

    /// <summary>Where this object stands in the body; empty for the body itself.</summary>
    public string Path => path;

    /// <summary>Where a member stands in the body, for <c>param</c>.</summary>
    public string At(string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>The member, whatever its type; null when absent.</summary>
    public JsonElement? Take(string name)
    {
        taken.Add(name);
        return json.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public string? Text(string name) => Take(name) is { } value ? JsonValues.Text(value, At(name)) : null;

    public string RequiredText(string name) => Text(name) ?? throw Missing(name, "a string");

    public bool? Flag(string name) => Take(name) is not { } value ? null : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw JsonValues.Wrong(value, At(name), "true or false"),
    };

    /// <summary>A finite number.</summary>
    public double? Number(string name) => Take(name) is { } value ? JsonValues.Number(value, At(name)) : null;

    public int? Integer(string name, int min = int.MinValue, int max = int.MaxValue) => Take(name) is { } value ? (int)JsonValues.Integer(value, At(name), min, max) : null;

    public long? Long(string name) => Take(name) is { } value ? JsonValues.Integer(value, At(name), long.MinValue, long.MaxValue) : null;

    /// <summary>One of these words.</summary>
    public string? Word(string name, params ReadOnlySpan<string> words)
    {
        if (Text(name) is not { } text) return null;
        if (words.Contains(text)) return text;
        throw ApiException.Invalid(At(name), $"{At(name)} is {MessageText.Quote(text)}, expected one of {string.Join(", ", words.ToArray())}");
    }

    public Fields? Object(string name)
    {
        if (Take(name) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Object ? new Fields(value, At(name)) : throw JsonValues.Wrong(value, At(name), "an object");
    }

    /// <summary>The elements of an array with their places; null when absent.</summary>
    public IReadOnlyList<(JsonElement Value, string Path)>? Array(string name) => Take(name) is { } value ? JsonValues.Array(value, At(name)) : null;

    /// <summary>An array of objects; null when absent.</summary>
    public IReadOnlyList<Fields>? Objects(string name) => Array(name) is { } items
        ? [.. items.Select(item => item.Value.ValueKind == JsonValueKind.Object ? new Fields(item.Value, item.Path) : throw JsonValues.Wrong(item.Value, item.Path, "an object"))]
        : null;

    /// <summary>An array of integers; null when absent.</summary>
    public IReadOnlyList<int>? Integers(string name) => Take(name) is { } value ? JsonValues.Integers(value, At(name)) : null;

    /// <summary>An array of strings; null when absent.</summary>
    public IReadOnlyList<string>? Texts(string name) => Take(name) is { } value ? JsonValues.Texts(value, At(name)) : null;

    /// <summary>Takes members that change nothing here whatever they hold, like metadata for a provider's bookkeeping.</summary>
    public void Accept(params ReadOnlySpan<string> names) => taken.AddRange(names);

    /// <summary>Refuses a known parameter that is not served; null passes.</summary>
    public void Refuse(string name, string reason)
    {
        if (Take(name) is not null) throw Unsupported(name, reason);
    }

    /// <summary>Refuses a flag of something that is not served; false and null pass.</summary>
    public void RefuseFlag(string name, string reason)
    {
        if (Flag(name) == true) throw Unsupported(name, reason);
    }

    public ApiException Unsupported(string name, string reason)
        => new(StatusCodes.Status400BadRequest, $"{At(name)} is not supported: {reason}") { Param = At(name), Code = "unsupported_parameter" };

    public ApiException Missing(string name, string expected)
        => new(StatusCodes.Status400BadRequest, $"{At(name)} is missing, expected {expected}") { Param = At(name), Code = "missing_required_parameter" };

    /// <exception cref="ApiException">A member was not taken.</exception>
    public void Done()
    {
        foreach (JsonProperty member in json.EnumerateObject())
            if (member.Value.ValueKind != JsonValueKind.Null && !taken.Contains(member.Name)) // many clients write out every member they know of
                throw Unknown(At(member.Name));
    }

    private static ApiException Unknown(string at)
        => new(StatusCodes.Status400BadRequest, $"{MessageText.Quote(at)} is no parameter of this request") { Param = at[..Math.Min(at.Length, LongestParam)], Code = "unknown_parameter" };
}
