using System.Text.Json;
using Lapidary.Server.Docs;
using Microsoft.AspNetCore.Routing;

namespace Lapidary.Server.Tests;

/// <summary>The OpenAPI document says what the server does.</summary>
public sealed class DocumentTests(Server server)
{
    private static readonly JsonElement Document = JsonElement.Parse(File.ReadAllText(Path.Combine(Repository.Root, "src/Lapidary.Server/Docs/openapi.json")));

    private static JsonElement Schema(string path) => Document.GetProperty("paths").GetProperty(path).GetProperty("post").GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("schema");

    public static TheoryData<string> Posts => [.. Document.GetProperty("paths").EnumerateObject().Where(path => path.Value.TryGetProperty("post", out JsonElement post) && post.TryGetProperty("requestBody", out _)).Select(path => path.Name)];

    [Fact]
    public void Every_route_is_in_it_and_no_other()
    {
        IEnumerable<string> mapped = server.Http.Endpoints.OfType<RouteEndpoint>().Select(endpoint => endpoint.RoutePattern.RawText!.Replace("{**id}", "{id}", StringComparison.Ordinal));
        Assert.Equal(mapped.Order(), Document.GetProperty("paths").EnumerateObject().Select(path => path.Name).Order());
    }

    [Theory, MemberData(nameof(Posts))]
    public async Task Every_parameter_in_it_is_known_to_its_route(string path)
    {
        string members = string.Join(',', ApiDocument.Properties(Schema(path), Document).Select(property => $"\"{property.Name}\":null"));
        Answer answer = await server.Client.Post(path, $"{{{members}}}");
        Assert.DoesNotContain("unknown_parameter", answer.Body);
    }

    [Fact]
    public async Task It_is_served_as_JSON_and_as_a_page()
    {
        Assert.Equal("3.1.0", (await server.Client.Get("/openapi.json")).Json["openapi"]!.GetValue<string>());
        Answer page = await server.Client.Get("/docs");
        Assert.Equal("text/html; charset=utf-8", page.ContentHeaders.ContentType?.ToString());
        Assert.Contains("<code>POST /v1/chat/completions</code>", page.Body);
        Assert.Contains("<code>temperature</code>", page.Body);
        Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single());
    }
}
