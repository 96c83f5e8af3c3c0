using System.Diagnostics;
using System.Text.Json;
using System.Xml.Linq;
using Lapidary.Cli.Load;
using Lapidary.Cli.Reports;

namespace Lapidary.Tests.Load;

/// <summary>The load client: what it sends, what it counts, and what it makes of the times.</summary>
public sealed class LoadTests
{
    private static LoadPlan Plan(Uri url, int requests = 6) => new() { BaseUrl = url, Requests = requests, InputTokens = 45, OutputTokens = 9, Timeout = TimeSpan.FromMinutes(5) };

    private static async Task<LoadReport> Run(LoadPlan plan)
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        using LoadClient client = new(plan);
        string model = plan.Model ?? await client.FirstModelAsync(cancel);
        TokenRate rate = await client.TokenRateAsync(model, cancel) ?? TokenRate.Typical;
        int last = 0;
        RequestTiming[] timings = await LoadRun.RunAsync(plan, client, model, PromptMix.Create(plan, rate), (done, _) => Interlocked.Increment(ref last), cancel);
        Assert.Equal(plan.Requests, last);
        return new LoadReport(plan, model, timings, DateTimeOffset.UnixEpoch);
    }

    private static IEnumerable<string> Four(int _) =>
        [ScriptedServer.Chunk(""), ScriptedServer.Chunk("a"), ScriptedServer.Chunk("b"), """{"choices":[{"delta":{"reasoning_content":"c"}}]}""", """{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}""", """{"choices":[{"delta":{},"finish_reason":"stop"}]}""", ScriptedServer.Usage(45, 8), "[DONE]"];

    [Fact]
    public async Task Every_text_is_timed_and_the_servers_usage_counts_tokens()
    {
        using ScriptedServer server = new(Four);
        LoadReport report = await Run(Plan(server.Address) with { MaxConcurrency = 2, IgnoreEos = true, Temperature = 0.5 });
        Assert.Equal((6, 0), (report.Good.Count, report.Failed));
        Assert.Equal((6 * 45, 6 * 8), (report.InputTokens, report.OutputTokens));
        Assert.All(report.Timings, t => Assert.Equal(3, t.Itls.Count)); // the empty first event and the last ones carry no text
        Assert.All(report.Timings, t => Assert.True(t.Ttft > 0 && t.Latency >= t.Ttft + t.Itls.Sum() && t.Tpot == (t.Latency - t.Ttft) / 7));
        Assert.InRange(server.MostAtATime, 1, 2);
        Assert.InRange(report.MaxConcurrent, 1, 2);
        Assert.Equal("scripted", report.Model);
        JsonElement body = server.Bodies[0];
        Assert.Equal(9, body.GetProperty("max_completion_tokens").GetInt32());
        Assert.True(body.GetProperty("ignore_eos").GetBoolean() && body.GetProperty("stream_options").GetProperty("include_usage").GetBoolean());
        Assert.Equal(0.5, body.GetProperty("temperature").GetDouble());
        Assert.Equal(20, body.GetProperty("messages")[0].GetProperty("content").GetString()!.Split(' ').Length); // 45 tokens: 2 a word and 5 around them
    }

    [Fact]
    public async Task Without_usage_each_text_counts_as_a_token()
    {
        using ScriptedServer server = new(_ => ["""{"choices":[{"text":"a"}]}""", """{"choices":[{"text":"b"}]}""", "[DONE]"]) { TellsUsage = false };
        LoadReport report = await Run(Plan(server.Address, 3) with { Endpoint = LoadEndpoint.Completions });
        Assert.Equal(6, report.OutputTokens);
        Assert.Equal(9, server.Bodies[0].GetProperty("max_tokens").GetInt32());
        Assert.False(server.Bodies[0].TryGetProperty("ignore_eos", out _));
    }

    public static TheoryData<string, string[]> Broken() => new()
    {
        { "the stream broke off before [DONE]", [ScriptedServer.Chunk("a")] },
        { "the answer has no text", [ScriptedServer.Usage(1, 0), "[DONE]"] },
        { "out of memory", [ScriptedServer.Chunk("a"), """{"error":{"message":"out of memory"}}""", "[DONE]"] },
        { "an event is not JSON: \"{\"", [ScriptedServer.Chunk("a"), "{"] },
    };

    [Theory, MemberData(nameof(Broken))]
    public async Task A_stream_that_breaks_is_a_failure(string reason, string[] events)
    {
        using ScriptedServer server = new(n => n == 1 ? events : Four(n));
        LoadReport report = await Run(Plan(server.Address) with { MaxConcurrency = 1, Goodput = new Goodput(1e6, null, null) });
        Assert.Equal((5, 1), (report.Good.Count, report.Failed));
        Assert.Equal([(reason, 1)], report.Errors);
        Assert.Equal(5 * 8, report.OutputTokens);
        Assert.Equal(report.RequestThroughput, report.RequestGoodput);
    }

    [Fact]
    public async Task A_refusal_is_a_failure_with_the_servers_words()
    {
        using ScriptedServer server = new(Four) { Status = 429 };
        LoadReport report = await Run(Plan(server.Address));
        Assert.Equal([("429: no more today", 6)], report.Errors);
        Assert.Equal(0, report.OutputThroughput);
        _ = LoadPage.Of(report).ToString();
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_named()
    {
        using ScriptedServer gone = new(Four);
        gone.Dispose();
        using LoadClient client = new(Plan(gone.Address));
        Assert.Contains("cannot be reached", (await Assert.ThrowsAsync<RequestException>(() => client.FirstModelAsync(TestContext.Current.CancellationToken))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_named()
    {
        using ScriptedServer server = new(Four) { Open = new TaskCompletionSource().Task };
        using LoadClient client = new(Plan(server.Address) with { Timeout = TimeSpan.FromSeconds(0.2) });
        Task<string> model = client.FirstModelAsync(TestContext.Current.CancellationToken);
        Assert.Contains("did not answer within 0.2 s (--timeout)", (await Assert.ThrowsAsync<RequestException>(() => model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_bound_holds_for_the_wait_and_the_stream_together()
    {
        TaskCompletionSource open = new();
        using ScriptedServer server = new(_ => Enumerable.Repeat(ScriptedServer.Chunk("a"), int.MaxValue)) { Open = open.Task };
        LoadPlan plan = Plan(server.Address) with { Timeout = TimeSpan.FromSeconds(600) };
        ManualTime time = new();
        using LoadClient client = new(plan, time);
        Task<RequestTiming> answer = client.SendAsync("m", new LoadPrompt("a b", 9), Stopwatch.StartNew(), TestContext.Current.CancellationToken);
        await Until(() => server.Bodies.Count == 1);
        time.Advance(0.9 * plan.Timeout);
        open.SetResult();
        await Until(() => server.Sent >= 20);
        Assert.False(answer.IsCompleted);
        time.Advance(0.2 * plan.Timeout);
        Assert.Equal("no answer within 600 s", (await answer.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken)).Error);
    }

    private static async Task Until(Func<bool> condition)
    {
        while (!condition()) await Task.Delay(1, TestContext.Current.CancellationToken);
    }

    /// <summary>Time that passes when it is told to.</summary>
    private sealed class ManualTime : TimeProvider
    {
        private readonly List<Alarm> alarms = [];
        private TimeSpan now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Alarm alarm = new(this, () => callback(state));
            alarm.Change(dueTime, period);
            alarms.Add(alarm);
            return alarm;
        }

        public void Advance(TimeSpan passed)
        {
            now += passed;
            foreach (Alarm alarm in alarms.Where(alarm => alarm.Due <= now).ToArray()) alarm.Ring();
        }

        private sealed class Alarm(ManualTime time, Action ring) : ITimer
        {
            public TimeSpan? Due { get; private set; }

            public void Ring()
            {
                Due = null;
                ring();
            }

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : time.now + dueTime;
                return true;
            }

            public void Dispose() => Due = null;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }

    /// <summary>NumPy: percentile(x, [50, 90, 95, 99]), mean, std of 1, 2, 3, 4, 10.</summary>
    [Fact]
    public void Percentiles_are_NumPys()
    {
        LatencySummary s = LatencySummary.Of(((double[])[10, 1, 3, 2, 4]).Select(ms => ms / 1e3));
        Assert.Equal([4.0, 3.0, 3.1622776601683795, 7.6, 8.8, 9.76], ((double[])[s.Mean, s.Median, s.Std, s.P90, s.P95, s.P99]).Select(x => Math.Round(x, 10)), (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal(0, LatencySummary.Of([]).P99);
        Assert.Equal(7, LatencySummary.Of([0.007]).P99);
    }

    [Fact]
    public void Goodput_counts_what_keeps_every_limit()
    {
        RequestTiming timing = new(0, Ttft: 0.1, [0.01, 0.01], Latency: 0.5, 10, OutputTokens: 3, null);
        Assert.True(Goodput.Parse("ttft:100, tpot:200,e2el:500").IsMetBy(timing));
        Assert.False(Goodput.Parse("ttft:99").IsMetBy(timing));
        Assert.False(Goodput.Parse("tpot:199").IsMetBy(timing));
        Assert.False(Goodput.Parse("e2el:499.9").IsMetBy(timing));
        Assert.False(Goodput.Parse(null).IsSet);
        Assert.False(Goodput.Parse("ttft:100").IsMetBy(timing with { Error = "x" }));
        foreach (string wrong in (string[])["x:1", "ttft", "ttft:", "ttft:-1", "ttft:nan", "ttft:1:2"])
            Assert.Contains("expected ttft, tpot or e2el", Assert.Throws<RequestException>(() => Goodput.Parse(wrong)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Prompts_share_prefixes_vary_in_length_and_repeat_with_their_seed()
    {
        LoadPlan plan = Plan(new Uri("http://x"), 200) with { InputTokens = 100, OutputTokens = 50, RangeRatio = 0.5, PrefixTokens = 40, Prefixes = 3 };
        TokenRate rate = new(2, 10);
        LoadPrompt[] prompts = PromptMix.Create(plan, rate);
        Assert.Equal(prompts, PromptMix.Create(plan, rate));
        Assert.NotEqual(prompts, PromptMix.Create(plan with { Seed = 1 }, rate));
        Assert.Equal(3, prompts.Select(p => string.Join(' ', p.Text.Split(' ')[..20])).Distinct().Count());
        Assert.Equal(200, prompts.Select(p => p.Text).Distinct().Count());
        Assert.All(prompts, p => Assert.InRange(p.OutputTokens, 25, 75));
        Assert.All(prompts, p => Assert.InRange(p.Text.Split(' ').Length, 20 + 25 - 5, 20 + 75 - 5));
        Assert.True(prompts.Max(p => p.OutputTokens) > 70 && prompts.Min(p => p.OutputTokens) < 30);
    }

    [Fact]
    public void The_token_rate_follows_from_two_prompts()
    {
        Assert.Equal(new TokenRate(1.5, 6), TokenRate.Of((8, 18), (40, 66)));
        Assert.Equal(TokenRate.Typical, TokenRate.Of((8, 18), (40, 18))); // a server that makes its usage up
    }

    /// <summary>A gamma distribution of shape b and mean 1 / rate has the variance 1 / (b · rate²).</summary>
    [Theory]
    [InlineData(0.2), InlineData(1.0), InlineData(1.5), InlineData(40.0)]
    public void Arrivals_keep_their_rate_and_come_as_evenly_as_asked(double burstiness)
    {
        const double rate = 50;
        double[] times = [.. Arrivals.Of(rate, burstiness, new Random(1)).Take(200_001)];
        double[] gaps = [.. times.Zip(times.Skip(1), (before, after) => after - before)];
        Assert.Equal(0, times[0]);
        Assert.All(gaps, gap => Assert.True(gap >= 0));
        double mean = gaps.Average(), variance = gaps.Average(gap => (gap - mean) * (gap - mean));
        Assert.InRange(mean * rate, 0.98, 1.02);
        Assert.InRange(variance * rate * rate * burstiness, 0.95, 1.05);
    }

    [Theory]
    [InlineData("error: --request-rate is \"fast\", expected requests per second, or inf", "--request-rate", "fast")]
    [InlineData("error: --burstiness needs --request-rate", "--request-rate", "inf", "--burstiness", "2")]
    [InlineData("error: --burstiness is 0, expected 0.001 to", "--request-rate", "5", "--burstiness", "0")]
    [InlineData("error: http://127.0.0.1:1/ cannot be reached", "--request-rate", "inf")]
    [InlineData("error: http://127.0.0.1:1/ cannot be reached", "--request-rate", "2.5", "--burstiness", "0.5")]
    public void A_rate_is_read_as_vLLM_reads_it(string says, params string[] arguments)
        => Assert.StartsWith(says, Lapidary.Tests.Cli.LapidaryProcess.Run(["bench", "serve", "--base-url", "http://127.0.0.1:1", .. arguments]).Error, StringComparison.Ordinal);

    [Fact]
    public async Task The_report_is_complete_JSON_and_one_page_without_anything_from_outside()
    {
        using ScriptedServer server = new(n => n == 2 ? ["""{"error":{"message":"<script>&"}}"""] : Four(n));
        LoadReport report = await Run(Plan(server.Address) with { RequestRate = 1e5 });
        JsonElement json = JsonDocument.Parse(report.ToJson().ToJsonString()).RootElement;
        foreach (string name in (string[])["mean_ttft_ms", "median_tpot_ms", "p99_itl_ms", "p99_e2el_ms", "request_throughput", "output_throughput", "total_token_throughput"])
            Assert.True(json.GetProperty(name).GetDouble() > 0, name);
        Assert.Equal(5, json.GetProperty("completed").GetInt32());
        Assert.Equal(6, json.GetProperty("itls").GetArrayLength());
        string page = LoadPage.Of(report).ToString();
        XElement html = XElement.Parse(page[page.IndexOf("<html", StringComparison.Ordinal)..]);
        Assert.Equal(6, html.Descendants("svg").Count());
        Assert.DoesNotContain(html.Descendants(), e => e.Name.LocalName is "script" or "link" or "img");
        Assert.DoesNotContain(html.Descendants().Attributes(), a => a.Name.LocalName is "src" or "href");
        Assert.DoesNotContain("NaN", page, StringComparison.Ordinal);
    }
}
