using System.Diagnostics.Metrics;
using System.Globalization;
using Lapidary.KvCache;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Server.Metrics;

/// <summary>
/// What the server measures. Names and buckets are vLLM's, so that dashboards, the Kubernetes inference gateway and llm-d read
/// them as they are; the same values go to OpenTelemetry under its own names.
/// </summary>
internal sealed class ServerMetrics : IDisposable
{
    public const string MeterName = "Lapidary";

    private static readonly double[] FirstTokenBounds =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];
    private static readonly double[] TokenBounds = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
    private static readonly double[] LatencyBounds = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

    // As far as token counts go: the longest context of any Gemma 4.
    private static readonly IReadOnlyList<double> CountBounds = Histogram.OneTwoFive(262_144);

    private readonly Meter meter = new(MeterName);
    private readonly Histogram<double> duration, firstToken, perToken;

    private readonly Histogram timeToFirstToken = new("vllm:time_to_first_token_seconds", "Time from arrival to the first token.", FirstTokenBounds);
    private readonly Histogram interTokenLatency = new("vllm:inter_token_latency_seconds", "Time between tokens of a choice.", TokenBounds);
    private readonly Histogram timePerOutputToken = new("vllm:request_time_per_output_token_seconds", "Mean time between tokens of a choice.", TokenBounds);
    private readonly Histogram endToEnd = new("vllm:e2e_request_latency_seconds", "Time from arrival to the last token.", LatencyBounds);
    private readonly Histogram queued = new("vllm:request_queue_time_seconds", "Time in the queue.", LatencyBounds);
    private readonly Histogram inference = new("vllm:request_inference_time_seconds", "Time from the first step to the last token.", LatencyBounds);
    private readonly Histogram prefill = new("vllm:request_prefill_time_seconds", "Time from the first step to the first token.", LatencyBounds);
    private readonly Histogram decode = new("vllm:request_decode_time_seconds", "Time from the first token to the last.", LatencyBounds);
    private readonly Histogram promptTokens = new("vllm:request_prompt_tokens", "Tokens of the prompt.", CountBounds);
    private readonly Histogram generationTokens = new("vllm:request_generation_tokens", "Tokens of output of a choice.", CountBounds);
    private readonly Histogram maxGenerationTokens = new("vllm:request_max_num_generation_tokens", "Most tokens of output among the choices of a request.", CountBounds);
    private readonly Histogram paramsN = new("vllm:request_params_n", "The parameter n.", [1, 2, 5, 10, 20]);
    private readonly Histogram paramsMaxTokens = new("vllm:request_params_max_tokens", "The parameter max_tokens.", CountBounds);

    public ServerMetrics()
    {
        duration = meter.CreateHistogram<double>("gen_ai.server.request.duration", "s");
        firstToken = meter.CreateHistogram<double>("gen_ai.server.time_to_first_token", "s");
        perToken = meter.CreateHistogram<double>("gen_ai.server.time_per_output_token", "s");
    }

    public void Started(InferenceRequest request)
    {
        promptTokens.Observe(request.PromptIds.Length);
        paramsN.Observe(request.Sampling.N);
        if (request.Sampling.MaxTokens is { } most) paramsMaxTokens.Observe(most);
    }

    public void FirstToken(TimeSpan sinceArrival)
    {
        timeToFirstToken.Observe(sinceArrival.TotalSeconds);
        firstToken.Record(sinceArrival.TotalSeconds);
    }

    public void NextToken(TimeSpan sinceLast) => interTokenLatency.Observe(sinceLast.TotalSeconds);

    public void Finished(Completion completion)
    {
        RequestTimings timings = completion.Timings;
        endToEnd.Observe(timings.Total.TotalSeconds);
        queued.Observe(timings.Queued.TotalSeconds);
        inference.Observe((timings.Prefill + timings.Decode).TotalSeconds);
        prefill.Observe(timings.Prefill.TotalSeconds);
        decode.Observe(timings.Decode.TotalSeconds);
        generationTokens.Observe(completion.Usage.CompletionTokens);
        duration.Record(timings.Total.TotalSeconds);
        if (completion.Usage.CompletionTokens < 2) return;
        double mean = timings.Decode.TotalSeconds / (completion.Usage.CompletionTokens - 1);
        timePerOutputToken.Observe(mean);
        perToken.Record(mean);
    }

    public void RequestFinished(int mostTokens) => maxGenerationTokens.Observe(mostTokens);

    /// <summary>Lets OpenTelemetry read the engine's gauges and counters too.</summary>
    public void Observe(ServedModel model)
    {
        EngineStatistics Now() => model.Engine.Statistics;
        meter.CreateObservableGauge("lapidary.requests.running", () => Now().Running);
        meter.CreateObservableGauge("lapidary.requests.waiting", () => Now().Waiting);
        meter.CreateObservableGauge("lapidary.kv_cache.usage", () => Now().KvCacheUsage);
        meter.CreateObservableCounter("lapidary.preemptions", () => Now().Preemptions);
        meter.CreateObservableCounter("lapidary.tokens.prompt", () => Now().PromptTokens);
        meter.CreateObservableCounter("lapidary.tokens.generation", () => Now().GenerationTokens);
        if (model.Model.Speculative is null) return;
        meter.CreateObservableCounter("lapidary.tokens.draft", () => Now().Speculation.NumDraftTokens);
        meter.CreateObservableCounter("lapidary.tokens.draft_accepted", () => Now().Speculation.NumAcceptedTokens);
    }

    public string ToPrometheus(ServedModel model)
    {
        EngineStatistics now = model.Engine.Statistics;
        PrometheusText text = new(("model_name", model.Names[0]), ("engine", "0"));
        text.Gauge("vllm:num_requests_running", "Choices that are being computed.", now.Running);
        text.Gauge("vllm:num_requests_waiting", "Choices that wait.", now.Waiting);
        text.Gauge("vllm:num_requests_waiting_by_reason", "Choices that wait, all of them for a place in the batch.", now.Waiting, ("reason", "capacity"));
        text.Gauge("vllm:kv_cache_usage_perc", "Share of the cache that running texts hold, 0 to 1.", now.KvCacheUsage);
        text.Gauge("vllm:lora_requests_info", "Adapters in use.", DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            ("max_lora", model.Model.Adapters.Slots.ToString(CultureInfo.InvariantCulture)),
            ("running_lora_adapters", string.Join(',', model.Model.Adapters.Loaded.Where(adapter => adapter.Running > 0).Select(adapter => adapter.Name))),
            ("waiting_lora_adapters", string.Join(',', model.Model.Adapters.Loaded.Where(adapter => adapter.Waiting > 0).Select(adapter => adapter.Name))));
        CacheGroup full = model.Model.Cache.Groups[KeyValueCache.FullGroup];
        long tokens = (long)full.Pool.Blocks * full.BlockSize;
        text.Gauge("vllm:cache_config_info", "Blocks of the cache.", 1,
            ("cache_dtype", model.Model.Cache.Type.Name()), ("block_size", full.BlockSize.ToString(CultureInfo.InvariantCulture)), ("num_gpu_blocks", full.Pool.Blocks.ToString(CultureInfo.InvariantCulture)),
            ("kv_cache_size_tokens", tokens.ToString(CultureInfo.InvariantCulture)), ("kv_cache_max_concurrency", ((double)tokens / model.ContextLength).ToString("0.##", CultureInfo.InvariantCulture)));
        text.Counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.", now.PrefixCacheQueries);
        text.Counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", now.PrefixCacheHits);
        text.Counter("vllm:num_preemptions_total", "Choices that gave up their place in the cache for a while.", now.Preemptions);
        text.Counter("vllm:prompt_tokens_total", "Tokens of prompts.", now.PromptTokens);
        text.Counter("vllm:generation_tokens_total", "Tokens of output.", now.GenerationTokens);
        text.Counters("vllm:request_success_total", "Choices that ended.", "finished_reason",
            ("stop", now.FinishedStop), ("length", now.FinishedLength), ("abort", now.FinishedAbort), ("error", now.FinishedError));
        text.Counter("vllm:corrupted_requests_total", "Choices whose logits were not numbers.", now.CorruptedRequests);
        text.Counter("vllm:admission_rejections_total", "Requests refused because too many waited.", now.Rejections);
        if (model.Model.Speculative is { } speculative) Write(text, now.Speculation, speculative.NumSpeculativeTokens);
        text.Histogram("vllm:iteration_tokens_total", "Tokens of a step.", StepTokens.Bounds, now.StepTokens.Counts, now.StepTokens.Sum);
        text.Histogram(interTokenLatency, "vllm:time_per_output_token_seconds"); // the older name
        foreach (Histogram histogram in (Histogram[])[timeToFirstToken, interTokenLatency, timePerOutputToken, endToEnd, queued, inference, prefill, decode,
            promptTokens, generationTokens, maxGenerationTokens, paramsN, paramsMaxTokens])
            text.Histogram(histogram);
        return text.ToString();
    }

    /// <summary>Only where drafts are made, as in vLLM.</summary>
    private static void Write(PrometheusText text, SpeculationStatistics drafts, int mostTokens)
    {
        text.Counter("vllm:spec_decode_num_drafts_total", "Drafts that were computed.", drafts.NumDrafts);
        text.Counter("vllm:spec_decode_num_draft_tokens_total", "Tokens of drafts that were computed.", drafts.NumDraftTokens);
        text.Counter("vllm:spec_decode_num_accepted_tokens_total", "Tokens of drafts that became text.", drafts.NumAcceptedTokens);
        text.Counters("vllm:spec_decode_num_accepted_tokens_per_pos_total", "Tokens of drafts that became text, by place in the draft.", "position",
            [.. drafts.NumAcceptedTokensPerPosition.Take(mostTokens).Select((accepted, position) => (position.ToString(CultureInfo.InvariantCulture), accepted))]);
    }

    public void Dispose() => meter.Dispose();
}
