using System.Text;
using System.Text.Json.Nodes;
using Lapidary.Scheduling;

namespace Lapidary.Server.Tests;

/// <summary>Streams on which nothing comes give signs of life, and go on as if there had been none.</summary>
public sealed class KeepAliveTests
{
    /// <summary>Texts in front of the stream: some seconds of work, many times what three signs need, and an end if they never come.</summary>
    private const int Before = 3;

    /// <summary>Milliseconds that bound a test whose stream never ends; they measure nothing.</summary>
    private const int Bound = 120_000;

    private const string Messages = "\"model\":\"gemma4-tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"Write a story about a cat.\"}],\"max_tokens\":5,\"temperature\":0";
    private const string Endless = """{"prompt":"Once","max_tokens":1900,"ignore_eos":true}""";

    public static TheoryData<string, string, string> Streams => new()
    {
        { "/v1/chat/completions", ": keep-alive", Messages },
        { "/v1/completions", ": keep-alive", "\"prompt\":[\"Once upon\",\"The\"],\"max_tokens\":5,\"temperature\":0" },
        { "/v1/responses", ": keep-alive", "\"input\":\"Write a story about a cat.\",\"max_output_tokens\":5,\"temperature\":0" },
        { "/v1/messages", "event: ping\ndata: {\"type\":\"ping\"}", Messages },
    };

    private static async Task<Server> Start()
    {
        Server server = new(options => options with { KeepAliveInterval = TimeSpan.FromMilliseconds(20) }, new EngineOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = 64 });
        await server.InitializeAsync();
        return server;
    }

    private static HttpRequestMessage Post(string path, string body) => new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };

    /// <summary>Blocks of a stream that waits behind others: <paramref name="whileWaiting"/> is called after three signs of life.</summary>
    private static async Task<List<string>> Wait(Server server, string path, string body, string sign, Func<Task> whileWaiting)
    {
        using HttpResponseMessage response = await server.Client.SendAsync(Post(path, $"{{{body},\"stream\":true}}"), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        Assert.Equal((200, "text/event-stream"), ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        List<string> blocks = [];
        StringBuilder block = new();
        while (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
        {
            if (line.Length > 0)
            {
                block.Append(block.Length > 0 ? "\n" : "").Append(line);
                continue;
            }
            blocks.Add(block.ToString());
            block.Clear();
            if (blocks.Count(known => known == sign) == 3 && blocks[^1] == sign) await whileWaiting();
        }
        Assert.Equal(0, block.Length);
        Assert.InRange(blocks.Count(known => known == sign), 3, int.MaxValue);
        return blocks;
    }

    [Theory(Timeout = Bound), MemberData(nameof(Streams))]
    public async Task A_stream_that_waits_in_the_queue_gives_signs_of_life(string path, string sign, string body)
    {
        await using Server server = await Start();
        using CancellationTokenSource leave = new();
        Task<HttpResponseMessage>[] before = [.. Enumerable.Range(0, Before).Select(_ => server.Client.SendAsync(Post("/v1/completions", Endless), leave.Token))];
        while (server.Statistics.Waiting < Before - 1) await Task.Delay(5, TestContext.Current.CancellationToken);
        List<string> blocks = await Wait(server, path, body, sign, leave.CancelAsync);
        foreach (Task<HttpResponseMessage> left in before) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);

        string[] names = [.. blocks.Where(block => block.StartsWith("event: ", StringComparison.Ordinal)).Select(block => block["event: ".Length..block.IndexOf('\n', StringComparison.Ordinal)])];
        if (path == "/v1/messages") Assert.Equal(["message_start", "ping", "ping", "ping"], names[..4]);
        if (path == "/v1/responses") Assert.Equal(["response.created", "response.in_progress", "response.output_item.added"], names[..3]);
        Assert.Equal(Whole((await server.Client.Post(path, $"{{{body}}}")).Json), string.Concat(Deltas(blocks)));
    }

    /// <summary>All text that the events bring, by choice.</summary>
    private static IEnumerable<string> Deltas(IEnumerable<string> blocks)
    {
        JsonNode[] events = [.. blocks.SelectMany(block => block.Split('\n')).Where(line => line.StartsWith("data: {", StringComparison.Ordinal)).Select(line => JsonNode.Parse(line["data: ".Length..])!)];
        foreach (JsonNode happened in events)
            if (happened["delta"] is JsonValue text) yield return text.GetValue<string>();
            else if (happened["delta"]?["text"] is { } block) yield return block.GetValue<string>();
        foreach (IGrouping<int, JsonNode?> choice in events.SelectMany(happened => happened["choices"]?.AsArray() ?? []).GroupBy(choice => choice!["index"]!.GetValue<int>()).OrderBy(group => group.Key))
            foreach (JsonNode? part in choice) yield return (part!["text"] ?? part["delta"]?["content"])?.GetValue<string>() ?? "";
    }

    private static string Whole(JsonNode answer)
    {
        if (answer["output"] is { } output) return output[0]!["content"]![0]!["text"]!.GetValue<string>();
        if (answer["content"] is { } content) return content[0]!["text"]!.GetValue<string>();
        return string.Concat(answer["choices"]!.AsArray().Select(choice => (choice!["text"] ?? choice["message"]!["content"])!.GetValue<string>()));
    }

    [Theory(Timeout = Bound), MemberData(nameof(Streams))]
    public async Task What_fails_after_a_sign_of_life_is_an_error_event(string path, string sign, string body)
    {
        await using Server server = await Start();
        using CancellationTokenSource hurry = new();
        Task<Answer>[] before = [.. Enumerable.Range(0, Before).Select(_ => server.Client.Post("/v1/completions", Endless))];
        while (server.Statistics.Waiting < Before - 1) await Task.Delay(5, TestContext.Current.CancellationToken);
        Task? stop = null;
        List<string> blocks = await Wait(server, path, body, sign, async () =>
        {
            stop = server.Http.StopAsync(hurry.Token);
            await hurry.CancelAsync();
        });
        Assert.Contains(blocks, block => block.Contains("\"error\"", StringComparison.Ordinal) && block.Contains("shutting_down", StringComparison.Ordinal));
        await stop!;
        await Task.WhenAll(before);
    }
}
