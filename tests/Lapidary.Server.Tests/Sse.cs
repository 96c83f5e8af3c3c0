using System.Text;
using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>A whole stream of server-sent events, read strictly.</summary>
internal sealed record Sse(IReadOnlyList<(string? Name, JsonNode Data)> Events, bool Done)
{
    public IEnumerable<JsonNode> Data => Events.Select(e => e.Data);

    /// <summary>The choices with that index, in order.</summary>
    public IEnumerable<JsonNode> Choices(int index) => Data.SelectMany(chunk => chunk["choices"]!.AsArray()).Where(choice => choice!["index"]!.GetValue<int>() == index).Select(choice => choice!);

    public string Content(int index = 0) => string.Concat(Choices(index).Select(choice => choice["delta"]!["content"]?.GetValue<string>()));

    public static async Task<Sse> Post(HttpClient client, string path, string body)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        string text = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == 200, text);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("no-cache", response.Headers.CacheControl?.ToString());
        return Parse(text);
    }

    private static Sse Parse(string text)
    {
        Assert.EndsWith("\n\n", text);
        List<(string?, JsonNode)> events = [];
        bool done = false;
        foreach (string block in text[..^2].Split("\n\n"))
        {
            Assert.False(done, $"after [DONE]: {block}");
            string? name = null;
            string? data = null;
            foreach (string line in block.Split('\n'))
            {
                if (line.StartsWith("event: ", StringComparison.Ordinal)) name = line["event: ".Length..];
                else if (line.StartsWith("data: ", StringComparison.Ordinal)) data = Assert.IsType<string>(line["data: ".Length..]);
                else Assert.Fail($"neither event nor data: {line}");
            }
            if (data == "[DONE]") done = true;
            else events.Add((name, JsonNode.Parse(data!)!));
        }
        return new Sse(events, done);
    }
}
