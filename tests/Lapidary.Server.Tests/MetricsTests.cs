using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Server.Tests;

/// <summary>vLLM's metrics as dashboards and the Kubernetes inference gateway read them: name, type, labels.</summary>
public sealed class MetricsTests(Server server)
{
    /// <summary>Names as in vLLM's documentation, with the suffix that Prometheus' client gives counters.</summary>
    public static TheoryData<string, string> Names
    {
        get
        {
            TheoryData<string, string> names = [];
            foreach (string gauge in (string[])["num_requests_running", "num_requests_waiting", "num_requests_waiting_by_reason", "kv_cache_usage_perc", "lora_requests_info", "cache_config_info"]) names.Add(gauge, "gauge");
            foreach (string counter in (string[])["prefix_cache_queries", "prefix_cache_hits", "num_preemptions", "prompt_tokens", "generation_tokens", "request_success", "corrupted_requests", "admission_rejections"])
                names.Add($"{counter}_total", "counter");
            foreach (string histogram in (string[])["iteration_tokens_total", "request_prompt_tokens", "request_generation_tokens", "request_max_num_generation_tokens", "request_params_n", "request_params_max_tokens",
                "time_to_first_token_seconds", "inter_token_latency_seconds", "time_per_output_token_seconds", "request_time_per_output_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds",
                "request_inference_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds"])
                names.Add(histogram, "histogram");
            return names;
        }
    }

    [Theory, MemberData(nameof(Names))]
    public async Task Every_name_is_there_once_with_its_type_and_labels(string name, string type)
    {
        string[] lines = (await server.Client.Get("/metrics")).Body.Split('\n');
        string[] about = [.. lines.Where(line => line.StartsWith($"# TYPE vllm:{name} ", StringComparison.Ordinal))];
        Assert.Equal([$"# TYPE vllm:{name} {type}"], about);
        Assert.Single(lines, line => line.StartsWith($"# HELP vllm:{name} ", StringComparison.Ordinal));
        string sample = type == "histogram" ? $"vllm:{name}_bucket" : $"vllm:{name}";
        string[] samples = [.. lines.Where(line => line.StartsWith(sample + "{", StringComparison.Ordinal))];
        Assert.NotEmpty(samples);
        Assert.All(samples, line => Assert.Contains("model_name=\"gemma4-tiny\",engine=\"0\"", line, StringComparison.Ordinal));
        if (type == "histogram") Assert.Single(samples, line => line.Contains("le=\"+Inf\"", StringComparison.Ordinal));
    }

    /// <summary>vLLM's counters of drafts, and the same answer in one piece and in a stream as from a server that makes none.</summary>
    [Fact]
    public async Task Drafts_are_counted_where_they_are_made()
    {
        Assert.DoesNotContain("spec_decode", (await server.Client.Get("/metrics")).Body, StringComparison.Ordinal);
        await using Server drafting = new(options => options, speculative: new NgramConfig(3, 1, 4));
        await drafting.InitializeAsync();
        // Few tokens are allowed, so that the text repeats itself.
        const string Request = """{"model":"gemma4-tiny","prompt":[2,300,301,302,300,301,302],"max_tokens":60,"temperature":0.7,"seed":1,"logprobs":2,"ignore_eos":true,"allowed_token_ids":[300,301,302],"stream":STREAM}""";
        foreach (string stream in (string[])["false", "true"])
            Assert.Equal(Text(await server.Client.Post("/v1/completions", Request.Replace("STREAM", stream))), Text(await drafting.Client.Post("/v1/completions", Request.Replace("STREAM", stream))));

        Dictionary<string, double> counters = (await drafting.Client.Get("/metrics")).Body.Split('\n').Where(line => line.StartsWith("vllm:spec_decode_", StringComparison.Ordinal))
            .ToDictionary(line => line.Replace("model_name=\"gemma4-tiny\",engine=\"0\"", "", StringComparison.Ordinal).Split(' ')[0], line => double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture));
        double drafts = counters["vllm:spec_decode_num_drafts_total{}"], accepted = counters["vllm:spec_decode_num_accepted_tokens_total{}"];
        double[] byPlace = [.. Enumerable.Range(0, 3).Select(place => counters[$"vllm:spec_decode_num_accepted_tokens_per_pos_total{{,position=\"{place}\"}}"])];
        Assert.Equal(6, counters.Count);
        Assert.True(accepted > 10 && drafts >= byPlace[0] && byPlace[0] >= byPlace[1] && byPlace[1] >= byPlace[2], string.Join(' ', counters));
        Assert.Equal(accepted, byPlace.Sum());
        Assert.InRange(counters["vllm:spec_decode_num_draft_tokens_total{}"], accepted, 3 * drafts);

        // Ids and times differ from answer to answer, and what is cached depends on the requests before.
        static string Text(Answer answer)
        {
            Assert.Equal(200, answer.Status);
            return Regex.Replace(answer.Body, "\"(id|created|cached_tokens)\":[^,}]*", "");
        }
    }

    [Fact]
    public async Task Adapters_that_run_and_that_wait_are_told_apart()
    {
        await using Server small = new(options => options with { AllowRuntimeLoraUpdating = true }, new EngineOptions { MaxNumSeqs = 1, MaxNumBatchedTokens = 64 });
        await small.InitializeAsync();
        string folder = Path.Combine(Repository.Root, "models/gemma4-tiny-lora");
        foreach (string name in (string[])["first", "second"])
            Assert.Equal(200, (await small.Client.Post("/v1/load_lora_adapter", $$"""{"lora_name":"{{name}}","lora_path":"{{folder}}"}""")).Status);
        Assert.Equal(("", ""), await Adapters(small));
        using CancellationTokenSource leave = new();
        Task running = Ask(small, "first", leave.Token);
        await Until(async () => await Adapters(small) == ("first", "first")); // its other choices
        Task waiting = Ask(small, "second", leave.Token);
        await Until(async () => await Adapters(small) == ("first", "first,second"));
        await leave.CancelAsync();
        foreach (Task task in (Task[])[running, waiting]) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task);
        await Until(async () => await Adapters(small) == ("", ""));
    }

    private static Task<HttpResponseMessage> Ask(Server server, string model, CancellationToken cancel)
        => server.Client.PostAsync(new Uri("/v1/chat/completions", UriKind.Relative), new StringContent($$"""{"model":"{{model}}","messages":[{"role":"user","content":"a"}],"max_tokens":1900,"ignore_eos":true,"n":128}""", Encoding.UTF8, "application/json"), cancel);

    private static async Task<(string Running, string Waiting)> Adapters(Server server)
    {
        string line = (await server.Client.Get("/metrics")).Body.Split('\n').Single(line => line.StartsWith("vllm:lora_requests_info{", StringComparison.Ordinal));
        string Label(string name) => line.Split($"{name}=\"")[1].Split('"')[0];
        Assert.Equal("2", Label("max_lora"));
        return (Label("running_lora_adapters"), Label("waiting_lora_adapters"));
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        for (long start = Stopwatch.GetTimestamp(); !await condition(); await Task.Delay(5, TestContext.Current.CancellationToken))
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > 30) Assert.Fail("it did not happen within 30 s");
    }
}
