using System.Text.Json;

namespace Lapidary.Cli.Batch;

/// <summary>A line of a batch file: <c>{"custom_id": …, "method": "POST", "url": "/v1/chat/completions", "body": {…}}</c>.</summary>
/// <param name="CustomId">Null when the line has none.</param>
/// <param name="Fault">Why the line is no request; null when it is one.</param>
internal sealed record BatchRequest(string? CustomId, string Url, byte[] Body, string? Fault)
{
    private static readonly string[] Urls = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];

    public static BatchRequest Parse(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 128 });
            return Read(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException) // the latter: half a surrogate pair
        {
            return Wrong(null, $"the line is not valid JSON: {MessageText.OneLine(exception.Message)}");
        }
    }

    private static BatchRequest Read(JsonElement line)
    {
        if (line.ValueKind != JsonValueKind.Object) return Wrong(null, "the line is no JSON object");
        if (Text(line, "custom_id") is not { Length: > 0 } id) return Wrong(null, "\"custom_id\" is missing, expected a text that no other line has");
        if (Text(line, "method") != "POST") return Wrong(id, "\"method\" is not \"POST\"");
        if (Text(line, "url") is not { } url || !Urls.Contains(url)) return Wrong(id, $"\"url\" is none of {string.Join(", ", Urls)}");
        if (!line.TryGetProperty("body", out JsonElement body) || body.ValueKind != JsonValueKind.Object) return Wrong(id, "\"body\" is missing, expected the request's JSON object");
        if (body.TryGetProperty("stream", out JsonElement stream) && stream.ValueKind == JsonValueKind.True) return Wrong(id, "\"stream\" is true; a batch answers whole");
        return new BatchRequest(id, url, System.Text.Encoding.UTF8.GetBytes(body.GetRawText()), Fault: null);
    }

    private static BatchRequest Wrong(string? id, string fault) => new(id, "", [], fault);

    private static string? Text(JsonElement line, string name)
        => line.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
