using System.Text.Json.Nodes;

namespace Lapidary.Cli.Load;

/// <summary>The result of a load test, in the terms of <c>vllm bench serve</c>.</summary>
internal sealed class LoadReport
{
    private readonly RequestTiming[] good;

    public LoadReport(LoadPlan plan, string model, IReadOnlyList<RequestTiming> timings, DateTimeOffset date)
    {
        (Plan, Model, Timings, Date) = (plan, model, timings, date);
        good = [.. timings.Where(t => t.Error is null)];
        Duration = timings.Count == 0 ? 0 : timings.Max(t => t.Ended) - timings.Min(t => t.Started);
        Ttft = LatencySummary.Of(good.Select(t => t.Ttft));
        Tpot = LatencySummary.Of(good.Where(t => t.OutputTokens > 1).Select(t => t.Tpot));
        Itl = LatencySummary.Of(good.SelectMany(t => t.Itls));
        E2el = LatencySummary.Of(good.Select(t => t.Latency));
    }

    public LoadPlan Plan { get; }
    public string Model { get; }
    public IReadOnlyList<RequestTiming> Timings { get; }
    public DateTimeOffset Date { get; }

    /// <summary>Seconds from the first request to the last end.</summary>
    public double Duration { get; }

    public IReadOnlyList<RequestTiming> Good => good;

    public int Failed => Timings.Count - good.Length;
    public long InputTokens => good.Sum(t => (long)t.InputTokens);
    public long OutputTokens => good.Sum(t => (long)t.OutputTokens);
    public double RequestThroughput => PerSecond(good.Length);
    public double? RequestGoodput => Plan.Goodput.IsSet ? PerSecond(good.Count(Plan.Goodput.IsMetBy)) : null;
    public double OutputThroughput => PerSecond(OutputTokens);
    public double TotalThroughput => PerSecond(InputTokens + OutputTokens);

    /// <summary>Most requests at a time.</summary>
    public int MaxConcurrent
    {
        get
        {
            int now = 0, most = 0;
            foreach ((_, int change) in Timings.SelectMany(t => ((double Time, int Change)[])[(t.Started, 1), (t.Ended, -1)]).OrderBy(e => e.Time).ThenBy(e => e.Change))
                most = Math.Max(most, now += change);
            return most;
        }
    }

    public LatencySummary Ttft { get; }
    public LatencySummary Tpot { get; }
    public LatencySummary Itl { get; }
    public LatencySummary E2el { get; }

    public IEnumerable<(string Name, string Key, LatencySummary Summary)> Latencies =>
        [("Time to first token", "ttft", Ttft), ("Time per output token", "tpot", Tpot), ("Inter-token latency", "itl", Itl), ("End-to-end latency", "e2el", E2el)];

    /// <summary>Why requests failed, the most frequent reason first.</summary>
    public IEnumerable<(string Reason, int Count)> Errors
        => Timings.Where(t => t.Error is not null).GroupBy(t => t.Error!).Select(g => (g.Key, g.Count())).OrderByDescending(e => e.Item2);

    /// <summary>With vLLM's names, so that what reads its files reads ours.</summary>
    public JsonObject ToJson()
    {
        JsonObject json = new()
        {
            ["date"] = Date.ToString("yyyyMMdd-HHmmss", System.Globalization.CultureInfo.InvariantCulture),
            ["endpoint_type"] = Plan.Endpoint == LoadEndpoint.Chat ? "openai-chat" : "openai",
            ["base_url"] = Plan.BaseUrl.ToString(),
            ["model_id"] = Model,
            ["num_prompts"] = Plan.Requests,
            ["request_rate"] = Plan.RequestRate is { } rate ? JsonValue.Create(rate) : JsonValue.Create("inf"),
            ["burstiness"] = Plan.Burstiness,
            ["max_concurrency"] = Plan.MaxConcurrency,
            ["input_len"] = Plan.InputTokens,
            ["output_len"] = Plan.OutputTokens,
            ["range_ratio"] = Plan.RangeRatio,
            ["prefix_len"] = Plan.PrefixTokens,
            ["num_prefixes"] = Plan.Prefixes,
            ["seed"] = Plan.Seed,
            ["duration"] = Duration,
            ["completed"] = good.Length,
            ["failed"] = Failed,
            ["total_input_tokens"] = InputTokens,
            ["total_output_tokens"] = OutputTokens,
            ["request_throughput"] = RequestThroughput,
            ["request_goodput"] = RequestGoodput,
            ["output_throughput"] = OutputThroughput,
            ["total_token_throughput"] = TotalThroughput,
            ["max_concurrent_requests"] = MaxConcurrent,
        };
        foreach ((_, string key, LatencySummary summary) in Latencies)
        {
            json[$"mean_{key}_ms"] = summary.Mean;
            json[$"median_{key}_ms"] = summary.Median;
            json[$"std_{key}_ms"] = summary.Std;
            json[$"p90_{key}_ms"] = summary.P90;
            json[$"p95_{key}_ms"] = summary.P95;
            json[$"p99_{key}_ms"] = summary.P99;
        }
        json["start_times"] = List(Timings.Select(t => (JsonNode?)t.Started));
        json["input_lens"] = List(Timings.Select(t => (JsonNode?)t.InputTokens));
        json["output_lens"] = List(Timings.Select(t => (JsonNode?)t.OutputTokens));
        json["ttfts"] = List(Timings.Select(t => (JsonNode?)t.Ttft));
        json["e2els"] = List(Timings.Select(t => (JsonNode?)t.Latency));
        json["itls"] = List(Timings.Select(t => (JsonNode?)List(t.Itls.Select(itl => (JsonNode?)itl))));
        json["errors"] = List(Timings.Select(t => (JsonNode?)(t.Error ?? "")));
        return json;
    }

    private static JsonArray List(IEnumerable<JsonNode?> items) => new([.. items]);

    private double PerSecond(double amount) => Duration > 0 ? amount / Duration : 0;
}
