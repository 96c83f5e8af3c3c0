using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>Routes that need no model, and what happens off the routes.</summary>
public sealed class RouteTests(Server server)
{
    [Theory]
    [InlineData("/health", "status", "ok"), InlineData("/ready", "status", "ready"), InlineData("/version", "version", "0.1.0")]
    public async Task Probes_answer(string path, string member, string value)
    {
        Answer answer = await server.Client.Get(path);
        Assert.Equal((200, value), (answer.Status, answer.Json[member]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("GET"), InlineData("POST")]
    public async Task A_ping_is_answered_as_health(string method)
    {
        Answer answer = await Send(method, "/ping");
        Assert.Equal((200, "ok"), (answer.Status, answer.Json["status"]!.GetValue<string>()));
    }

    [Fact]
    public async Task The_load_counts_requests()
    {
        await using Server other = new();
        await other.InitializeAsync();
        Assert.Equal("""{"server_load":0}""", (await other.Client.Get("/load")).Body);
        await using Stream stream = await OpenStream(other);
        Assert.Equal("""{"server_load":1}""", (await other.Client.Get("/load")).Body);
    }

    private static async Task<Stream> OpenStream(Server server)
    {
        HttpRequestMessage request = new(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent("""{"prompt":"Once","stream":true,"ignore_eos":true,"max_tokens":2000}""", System.Text.Encoding.UTF8, "application/json"),
        };
        HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return await response.Content.ReadAsStreamAsync();
    }

    [Fact]
    public async Task Models_are_listed_by_every_name()
    {
        JsonNode list = (await server.Client.Get("/v1/models")).Json;
        Assert.Equal("list", list["object"]!.GetValue<string>());
        Assert.Equal([Server.ModelName, "alias"], list["data"]!.AsArray().Select(card => card!["id"]!.GetValue<string>()));
        Assert.All(list["data"]!.AsArray(), card =>
        {
            Assert.Equal("model", card!["object"]!.GetValue<string>());
            Assert.Equal("lapidary", card["owned_by"]!.GetValue<string>());
            Assert.Equal(2048, card["max_model_len"]!.GetValue<int>());
            Assert.InRange(card["created"]!.GetValue<long>(), 1_700_000_000, 5_000_000_000);
        });
    }

    [Fact]
    public async Task A_model_is_found_by_name()
    {
        Assert.Equal("alias", (await server.Client.Get("/v1/models/alias")).Json["id"]!.GetValue<string>());
        foreach (string path in (string[])["/v1/models/other/name", "/v1/models/other%2Fname", "/v1/models/other%2fname"]) // clients encode names
        {
            Answer unknown = await server.Client.Get(path);
            unknown.AssertError(404, "model", "model_not_found");
            Assert.Contains("\"other/name\"", unknown.Error["message"]!.GetValue<string>(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("GET", "/"), InlineData("GET", "/v1"), InlineData("GET", "/v1/nothing"), InlineData("POST", "/v2/chat/completions"), InlineData("DELETE", "/x%0Ay"), InlineData("GET", "/../../etc/passwd")]
    public async Task An_unknown_route_is_404(string method, string path)
        => (await Send(method, path)).AssertError(404, null, "unknown_url");

    [Theory]
    [InlineData("POST", "/health"), InlineData("DELETE", "/v1/models"), InlineData("PUT", "/version"), InlineData("OPTIONS", "/v1/models")]
    public async Task A_wrong_method_is_405_and_says_which_are_right(string method, string path)
    {
        Answer answer = await Send(method, path);
        answer.AssertError(405, null, "method_not_allowed");
        Assert.NotEmpty(answer.ContentHeaders.Allow);
    }

    [Fact]
    public async Task A_request_id_is_returned_or_made()
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/health") { Headers = { { "X-Request-Id", "abc-123" } } };
        Assert.Equal("abc-123", (await Answer.Of(await server.Client.SendAsync(request))).Headers.GetValues("X-Request-Id").Single());
        Assert.Equal(32, (await server.Client.Get("/health")).Headers.GetValues("X-Request-Id").Single().Length);
    }

    [Theory]
    [InlineData("a b"), InlineData("a\\nb"), InlineData("<x>"), InlineData("")]
    public async Task A_request_id_that_is_not_plain_is_replaced(string id)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/nope");
        request.Headers.TryAddWithoutValidation("X-Request-Id", id);
        Assert.Equal(32, (await Answer.Of(await server.Client.SendAsync(request))).Headers.GetValues("X-Request-Id").Single().Length);
    }

    private async Task<Answer> Send(string method, string path)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        return await Answer.Of(await server.Client.SendAsync(request));
    }
}
