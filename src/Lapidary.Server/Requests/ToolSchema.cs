using System.Text.Json;
using Lapidary.Server.Errors;

namespace Lapidary.Server.Requests;

/// <summary>
/// Checks the JSON schema of a tool at the door, so that no template or parser meets a malformed one. Keywords it does not
/// know, like title or $schema, pass.
/// </summary>
internal static class ToolSchema
{
    private static readonly string[] Types = ["object", "array", "string", "number", "integer", "boolean", "null"];

    /// <exception cref="ApiException">Names the place of the fault.</exception>
    public static void Check(JsonElement schema, string path)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False) return;
        if (schema.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(schema, path, "a JSON schema");
        foreach (JsonProperty keyword in schema.EnumerateObject()) CheckKeyword(keyword, $"{path}.{keyword.Name}");
    }

    private static void CheckKeyword(JsonProperty keyword, string path)
    {
        JsonElement value = keyword.Value;
        switch (keyword.Name)
        {
            case "type":
                if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0)
                    foreach (JsonElement type in value.EnumerateArray()) CheckType(type, path);
                else
                    CheckType(value, path);
                return;
            case "properties" or "patternProperties" or "$defs" or "definitions" or "dependentSchemas":
                Require(value, JsonValueKind.Object, path, "an object of schemas");
                foreach (JsonProperty property in value.EnumerateObject()) Check(property.Value, $"{path}.{property.Name}");
                if (keyword.Name == "patternProperties")
                    foreach (JsonProperty property in value.EnumerateObject()) SchemaPattern.Check(property.Name, path);
                return;
            case "anyOf" or "oneOf" or "allOf" or "prefixItems":
                Require(value, JsonValueKind.Array, path, "an array of schemas");
                foreach (JsonElement element in value.EnumerateArray()) Check(element, path);
                return;
            case "items" when value.ValueKind == JsonValueKind.Array:
                foreach (JsonElement element in value.EnumerateArray()) Check(element, path);
                return;
            case "items" or "additionalProperties" or "not" or "contains" or "propertyNames" or "if" or "then" or "else":
                Check(value, path);
                return;
            case "required":
                _ = JsonValues.Texts(value, path);
                return;
            case "enum":
                Require(value, JsonValueKind.Array, path, "an array");
                return;
            case "pattern":
                SchemaPattern.Check(JsonValues.Text(value, path), path);
                return;
            case "description" or "title" or "format" or "$ref":
                _ = JsonValues.Text(value, path);
                return;
            case "minimum" or "maximum" or "minLength" or "maxLength" or "minItems" or "maxItems" or "minProperties" or "maxProperties" or "multipleOf":
                _ = JsonValues.Number(value, path);
                return;
        }
    }

    private static void CheckType(JsonElement type, string path)
    {
        if (!Types.Contains(JsonValues.Text(type, path)))
            throw ApiException.Invalid(path, $"{path} is {MessageText.Quote(type.GetString()!)}, expected one of {string.Join(", ", Types)}");
    }

    private static void Require(JsonElement value, JsonValueKind kind, string path, string expected)
    {
        if (value.ValueKind != kind) throw JsonValues.Wrong(value, path, expected);
    }
}
