using System.Text.Json;
using System.Text.Json.Nodes;
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
        const string messages = """{"model":"gemma4-tiny","max_tokens":1,"messages":[{"role":"user","content":"a"}]}""", counted = """{"model":"gemma4-tiny","messages":[{"role":"user","content":"a"}]}""";
        foreach (JsonProperty property in ApiDocument.Properties(Schema(path), Document))
        {
            JsonObject body = JsonNode.Parse(path switch
            {
                "/v1/chat/completions" or "/v1/messages" => messages,
                "/v1/messages/count_tokens" => counted,
                "/v1/completions" => """{"prompt":"a","max_tokens":1}""",
                "/v1/responses" => """{"input":"a","max_output_tokens":1}""",
                "/v1/embeddings" => """{"input":"a"}""",
                "/tokenize" => property.Name == "prompt" ? "{}" : """{"messages":[{"role":"user","content":"a"}]}""",
                "/detokenize" => """{"tokens":[5]}""",
                _ => "{}",
            })!.AsObject();
            body[property.Name] = new JsonArray(new JsonObject()); // fits no parameter, so a known one is refused for its value
            Answer answer = await server.Client.Post(path, body.ToJsonString());
            if (answer.Status != 200 && answer.Error["code"]?.GetValue<string>() == "unknown_parameter") Assert.NotEqual(property.Name, answer.Error["param"]!.GetValue<string>());
        }
    }

    /// <summary>Clients that are made from the document could not send what it leaves out.</summary>
    [Theory]
    [InlineData("/v1/chat/completions", "accepted-chat.txt")]
    [InlineData("/v1/completions", "accepted-completions.txt")]
    [InlineData("/v1/responses", "accepted-responses.txt")]
    [InlineData("/v1/messages", "accepted-messages.txt")]
    public void Every_member_that_a_route_accepts_is_in_it(string path, string cases)
    {
        IEnumerable<JsonObject> requests = CaseFile.Lines(cases).Select(line => JsonNode.Parse(CaseFile.Body(line[line.IndexOf('{', StringComparison.Ordinal)..]))!.AsObject());
        string[] sent = [.. requests.SelectMany(request => request).Where(member => member.Value is not null).Select(member => member.Key).Distinct()];
        Assert.Empty(sent.Except(ApiDocument.Properties(Schema(path), Document).Select(property => property.Name)));
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
