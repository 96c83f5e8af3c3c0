using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Lapidary.Server.Tests;

/// <summary>What is no proper HTTP request gets an error body too, though no middleware sees it.</summary>
public sealed class RefusalTests(Server server)
{
    private const string Good = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

    public static TheoryData<string, int, string, string> Malformed => new()
    {
        { "a request line of one word", 400, "malformed_request", "HELLO\r\n\r\n" },
        { "a method that is no token", 400, "malformed_request", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n" },
        { "no path", 400, "malformed_request", "GET HTTP/1.1\r\nHost: x\r\n\r\n" },
        { "a NUL in the path", 400, "malformed_request", "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n" },
        { "no host", 400, "malformed_request", "GET /health HTTP/1.1\r\n\r\n" },
        { "two hosts", 400, "malformed_request", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" },
        { "a header without a colon", 400, "malformed_request", "GET /health HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n" },
        { "a header with a space in its name", 400, "malformed_request", "GET /health HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n" },
        { "a header with a NUL", 400, "malformed_request", "GET /health HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n" },
        { "a negative length", 400, "malformed_request", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" },
        { "a length that is no number", 400, "malformed_request", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n" },
        { "two lengths", 400, "malformed_request", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" },
        { "an unknown transfer coding", 400, "malformed_request", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n" },
        { "a chunk without a size", 400, "malformed_request", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n" },
        { "a chunk longer than said", 400, "malformed_request", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" },
        { "another protocol", 400, "malformed_request", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n" },
        { "HTTP/3.7", 505, "http_version_not_supported", "GET /health HTTP/3.7\r\nHost: x\r\n\r\n" },
        { "a long request line", 414, "uri_too_long", $"GET /{new string('a', 9000)} HTTP/1.1\r\nHost: x\r\n\r\n" },
        { "a long header", 431, "headers_too_large", $"GET /health HTTP/1.1\r\nHost: x\r\nA: {new string('a', 40_000)}\r\n\r\n" },
        { "many headers", 431, "headers_too_large", $"GET /health HTTP/1.1\r\nHost: x\r\n{string.Concat(Enumerable.Range(0, 120).Select(i => $"A{i}: b\r\n"))}\r\n" },
    };

    [Theory, MemberData(nameof(Malformed))]
    public async Task It_is_refused_with_an_error_body(string what, int status, string code, string request)
    {
        RawResponse response = Assert.Single(await Send(request));
        Assert.True(response.Status == status, $"{what}: {response.Status} {response.Body}");
        Assert.Equal("application/json; charset=utf-8", response.Headers["Content-Type"]);
        Assert.Equal(32, response.Headers["X-Request-Id"].Length);
        JsonNode error = JsonNode.Parse(response.Body)!["error"]!;
        Assert.Equal(["code", "message", "param", "type"], error.AsObject().Select(member => member.Key).Order());
        Assert.Equal((code, "invalid_request_error"), (error["code"]!.GetValue<string>(), error["type"]!.GetValue<string>()));
        Assert.DoesNotContain('\n', error["message"]!.GetValue<string>());
    }

    [Fact]
    public async Task Requests_before_it_on_the_same_connection_are_answered()
    {
        RawResponse[] responses = await Send(Good + Good + "nonsense\r\n\r\n" + Good);
        Assert.Equal([200, 200, 400], responses.Select(response => response.Status)); // nothing after it can be trusted
        Assert.Equal("close", responses[^1].Headers["Connection"]);
        Assert.Equal(200, (await server.Client.Get("/health")).Status);
    }

    [Fact]
    public async Task The_answer_to_HEAD_has_no_body()
    {
        RawResponse response = Assert.Single(await Send("HEAD /health HTTP/1.1\r\n\r\n"));
        Assert.Equal((400, ""), (response.Status, response.Body));
    }

    /// <summary>Sends the bytes and reads all responses until the server closes the connection.</summary>
    private async Task<RawResponse[]> Send(string request)
    {
        using TcpClient client = new();
        await client.ConnectAsync(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), TestContext.Current.CancellationToken);
        return [.. RawResponse.All(await ReadAll(stream))];
    }

    /// <summary>A server that closes before it has read everything resets the connection: what came before counts.</summary>
    private static async Task<string> ReadAll(NetworkStream stream)
    {
        using MemoryStream read = new();
        byte[] buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer, TestContext.Current.CancellationToken) is > 0 and int count) read.Write(buffer, 0, count);
        }
        catch (IOException) when (read.Length > 0)
        {
            // reset after the response
        }
        return Encoding.Latin1.GetString(read.ToArray());
    }

    private sealed record RawResponse(int Status, Dictionary<string, string> Headers, string Body)
    {
        public static IEnumerable<RawResponse> All(string text)
        {
            while (text.Length > 0)
            {
                int end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
                Assert.True(end > 0, $"no response: {text}");
                string[] head = text[..end].Split("\r\n");
                Dictionary<string, string> headers = head.Skip(1).ToDictionary(line => line.Split(": ")[0], line => line.Split(": ", 2)[1], StringComparer.OrdinalIgnoreCase);
                string rest = text[(end + 4)..];
                int length = Math.Min(rest.Length, int.Parse(headers["Content-Length"], CultureInfo.InvariantCulture));
                yield return new RawResponse(int.Parse(head[0].Split(' ')[1], CultureInfo.InvariantCulture), headers, rest[..length]);
                text = rest[length..];
            }
        }
    }
}
