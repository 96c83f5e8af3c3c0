using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Lapidary.Scheduling;

namespace Lapidary.Server.Tests;

/// <summary>What operators rely on: readiness, metrics, limits, deadlines, clients that leave or do not read, the end.</summary>
public sealed class OperationTests
{
    private const string Chat = "/v1/chat/completions", User = "\"messages\":[{\"role\":\"user\",\"content\":\"Write a story about a cat named Tom.\"}]";
    private const string Long = $"{{{User},\"max_tokens\":1900,\"ignore_eos\":true}}", Short = $"{{{User},\"max_tokens\":2}}";
    private const string LongStream = $"{{{User},\"max_tokens\":1900,\"ignore_eos\":true,\"stream\":true}}";

    private static async Task<Server> Start(Func<ServerOptions, ServerOptions>? configure = null, EngineOptions? limits = null)
    {
        Server server = new(configure ?? (options => options), limits);
        await server.InitializeAsync();
        return server;
    }

    private static HttpRequestMessage Request(string body) => new(HttpMethod.Post, Chat) { Content = new StringContent(body, Encoding.UTF8, "application/json") };

    private static async Task Until(Func<bool> condition)
    {
        for (long start = Stopwatch.GetTimestamp(); !condition(); await Task.Delay(5, TestContext.Current.CancellationToken))
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > 30) Assert.Fail("it did not happen within 30 s");
    }

    private static async Task<Dictionary<string, double>> Metrics(Server server)
    {
        Answer answer = await server.Client.Get("/metrics");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.ContentHeaders.ContentType?.ToString());
        Dictionary<string, double> values = [];
        foreach (string line in answer.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.StartsWith('#')))
        {
            int space = line.LastIndexOf(' ');
            Assert.Contains("model_name=\"gemma4-tiny\",engine=\"0\"", line, StringComparison.Ordinal);
            values.Add(line[..space].Replace("model_name=\"gemma4-tiny\",engine=\"0\"", "", StringComparison.Ordinal).Replace("{,", "{", StringComparison.Ordinal).Replace("{}", "", StringComparison.Ordinal), double.Parse(line[(space + 1)..], CultureInfo.InvariantCulture));
        }
        return values;
    }

    [Fact]
    public async Task A_server_that_loads_is_alive_and_not_ready()
    {
        await using Server server = new(options => options);
        await server.ListenAsync();
        Assert.Equal(200, (await server.Client.Get("/health")).Status);
        foreach (string path in (string[])["/ready", "/v1/models", "/metrics"]) (await server.Client.Get(path)).AssertError(503, null, "model_loading");
        Answer chat = await server.Client.Post(Chat, Short);
        chat.AssertError(503, null, "model_loading");
        Assert.NotNull(chat.Headers.RetryAfter);
        server.Load();
        Assert.Equal(200, (await server.Client.Get("/ready")).Status);
        Assert.Equal(200, (await server.Client.Post(Chat, Short)).Status);
    }

    [Fact]
    public async Task Metrics_have_vLLMs_names_and_count_what_happened()
    {
        await using Server server = await Start();
        Assert.Equal(200, (await server.Client.Post(Chat, $"{{{User},\"max_tokens\":5,\"temperature\":0}}")).Status);
        Assert.Equal(200, (await server.Client.Post(Chat, $"{{{User},\"max_tokens\":5,\"n\":2}}")).Status);
        Dictionary<string, double> metrics = await Metrics(server);
        foreach (string name in (string[])["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "prefix_cache_queries_total", "prefix_cache_hits_total", "num_preemptions_total",
            "prompt_tokens_total", "generation_tokens_total", "corrupted_requests_total", "admission_rejections_total", "time_to_first_token_seconds_count", "inter_token_latency_seconds_sum",
            "e2e_request_latency_seconds_count", "request_queue_time_seconds_count", "request_inference_time_seconds_count", "request_prefill_time_seconds_count", "request_decode_time_seconds_count",
            "request_prompt_tokens_sum", "request_generation_tokens_sum", "request_max_num_generation_tokens_count", "request_params_n_sum", "request_params_max_tokens_sum"])
            Assert.Contains($"vllm:{name}", metrics.Keys);
        Assert.Equal(0, metrics["vllm:num_requests_running"]);
        Assert.Equal(0, metrics["vllm:num_requests_waiting"]);
        Assert.Equal(15, metrics["vllm:generation_tokens_total"]);
        Assert.Equal(15, metrics["vllm:request_generation_tokens_sum"]);
        Assert.Equal(3, metrics["vllm:request_success_total{finished_reason=\"length\"}"]);
        Assert.Equal(3, metrics["vllm:e2e_request_latency_seconds_bucket{le=\"+Inf\"}"]);
        Assert.Equal(2, metrics["vllm:time_to_first_token_seconds_count"]);
        Assert.Equal(12, metrics["vllm:inter_token_latency_seconds_count"]);
        Assert.Equal(3, metrics["vllm:request_params_n_sum"]);
        Assert.Equal(1, metrics["vllm:request_params_n_bucket{le=\"1.0\"}"]);
        Assert.Single(metrics.Keys, key => key.StartsWith("vllm:cache_config_info{cache_dtype=\"f32\",block_size=\"16\",num_gpu_blocks=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_client_that_leaves_frees_its_place()
    {
        await using Server server = await Start(limits: new EngineOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = 64 });
        foreach (string body in (string[])[Long, LongStream])
        {
            using CancellationTokenSource leave = new();
            Task<HttpResponseMessage> running = server.Client.SendAsync(Request(body), HttpCompletionOption.ResponseContentRead, leave.Token);
            Task<HttpResponseMessage> queued = server.Client.SendAsync(Request(body), HttpCompletionOption.ResponseContentRead, leave.Token);
            await Until(() => server.Statistics is { Running: 1, Waiting: 1 });
            long before = server.Statistics.GenerationTokens;
            await leave.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queued);
            await Until(() => server.Statistics is { Running: 0, Waiting: 0, KvCacheUsage: 0 });
            Assert.InRange(server.Statistics.GenerationTokens - before, 0, 1800);
        }
        Assert.Equal(4, server.Statistics.FinishedAbort);
        Assert.Equal(200, (await server.Client.Post(Chat, Short)).Status);
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_cut_off_and_hurts_nobody()
    {
        await using Server server = await Start(options => options with { WriteTimeout = TimeSpan.FromMilliseconds(300) });
        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 1024 };
        await socket.ConnectAsync(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port);
        // A token with many alternatives takes kilobytes: far more than the buffers of the connection hold.
        string body = $"{{{User},\"max_tokens\":1900,\"ignore_eos\":true,\"stream\":true,\"logprobs\":true,\"top_logprobs\":20,\"n\":4}}";
        await socket.SendAsync(Encoding.UTF8.GetBytes($"POST {Chat} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        await Until(() => server.Statistics.Running > 0);
        Assert.Equal(200, (await server.Client.Post(Chat, Short)).Status);
        await Until(() => server.Statistics is { Running: 0, Waiting: 0 });
        Assert.Equal(4, server.Statistics.FinishedAbort);
    }

    [Fact]
    public async Task More_requests_than_allowed_are_503_with_a_time_to_come_back()
    {
        await using Server server = await Start(options => options with { MaxConcurrentRequests = 2 });
        using CancellationTokenSource leave = new();
        Task<HttpResponseMessage>[] running = [.. Enumerable.Range(0, 2).Select(_ => server.Client.SendAsync(Request(Long), leave.Token))];
        await Until(() => server.Statistics.Running == 2);
        Answer third = await server.Client.Post(Chat, Short);
        third.AssertError(503, null, "overloaded");
        Assert.NotNull(third.Headers.RetryAfter);
        await leave.CancelAsync();
        foreach (Task<HttpResponseMessage> left in running) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await Until(() => server.Statistics.Running == 0);
        Assert.Equal(200, (await server.Client.Post(Chat, Short)).Status);
    }

    [Fact]
    public async Task A_full_queue_is_503()
    {
        await using Server server = await Start(limits: new EngineOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = 64, MaxWaiting = 1 });
        using CancellationTokenSource leave = new();
        Task<HttpResponseMessage>[] running = [.. Enumerable.Range(0, 2).Select(_ => server.Client.SendAsync(Request(Long), leave.Token))];
        await Until(() => server.Statistics is { Running: 1, Waiting: 1 });
        Answer third = await server.Client.Post(Chat, Short);
        third.AssertError(503, null, "queue_full");
        Assert.NotNull(third.Headers.RetryAfter);
        Assert.Equal(1, (await Metrics(server))["vllm:admission_rejections_total"]);
        await leave.CancelAsync();
        foreach (Task<HttpResponseMessage> left in running) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
    }

    /// <summary>Not 503, which would have the client try again for ever.</summary>
    [Theory]
    [InlineData("/v1/completions", "prompt", """{"prompt":["a","b","c"],"max_tokens":1}""")]
    [InlineData("/v1/completions", "n", """{"prompt":"a","max_tokens":1,"n":3}""")]
    [InlineData("/v1/completions", "prompt", """{"prompt":["a","b"],"max_tokens":1,"n":2}""")]
    [InlineData("/v1/embeddings", "input", """{"input":["a","b","c"]}""")]
    [InlineData(Chat, "n", """{"messages":[{"role":"user","content":"a"}],"max_tokens":1,"n":3}""")]
    public async Task More_texts_in_one_request_than_ever_fit_are_400(string path, string param, string body)
    {
        await using Server server = await Start(limits: new EngineOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = 64, MaxWaiting = 1 });
        Answer refused = await server.Client.Post(path, body);
        refused.AssertError(400, param);
        Assert.Matches("[34] texts at once, .* more than 2 ", refused.Error["message"]!.GetValue<string>());
        Assert.Equal(200, (await server.Client.Post("/v1/completions", """{"prompt":["a","b"],"max_tokens":1}""")).Status);
    }

    [Fact]
    public async Task Faster_than_the_rate_limit_is_429_for_that_client_only()
    {
        await using Server server = await Start(options => options with { RequestsPerMinute = 2, ApiKeys = ["a", "b"] });
        async Task<Answer> Ask(string key)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models") { Headers = { { "Authorization", $"Bearer {key}" } } };
            return await Answer.Of(await server.Client.SendAsync(request));
        }
        for (int i = 0; i < 2; i++) Assert.Equal(200, (await Ask("a")).Status);
        Answer third = await Ask("a");
        third.AssertError(429, null, "rate_limit_exceeded");
        Assert.InRange(third.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Equal(200, (await Ask("b")).Status);
        for (int i = 0; i < 5; i++) Assert.Equal(200, (await server.Client.Get("/health")).Status); // probes are not counted
    }

    [Fact]
    public async Task A_request_past_its_deadline_is_504_or_an_error_event()
    {
        await using Server server = await Start(options => options with { RequestTimeout = TimeSpan.FromMilliseconds(100) }, new EngineOptions { MaxNumSeqs = 8 });
        Task<Answer>[] whole = [.. Enumerable.Range(0, 8).Select(_ => server.Client.Post(Chat, Long))];
        foreach (Task<Answer> answer in whole) (await answer).AssertError(504, null, "request_timeout");
        using HttpResponseMessage streamed = await server.Client.SendAsync(Request(LongStream), HttpCompletionOption.ResponseHeadersRead);
        string text = await streamed.Content.ReadAsStringAsync();
        if (streamed.IsSuccessStatusCode) Assert.Matches("data: {\"error\":{.*\"code\":\"request_timeout\"}}\n\ndata: \\[DONE\\]\n\n$", text);
        else Assert.Equal(504, (int)streamed.StatusCode); // no token within the deadline
    }

    [Fact]
    public async Task A_request_that_waits_too_long_is_504()
    {
        await using Server server = await Start(options => options with { QueueTimeout = TimeSpan.FromMilliseconds(50) }, new EngineOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = 64 });
        using CancellationTokenSource leave = new();
        Task<HttpResponseMessage> running = server.Client.SendAsync(Request(Long), leave.Token);
        await Until(() => server.Statistics.Running == 1);
        (await server.Client.Post(Chat, Short)).AssertError(504, null, "request_timeout");
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Fact]
    public async Task The_end_lets_running_requests_finish_and_takes_no_new_ones()
    {
        await using Server server = await Start();
        Task<Answer> running = server.Client.Post(Chat, $"{{{User},\"max_tokens\":600,\"ignore_eos\":true}}");
        await Until(() => server.Statistics.Running == 1);
        Task stop = server.Http.StopAsync(TestContext.Current.CancellationToken);
        (await server.Client.Post(Chat, Short)).AssertError(503, null, "shutting_down");
        (await server.Client.Get("/ready")).AssertError(503, null, "shutting_down");
        Assert.Equal(200, (await server.Client.Get("/health")).Status);
        Answer answer = await running;
        Assert.Equal((200, 600), (answer.Status, answer.Json["usage"]!["completion_tokens"]!.GetValue<int>()));
        await stop;
        await Assert.ThrowsAsync<HttpRequestException>(() => server.Client.Get("/health"));
    }

    [Theory, InlineData("bound"), InlineData("second signal")]
    public async Task The_end_cuts_off_what_takes_too_long(string reason)
    {
        await using Server server = await Start(options => options with { ShutdownTimeout = TimeSpan.FromSeconds(reason == "bound" ? 0.2 : 60) });
        Task<Answer> whole = server.Client.Post(Chat, Long);
        using HttpResponseMessage streamed = await server.Client.SendAsync(Request(LongStream), HttpCompletionOption.ResponseHeadersRead);
        await Until(() => server.Statistics.Running == 2);
        using CancellationTokenSource hurry = new();
        Task stop = server.Http.StopAsync(hurry.Token);
        if (reason != "bound") await hurry.CancelAsync();
        (await whole).AssertError(503, null, "shutting_down");
        Assert.Matches("data: {\"error\":{.*\"code\":\"shutting_down\"}}\n\ndata: \\[DONE\\]\n\n$", await streamed.Content.ReadAsStringAsync());
        await stop;
        await Until(() => server.Statistics.Running == 0);
    }

    [Fact]
    public async Task Web_pages_of_other_origins_are_let_in_by_name_only()
    {
        static async Task<Answer> Ask(Server server, HttpMethod method, string origin)
        {
            using HttpRequestMessage request = new(method, "/v1/models") { Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "GET" }, { "Access-Control-Request-Headers", "authorization" } } };
            return await Answer.Of(await server.Client.SendAsync(request));
        }
        await using Server closed = await Start(), open = await Start(options => options with { CorsOrigins = ["https://a.example"], ApiKeys = ["k"] });
        Assert.DoesNotContain((await Ask(closed, HttpMethod.Get, "https://a.example")).Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
        Answer preflight = await Ask(open, HttpMethod.Options, "https://a.example");
        Assert.Equal((204, "https://a.example"), (preflight.Status, preflight.Headers.GetValues("Access-Control-Allow-Origin").Single()));
        Assert.False((await Ask(open, HttpMethod.Options, "https://b.example")).Headers.Contains("Access-Control-Allow-Origin"));
        Answer refused = await Ask(open, HttpMethod.Get, "https://a.example");
        refused.AssertError(401, null);
        Assert.True(refused.Headers.Contains("Access-Control-Allow-Origin")); // so that the page can read the error
    }
}
