using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Lapidary.Cli.Load;
using Lapidary.Cli.Reports;

namespace Lapidary.Cli.Commands;

/// <summary>A load test of a server; options are named as in <c>vllm bench serve</c>.</summary>
internal static class BenchServeCommand
{
    public static Command Create()
    {
        Option<string> url = new("--base-url") { Description = "The server, without /v1.", DefaultValueFactory = _ => "http://127.0.0.1:8000", HelpName = "URL" };
        Option<string?> model = new("--model") { Description = "Model name in the API; the first that the server lists by default." };
        Option<string> endpoint = new("--endpoint") { Description = "chat or completions.", DefaultValueFactory = _ => "chat" };
        endpoint.AcceptOnlyFromAmong("chat", "completions");
        Option<string?> key = new("--api-key") { Description = "Key to send; OPENAI_API_KEY of the environment by default." };
        Option<int> requests = new("--num-prompts") { Description = "Requests to send.", DefaultValueFactory = _ => 100 };
        Option<double?> rate = new("--request-rate") { Description = "Requests per second, at random times; inf, the default, for all at once.", HelpName = "R", CustomParser = ReadRate };
        Option<double?> burstiness = new("--burstiness") { Description = "How evenly requests come at that rate: 1, the default, is a Poisson process, less comes in bursts, more comes evenly.", HelpName = "B" };
        Option<int?> concurrency = new("--max-concurrency") { Description = "Most requests at a time.", HelpName = "N" };
        Option<int> input = new("--input-len") { Description = "Tokens of each prompt, about, after its shared prefix.", DefaultValueFactory = _ => 256 };
        Option<int> output = new("--output-len") { Description = "Most tokens of each answer.", DefaultValueFactory = _ => 128 };
        Option<double> ratio = new("--range-ratio") { Description = "Vary both lengths evenly by this part, 0 to 1.", DefaultValueFactory = _ => 0 };
        Option<int> prefix = new("--prefix-len") { Description = "Tokens, about, that prompts begin with in common.", DefaultValueFactory = _ => 0 };
        Option<int> prefixes = new("--num-prefixes") { Description = "Number of different shared prefixes.", DefaultValueFactory = _ => 1 };
        Option<double> temperature = new("--temperature") { Description = "Of sampling; 0 is greedy.", DefaultValueFactory = _ => 0 };
        Option<bool> ignoreEos = new("--ignore-eos") { Description = "Ask for answers of full length (an extension that vLLM and lapidary know)." };
        Option<string?> goodput = new("--goodput") { Description = "Count requests within these milliseconds, like ttft:200,tpot:50,e2el:5000.", HelpName = "LIMITS" };
        Option<int> seed = new("--seed") { Description = "Of prompts and arrival times.", DefaultValueFactory = _ => 0 };
        Option<double> timeout = new("--timeout") { Description = "Most seconds for one request.", DefaultValueFactory = _ => 600 };
        Option<string?> html = new("--html") { Description = "Write a page with plots, complete in one file.", HelpName = "FILE" };
        Option<bool> json = new("--json") { Description = "One JSON object with vLLM's names instead of tables." };
        Command command = new("serve", "Load a server of OpenAI's API and measure latencies and throughput.")
        {
            url, model, endpoint, key, requests, rate, burstiness, concurrency, input, output, ratio, prefix, prefixes, temperature, ignoreEos, goodput, seed, timeout, html, json,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            Page.RequireFolder(parsed.GetValue(html));
            LoadPlan plan = new()
            {
                BaseUrl = Address(parsed.GetValue(url)!),
                Model = parsed.GetValue(model),
                Endpoint = parsed.GetValue(endpoint) == "chat" ? LoadEndpoint.Chat : LoadEndpoint.Completions,
                ApiKey = parsed.GetValue(key) ?? Environment.GetEnvironmentVariable("OPENAI_API_KEY"),
                Requests = InRange(parsed.GetValue(requests), requests, 1, 10_000_000),
                RequestRate = parsed.GetValue(rate) is { } perSecond and < double.PositiveInfinity ? InRange(perSecond, rate, 1e-6, 1e6) : null,
                Burstiness = InRange(parsed.GetValue(burstiness) ?? 1, burstiness, 1e-3, 1e6),
                MaxConcurrency = parsed.GetValue(concurrency) is { } most ? InRange(most, concurrency, 1, 100_000) : null,
                InputTokens = InRange(parsed.GetValue(input), input, 1, 10_000_000),
                OutputTokens = InRange(parsed.GetValue(output), output, 1, 10_000_000),
                RangeRatio = InRange(parsed.GetValue(ratio), ratio, 0, 1),
                PrefixTokens = InRange(parsed.GetValue(prefix), prefix, 0, 10_000_000),
                Prefixes = InRange(parsed.GetValue(prefixes), prefixes, 1, 1_000_000),
                Temperature = InRange(parsed.GetValue(temperature), temperature, 0, 2),
                IgnoreEos = parsed.GetValue(ignoreEos),
                Seed = parsed.GetValue(seed),
                Timeout = TimeSpan.FromSeconds(InRange(parsed.GetValue(timeout), timeout, 1, 86_400)),
                Goodput = Goodput.Parse(parsed.GetValue(goodput)),
            };
            if (plan.RequestRate is null && parsed.GetValue(burstiness) is not null) throw new RequestException($"{burstiness.Name} needs {rate.Name}: without a rate all requests are sent at once");
            LoadReport report = await Run(plan, cancel);
            if (parsed.GetValue(json)) Console.WriteLine(report.ToJson().ToJsonString());
            else LoadTable.Write(report);
            if (parsed.GetValue(html) is { } file) LoadPage.Of(report).Write(file);
            return report.Good.Count > 0 ? 0 : 1;
        });
        return command;
    }

    /// <summary>A number, or vLLM's inf.</summary>
    private static double? ReadRate(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (text == "inf") return double.PositiveInfinity;
        if (double.TryParse(text, CultureInfo.InvariantCulture, out double rate)) return rate;
        result.AddError($"--request-rate is {MessageText.Quote(text)}, expected requests per second, or inf");
        return null;
    }

    private static async Task<LoadReport> Run(LoadPlan plan, CancellationToken cancel)
    {
        using LoadClient client = new(plan);
        string model = plan.Model ?? await client.FirstModelAsync(cancel);
        if (await client.TokenRateAsync(model, cancel) is not { } tokens)
        {
            tokens = TokenRate.Typical;
            Console.Error.WriteLine("the server does not tell its usage: lengths of prompts are estimated, and each event of an answer counts as a token");
        }
        LoadPrompt[] prompts = PromptMix.Create(plan, tokens);
        ProgressBar bar = new("loading", "request");
        DateTimeOffset started = DateTimeOffset.Now;
        RequestTiming[] timings = await LoadRun.RunAsync(plan, client, model, prompts, bar.Update, cancel);
        bar.Clear();
        return new LoadReport(plan, model, timings, started);
    }

    private static Uri Address(string url)
        => Uri.TryCreate(url, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            ? address
            : throw new RequestException($"--base-url is {MessageText.Quote(url)}, expected an address like http://127.0.0.1:8000");

    private static T InRange<T>(T value, Option option, T min, T max) where T : IComparable<T>, IFormattable
        => value.CompareTo(min) >= 0 && value.CompareTo(max) <= 0
            ? value
            : throw new RequestException(FormattableString.Invariant($"{option.Name} is {value}, expected {min} to {max}"));
}
