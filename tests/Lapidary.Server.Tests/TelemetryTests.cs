using System.Text;

namespace Lapidary.Server.Tests;

/// <summary>Traces and metrics arrive at a collector, in both forms of OTLP; without one nothing is sent.</summary>
public sealed class TelemetryTests
{
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";

    [Theory, InlineData(OtlpProtocol.Grpc, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"), InlineData(OtlpProtocol.HttpProtobuf, "/v1/traces", "/v1/metrics")]
    public async Task Traces_and_metrics_are_sent(OtlpProtocol protocol, string traces, string metrics)
    {
        await using Collector collector = await Collector.StartAsync(protocol);
        Server server = new(options => options with { OtlpEndpoint = collector.Address, OtlpProtocol = protocol });
        await using (server)
        {
            await server.InitializeAsync();
            using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent("""{"messages":[{"role":"user","content":"a secret"}],"max_tokens":3,"ignore_eos":true}""", Encoding.UTF8, "application/json") };
            request.Headers.Add("traceparent", $"00-{TraceId}-b7ad6b7169203331-01");
            request.Headers.Add("X-Request-Id", "request-of-the-test");
            Assert.Equal(200, (await Answer.Of(await server.Client.SendAsync(request, TestContext.Current.CancellationToken))).Status);
            (await server.Client.Post("/v1/completions", """{"prompt":"a","max_tokens":0}""")).AssertError(400, "max_tokens");
        }
        // The end of the server has sent what was left.
        byte[] sent = Sent(collector, traces);
        foreach (string text in (string[])["lapidary", "generate gemma4-tiny", "POST /v1/chat/completions", "gen_ai.usage.output_tokens", "gen_ai.response.finish_reasons", "lapidary.request.id", "request-of-the-test", "lapidary.prefill.seconds"])
            AssertHolds(sent, Encoding.UTF8.GetBytes(text), text);
        AssertHolds(sent, Convert.FromHexString(TraceId), "the caller's trace");
        Assert.True(sent.AsSpan().IndexOf("a secret"u8) < 0, "the prompt is in the trace");
        sent = Sent(collector, metrics);
        foreach (string text in (string[])["lapidary.requests.running", "lapidary.kv_cache.usage", "lapidary.tokens.generation", "gen_ai.server.request.duration", "gen_ai.server.time_to_first_token", "http.server.request.duration", "kestrel.active_connections"])
            AssertHolds(sent, Encoding.UTF8.GetBytes(text), text);
    }

    [Fact]
    public async Task Nothing_is_sent_unless_an_address_is_given()
    {
        await using Collector collector = await Collector.StartAsync(OtlpProtocol.HttpProtobuf);
        await using (Server server = new())
        {
            await server.InitializeAsync();
            Assert.Equal(200, (await server.Client.Post("/v1/completions", """{"prompt":"a","max_tokens":1}""")).Status);
        }
        Assert.Empty(collector.Received);
    }

    [Fact]
    public async Task A_collector_that_is_gone_harms_nobody()
    {
        Uri gone;
        await using (Collector collector = await Collector.StartAsync(OtlpProtocol.HttpProtobuf)) gone = collector.Address;
        await using Server server = new(options => options with { OtlpEndpoint = gone, OtlpProtocol = OtlpProtocol.HttpProtobuf });
        await server.InitializeAsync();
        Assert.Equal(200, (await server.Client.Post("/v1/completions", """{"prompt":"a","max_tokens":1}""")).Status);
    }

    private static byte[] Sent(Collector collector, string path)
    {
        byte[][] bodies = [.. collector.Received.Where(received => received.Path == path).Select(received => received.Body)];
        Assert.True(bodies.Length > 0, $"nothing was sent to {path}, but to {string.Join(", ", collector.Received.Select(received => received.Path).Distinct())}");
        return [.. bodies.SelectMany(body => body)];
    }

    private static void AssertHolds(byte[] sent, byte[] part, string what) => Assert.True(sent.AsSpan().IndexOf(part) >= 0, $"{what} was not sent");
}
