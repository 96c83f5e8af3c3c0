using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>A response with its body read.</summary>
public sealed record Answer(int Status, string Body, HttpResponseHeaders Headers, HttpContentHeaders ContentHeaders)
{
    public JsonNode Json => JsonNode.Parse(Body) ?? throw new InvalidOperationException("the body is null");

    public JsonNode Error => Json["error"] ?? throw new InvalidOperationException($"no error in {Body}");

    public static async Task<Answer> Of(HttpResponseMessage response)
    {
        using (response) return new Answer((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers, response.Content.Headers);
    }

    /// <summary>Fails unless it is that status with a whole error body.</summary>
    public void AssertError(int status, string? param, string? code = null)
    {
        Assert.True(Status == status, $"status {Status}, expected {status}: {Body}");
        Assert.Equal("application/json", ContentHeaders.ContentType?.MediaType);
        Assert.Equal(["code", "message", "param", "type"], Error.AsObject().Select(member => member.Key).Order());
        Assert.NotEmpty(Error["message"]!.GetValue<string>());
        Assert.NotEmpty(Error["type"]!.GetValue<string>());
        Assert.Equal(param, Error["param"]?.GetValue<string>());
        if (code is not null) Assert.Equal(code, Error["code"]?.GetValue<string>());
        Assert.DoesNotContain("   at ", Body); // a stack trace
    }
}

internal static class ClientExtensions
{
    public static async Task<Answer> Get(this HttpClient client, string path) => await Answer.Of(await client.GetAsync(new Uri(path, UriKind.Relative)));

    public static Task<Answer> Post(this HttpClient client, string path, string body) => client.Post(path, Encoding.UTF8.GetBytes(body));

    public static async Task<Answer> Post(this HttpClient client, string path, byte[] body, string? type = "application/json")
    {
        ByteArrayContent content = new(body);
        if (type is not null) content.Headers.TryAddWithoutValidation("Content-Type", type);
        return await Answer.Of(await client.PostAsync(new Uri(path, UriKind.Relative), content));
    }
}
