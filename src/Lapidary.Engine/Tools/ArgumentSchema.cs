using System.Text.Json;

namespace Lapidary.Tools;

/// <summary>The types of JSON schema that a value may have; none when the schema does not say.</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    String = 1,
    Number = 2,
    Integer = 4,
    Boolean = 8,
    Null = 16,
    Object = 32,
    Array = 64,
}

/// <summary>
/// What a JSON schema says about one value of a call's arguments: its types and the schemas of its members. Alternatives
/// (anyOf, oneOf, allOf) count together, since formats that do not quote strings need only know whether a string is possible.
/// </summary>
internal sealed class ArgumentSchema
{
    private const int MaxDepth = 16, MaxAlternatives = 64; // schemas come from requests

    private readonly JsonElement root;
    private readonly List<JsonElement> alternatives = [];

    private ArgumentSchema(JsonElement root) => this.root = root;

    public JsonTypes Types
    {
        get
        {
            JsonTypes types = JsonTypes.None;
            foreach (JsonElement schema in alternatives) types |= TypesOf(schema);
            return types;
        }
    }

    /// <summary>The schema of the arguments of the tool with this name; null when there is none.</summary>
    public static ArgumentSchema? Of(IReadOnlyList<ToolDefinition> tools, string name)
    {
        foreach (ToolDefinition tool in tools)
            if (tool.Name == name) return tool.Parameters is { } parameters ? new ArgumentSchema(parameters).With([parameters]) : null;
        return null;
    }

    public ArgumentSchema? Property(string name)
    {
        List<JsonElement> found = [];
        foreach (JsonElement schema in alternatives)
        {
            if (Member(schema, "properties") is { } properties && Member(properties, name) is { } property) found.Add(property);
            else if (Member(schema, "additionalProperties") is { } others) found.Add(others);
        }
        return new ArgumentSchema(root).With(found);
    }

    /// <summary>Whether an object may have this member: no, when it lists its members and this is none.</summary>
    public bool MayHave(string name)
        => !alternatives.Any(schema => Member(schema, "properties") is not null) || alternatives.Any(schema
            => Member(schema, "properties") is { } properties && Member(properties, name) is not null);

    public ArgumentSchema? Items()
    {
        List<JsonElement> found = [];
        foreach (JsonElement schema in alternatives)
            if (Member(schema, "items") is { } items) found.Add(items);
        return new ArgumentSchema(root).With(found);
    }

    private ArgumentSchema? With(List<JsonElement> schemas)
    {
        foreach (JsonElement schema in schemas) Add(schema, depth: 0);
        return alternatives.Count > 0 ? this : null;
    }

    private void Add(JsonElement schema, int depth)
    {
        if (schema.ValueKind != JsonValueKind.Object || depth > MaxDepth || alternatives.Count == MaxAlternatives) return;
        alternatives.Add(schema);
        if (TextOf(Member(schema, "$ref")) is { } reference && Resolve(reference) is { } target) Add(target, depth + 1);
        foreach (string keyword in (string[])["anyOf", "oneOf", "allOf"])
            if (Member(schema, keyword) is { ValueKind: JsonValueKind.Array } list)
                foreach (JsonElement alternative in list.EnumerateArray()) Add(alternative, depth + 1);
    }

    /// <summary>The target of a reference within the schema, <c>#/$defs/name</c>.</summary>
    private JsonElement? Resolve(string reference)
    {
        if (!reference.StartsWith("#/", StringComparison.Ordinal)) return null;
        JsonElement? at = root;
        foreach (string step in reference[2..].Split('/'))
            at = at is { } element ? Member(element, step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)) : null;
        return at;
    }

    private static JsonTypes TypesOf(JsonElement schema)
    {
        if (Member(schema, "type") is { } type)
            return type.ValueKind == JsonValueKind.Array ? type.EnumerateArray().Aggregate(JsonTypes.None, (all, one) => all | Named(one)) : Named(type);
        if (Member(schema, "enum") is { ValueKind: JsonValueKind.Array } values)
            return values.EnumerateArray().Aggregate(JsonTypes.None, (all, one) => all | TypeOf(one.ValueKind));
        return Member(schema, "const") is { } only ? TypeOf(only.ValueKind) : JsonTypes.None;
    }

    private static JsonTypes Named(JsonElement type)
        => Enum.TryParse(TextOf(type), ignoreCase: true, out JsonTypes named) && Enum.IsDefined(named) ? named : JsonTypes.None;

    public static JsonTypes TypeOf(JsonValueKind kind) => kind switch
    {
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Number => JsonTypes.Number,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.Object => JsonTypes.Object,
        JsonValueKind.Array => JsonTypes.Array,
        _ => JsonTypes.None,
    };

    private static JsonElement? Member(JsonElement schema, string name)
    {
        try
        {
            return schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty(name, out JsonElement member) ? member : null;
        }
        catch (InvalidOperationException) // another name in it is half a surrogate pair
        {
            return null;
        }
    }

    private static string? TextOf(JsonElement? value)
    {
        try
        {
            return value is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
        }
        catch (InvalidOperationException) // half a surrogate pair
        {
            return null;
        }
    }
}
