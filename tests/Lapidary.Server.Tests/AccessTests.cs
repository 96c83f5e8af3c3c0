namespace Lapidary.Server.Tests;

/// <summary>A server with keys.</summary>
public sealed class GuardedServer : IAsyncLifetime
{
    private readonly Server server = new(options => options with { ApiKeys = ["first-key", "second-key"] });

    public HttpClient Client => server.Client;

    public ValueTask InitializeAsync() => server.InitializeAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();
}

public sealed class AccessTests(GuardedServer server) : IClassFixture<GuardedServer>
{
    [Theory]
    [InlineData("/v1/models"), InlineData("/v1/models/x"), InlineData("/version"), InlineData("/docs"), InlineData("/openapi.json"), InlineData("/metrics"), InlineData("/tokenize"), InlineData("/nothing"), InlineData("/v1/chat/completions"), InlineData("/")]
    public async Task Every_route_but_probes_needs_a_key(string path)
    {
        (await Send(path, null)).AssertError(401, null, "invalid_api_key");
        (await Send(path, "Bearer wrong")).AssertError(401, null, "invalid_api_key");
        (await Send(path, "Bearer first-key2")).AssertError(401, null, "invalid_api_key");
        (await Send(path, "Basic first-key")).AssertError(401, null, "invalid_api_key");
        (await Send(path, "first-key")).AssertError(401, null, "invalid_api_key");
    }

    [Theory, InlineData("/health"), InlineData("/ready")]
    public async Task Probes_need_none(string path) => Assert.Equal(200, (await Send(path, null)).Status);

    [Theory]
    [InlineData("Bearer first-key"), InlineData("Bearer second-key"), InlineData("bearer second-key")]
    public async Task Any_of_the_keys_opens(string authorization) => Assert.Equal(200, (await Send("/v1/models", authorization)).Status);

    [Fact]
    public async Task An_Anthropic_client_sends_its_key_in_its_own_header()
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models") { Headers = { { "x-api-key", "second-key" } } };
        Assert.Equal(200, (await Answer.Of(await server.Client.SendAsync(request))).Status);
    }

    private async Task<Answer> Send(string path, string? authorization)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return await Answer.Of(await server.Client.SendAsync(request));
    }
}
