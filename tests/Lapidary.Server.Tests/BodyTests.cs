using System.Net.Sockets;
using System.Text;

namespace Lapidary.Server.Tests;

/// <summary>Bodies that are no request at all.</summary>
public sealed class BodyTests(Server server)
{
    private const string Good = """{"messages":[{"role":"user","content":"a"}],"max_tokens":1}""";

    public static TheoryData<string> Posts => ["/v1/chat/completions", "/v1/completions"];

    public static TheoryData<string> Malformed =>
    [
        "", " ", "hello", "{", "}", "{}}", "{\"a\":}", "{'messages':[]}", "{\"messages\":[],}", "{\"temperature\":NaN}", "{\"temperature\":Infinity}", "{\"temperature\":-Infinity}",
        "{\"temperature\":.5}", "{\"temperature\":01}", "{\"temperature\":+1}", "// c\n{}", "{} {}", "{\"model\":\"a\",\"model\":\"b\"}", "{\"messages\":[{\"role\":\"user\",\"role\":\"system\"}]}",
        "{\"a\":\"\\x\"}", "{\"a\":\"\n\"}", "{\"a\":\"\t\"}", "\0", "{\"a\":\"\\ud800\",\"a\":1}",
    ];

    [Theory, MemberData(nameof(Posts))]
    public async Task Malformed_JSON_is_400(string path)
    {
        foreach (string body in Malformed.Select(row => row.Data)) (await server.Client.Post(path, body)).AssertError(400, null, "invalid_json");
    }

    [Theory, MemberData(nameof(Posts))]
    public async Task A_body_that_is_no_object_is_400(string path)
    {
        foreach (string body in (string[])["null", "true", "5", "\"a\"", "[]", "[{}]"]) (await server.Client.Post(path, body)).AssertError(400, null, "invalid_json");
    }

    [Theory, MemberData(nameof(Posts))]
    public async Task Invalid_UTF8_is_400(string path)
    {
        byte[][] bodies = [[0xff], [.. "{\"a\":\""u8, 0xc3, 0x28, .. "\"}"u8], [.. "{\"a\":\""u8, 0xed, 0xa0, 0x80, .. "\"}"u8], Encoding.Unicode.GetBytes(Good), Encoding.UTF32.GetBytes(Good)];
        foreach (byte[] body in bodies) (await server.Client.Post(path, body)).AssertError(400, null, "invalid_json");
    }

    [Theory, InlineData("[", "]"), InlineData("{\"a\":", "}")]
    public async Task Deep_JSON_is_400(string open, string close)
    {
        foreach (int depth in (int[])[129, 1000, 100_000])
        {
            string deep = string.Concat(Enumerable.Repeat(open, depth)) + "1" + string.Concat(Enumerable.Repeat(close, depth));
            (await server.Client.Post("/v1/chat/completions", $$"""{"messages":{{deep}}}""")).AssertError(400, null, "invalid_json");
        }
    }

    [Fact]
    public async Task A_deep_but_allowed_schema_is_answered()
    {
        string deep = "{\"type\":\"string\"}";
        for (int i = 0; i < 40; i++) deep = $$$$"""{"type":"object","properties":{"a":{{{{deep}}}}}}""";
        Answer answer = await server.Client.Post("/v1/chat/completions", $$$$"""{"messages":[{"role":"user","content":"a"}],"max_tokens":1,"tools":[{"type":"function","function":{"name":"f","parameters":{{{{deep}}}}}}]}""");
        Assert.Equal(200, answer.Status);
    }

    [Theory]
    [InlineData("text/plain"), InlineData("application/x-www-form-urlencoded"), InlineData("multipart/form-data; boundary=x"), InlineData("application/xml"), InlineData("application/json; charset=utf-16"), InlineData(""), InlineData("garbage"), InlineData(null)]
    public async Task Another_media_type_is_415(string? type)
        => (await server.Client.Post("/v1/chat/completions", Encoding.UTF8.GetBytes(Good), type)).AssertError(415, null, "unsupported_media_type");

    [Theory]
    [InlineData("application/json"), InlineData("application/json; charset=utf-8"), InlineData("Application/JSON;charset=\"UTF-8\"")]
    public async Task JSON_in_UTF8_is_taken_in_every_spelling(string type)
        => Assert.Equal(200, (await server.Client.Post("/v1/chat/completions", Encoding.UTF8.GetBytes(Good), type)).Status);

    [Fact]
    public async Task A_byte_order_mark_is_ignored()
        => Assert.Equal(200, (await server.Client.Post("/v1/chat/completions", [0xef, 0xbb, 0xbf, .. Encoding.UTF8.GetBytes(Good)])).Status);

    [Fact]
    public async Task A_compressed_body_is_415()
    {
        ByteArrayContent content = new(Encoding.UTF8.GetBytes(Good));
        content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        content.Headers.TryAddWithoutValidation("Content-Encoding", "gzip");
        (await Answer.Of(await server.Client.PostAsync(new Uri("/v1/chat/completions", UriKind.Relative), content))).AssertError(415, null, "unsupported_media_type");
    }

    [Fact]
    public async Task A_transfer_coding_that_nobody_undoes_is_refused()
    {
        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes("POST /tokenize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"));
        using StreamReader reader = new(new NetworkStream(socket));
        string answer = await reader.ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 415 ", answer, StringComparison.Ordinal);
        Assert.Contains("the Transfer-Encoding is \\\"gzip, chunked\\\"", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"\\ud800\""), InlineData("\"a\\udc00b\"")]
    public async Task Half_a_surrogate_pair_is_400(string text)
        => (await server.Client.Post("/v1/chat/completions", $$"""{"messages":[{"role":"user","content":{{text}}}]}""")).AssertError(400, "messages[0].content");

    [Fact]
    public async Task A_body_beyond_the_limit_is_413()
    {
        await using Server small = new(options => options with { MaxBodyBytes = 1000 });
        await small.InitializeAsync();
        string big = new('a', 2000);
        (await small.Client.Post("/v1/chat/completions", $$"""{"messages":[{"role":"user","content":"{{big}}"}]}""")).AssertError(413, null, "request_too_large");
        Assert.Equal(200, (await small.Client.Post("/v1/chat/completions", Good)).Status);
        // A client that sends everything before it reads is answered as well, with a length and without one.
        byte[] huge = [.. Enumerable.Repeat((byte)' ', 40 << 20)];
        (await small.Client.Post("/v1/chat/completions", huge)).AssertError(413, null, "request_too_large");
        using HttpRequestMessage chunked = new(HttpMethod.Post, "/v1/chat/completions") { Content = new ByteArrayContent(huge), Headers = { TransferEncodingChunked = true } };
        chunked.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        (await Answer.Of(await small.Client.SendAsync(chunked, TestContext.Current.CancellationToken))).AssertError(413, null, "request_too_large");
    }

    [Fact]
    public async Task A_body_beyond_the_limit_without_a_length_is_413()
    {
        await using Server small = new(options => options with { MaxBodyBytes = 1000 });
        await small.InitializeAsync();
        string answer = await Raw(small, $"Transfer-Encoding: chunked\r\n\r\n7d0\r\n{new string(' ', 2000)}\r\n0\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413", answer);
        Assert.Contains("request_too_large", answer);
    }

    /// <summary>It is answered without the body, and the body is not asked for.</summary>
    [Theory, InlineData(""), InlineData("Expect: 100-continue\r\n")]
    public async Task A_length_beyond_the_limit_is_413_before_the_body_comes(string expect)
    {
        string answer = await Raw(server, $"{expect}Content-Length: 99999999999\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413", answer);
        Assert.Contains("request_too_large", answer);
    }

    [Theory, InlineData("ffffffffffffffff"), InlineData("zz"), InlineData("-1")]
    public async Task A_chunk_of_an_impossible_size_is_400(string size)
    {
        string answer = await Raw(server, $"Transfer-Encoding: chunked\r\n\r\n{size}\r\n");
        Assert.StartsWith("HTTP/1.1 400", answer);
        Assert.Contains("malformed_request", answer);
    }

    /// <summary>The error that a raw request is answered with.</summary>
    private static async Task<string> Raw(Server server, string rest)
    {
        using TcpClient client = new();
        await client.ConnectAsync(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n{rest}"));
        StringBuilder answer = new();
        byte[] buffer = new byte[4096];
        try
        {
            while (!answer.ToString().EndsWith("}}", StringComparison.Ordinal) && await stream.ReadAsync(buffer) is > 0 and var read) answer.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }
        catch (IOException)
        {
            // Some time later the server no longer waits for the rest of the request.
        }
        return answer.ToString();
    }

    [Fact]
    public async Task The_prompt_that_outgrows_the_context_is_400_with_both_numbers()
    {
        string text = string.Concat(Enumerable.Repeat("word ", 3000));
        Answer answer = await server.Client.Post("/v1/chat/completions", $$"""{"messages":[{"role":"user","content":"{{text}}"}]}""");
        answer.AssertError(400, "messages", "context_length_exceeded");
        Assert.Matches("maximum context length is 2048 tokens.*has [0-9]{4} tokens", answer.Body);
        (await server.Client.Post("/v1/completions", $$"""{"prompt":"{{text}}"}""")).AssertError(400, "prompt", "context_length_exceeded");
    }
}
