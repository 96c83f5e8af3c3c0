using System.Net;
using System.Text;
using System.Text.Json;

namespace Lapidary.Server.Docs;

/// <summary>The OpenAPI document, and the same as a plain page.</summary>
internal static class ApiDocument
{
    private static readonly Lazy<byte[]> Json = new(() => Read("openapi.json"));
    private static readonly Lazy<string> Page = new(() => Render(Json.Value));

    public static Task WriteJson(HttpContext context)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = Json.Value.Length;
        return context.Response.Body.WriteAsync(Json.Value, context.RequestAborted).AsTask();
    }

    public static Task WritePage(HttpContext context)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'";
        return context.Response.WriteAsync(Page.Value, context.RequestAborted);
    }

    private static byte[] Read(string name)
    {
        using Stream stream = typeof(ApiDocument).Assembly.GetManifestResourceStream(name)!;
        using MemoryStream bytes = new();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static string Render(byte[] json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        StringBuilder page = new("""
            <!doctype html><html lang="en"><meta charset="utf-8"><title>Lapidary API</title>
            <style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}code{font-size:14px}td{padding:.1rem .8rem .1rem 0;vertical-align:top}summary{cursor:pointer;padding:.3rem 0}</style>
            <h1>Lapidary API</h1>
            """);
        page.Append($"<p>{Encoded(root.GetProperty("info"), "description")}</p><p>The same for programs: <a href=\"openapi.json\">openapi.json</a></p>");
        foreach (JsonProperty path in root.GetProperty("paths").EnumerateObject())
            foreach (JsonProperty method in path.Value.EnumerateObject()) Route(page, path.Name, method.Name, method.Value, root);
        return page.Append("</html>").ToString();
    }

    private static void Route(StringBuilder page, string path, string method, JsonElement route, JsonElement root)
    {
        page.Append($"<details><summary><code>{WebUtility.HtmlEncode(method.ToUpperInvariant())} {WebUtility.HtmlEncode(path)}</code> {Encoded(route, "summary")}</summary><p>{Encoded(route, "description")}</p>");
        if (route.TryGetProperty("requestBody", out JsonElement body))
        {
            page.Append("<table>");
            foreach (JsonProperty property in Properties(body.GetProperty("content").GetProperty("application/json").GetProperty("schema"), root))
                page.Append($"<tr><td><code>{WebUtility.HtmlEncode(property.Name)}</code><td>{Bounds(property.Value)}<td>{Encoded(Resolved(property.Value, root), "description")}");
            page.Append("</table>");
        }
        page.Append("</details>");
    }

    /// <summary>A schema's own properties, then those of the groups it takes in.</summary>
    internal static IEnumerable<JsonProperty> Properties(JsonElement schema, JsonElement root)
    {
        foreach (JsonProperty property in schema.GetProperty("properties").EnumerateObject()) yield return property;
        if (!schema.TryGetProperty("allOf", out JsonElement groups)) yield break;
        foreach (JsonElement group in groups.EnumerateArray())
            foreach (JsonProperty property in Properties(Resolved(group, root), root))
                yield return property;
    }

    private static JsonElement Resolved(JsonElement schema, JsonElement root)
    {
        if (!schema.TryGetProperty("$ref", out JsonElement reference)) return schema;
        foreach (string name in reference.GetString()!.Split('/').Skip(1)) root = root.GetProperty(name);
        return root;
    }

    private static string Bounds(JsonElement schema)
    {
        string type = Encoded(schema, "type");
        bool low = schema.TryGetProperty("minimum", out JsonElement min), high = schema.TryGetProperty("maximum", out JsonElement max);
        return low || high ? $"{type} {(low ? min.GetRawText() : "…")} to {(high ? max.GetRawText() : "…")}" : type;
    }

    private static string Encoded(JsonElement element, string name)
        => element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? WebUtility.HtmlEncode(value.GetString()!) : "";
}
