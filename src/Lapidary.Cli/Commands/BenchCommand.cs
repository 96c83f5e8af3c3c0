using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Lapidary.Cli.Bench;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Models.Synthetic;
using Lapidary.Speculation;
using Lapidary.Verification;
using Spectre.Console;

namespace Lapidary.Cli.Commands;

/// <summary>Speed of a model on this machine, beside what the memory could do.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        Option<string?> model = new("--model", "-m") { Description = "Model folder or *.gguf file; the embedded model by default." };
        Option<string?> synthetic = new("--synthetic") { Description = "Random weights of a published shape instead, e.g. gemma4-26b-a4b:layers=6.", HelpName = "SHAPE" };
        Option<string> format = new("--format") { Description = "Weight format of synthetic weights.", DefaultValueFactory = _ => "q4_0" };
        Option<int> prompt = new("--prompt", "-p") { Description = "Tokens of the prompt.", DefaultValueFactory = _ => 512 };
        Option<int> generate = new("--generate", "-n") { Description = "Tokens to generate.", DefaultValueFactory = _ => 64 };
        Option<int> depth = new("--depth", "-d") { Description = "Tokens in the cache before measuring.", DefaultValueFactory = _ => 0 };
        Option<int> batch = new("--batch", "-b") { Description = "Texts decoded at once.", DefaultValueFactory = _ => 1 };
        Option<int> step = new("--step-tokens") { Description = "Most tokens of one prefill step.", DefaultValueFactory = _ => 512 };
        Option<int> repetitions = new("--repetitions", "-r") { Description = "Measurements of each; the median counts.", DefaultValueFactory = _ => 3 };
        Option<string?> kvCacheDtype = KvCacheOption.Create();
        Option<string?> backend = new("--expert-backend") { Description = "Force an expert backend (see inspect)." };
        Option<string?> speculativeConfig = SpeculativeOption.Create();
        Option<bool> profile = new("--profile") { Description = "Show what each kind of operation takes." };
        Option<bool> json = new("--json") { Description = "One JSON object." };
        CpuChoices cpu = new();
        Command command = new("bench", "Measure prefill and decode speed, load time and memory.") { model, synthetic, format, prompt, generate, depth, batch, step, repetitions, kvCacheDtype, backend, speculativeConfig, profile, json, BenchServeCommand.Create() };
        cpu.AddTo(command);
        command.SetAction(parsed =>
        {
            BenchPlan plan = new()
            {
                Prompt = Positive(parsed, prompt),
                Generate = Positive(parsed, generate),
                Depth = parsed.GetValue(depth) is >= 0 and var d ? d : throw new RequestException($"--depth is {parsed.GetValue(depth)}, expected 0 or more"),
                Batch = Positive(parsed, batch),
                Repetitions = Positive(parsed, repetitions),
            };
            SpeculativeConfig? speculative = SpeculativeOption.Parse(parsed.GetValue(speculativeConfig));
            int drafted = speculative is null ? 0 : plan.Batch * (1 + speculative.NumSpeculativeTokens); // tokens of a step that checks every text's draft
            int steps = Math.Max(Math.Min(Positive(parsed, step), plan.ContextLength), Math.Max(plan.Batch, drafted + 1));
            string? path = parsed.GetValue(synthetic) is { } shape ? null : parsed.GetValue(model) ?? DefaultModel.Locate();
            long started = Stopwatch.GetTimestamp();
            using CpuKernels kernels = cpu.Open(parsed, path ?? $"{parsed.GetValue(synthetic)}.gguf");
            ProfilingKernels? profiling = parsed.GetValue(profile) ? new ProfilingKernels(kernels) : null;
            ProgressBar bar = new("loading", "layer");
            ModelFiles files = path is null ? SyntheticModelFiles.Create(parsed.GetValue(synthetic)!, parsed.GetValue(format)!) : ModelFiles.Open(path);
            using LanguageModel opened = LanguageModel.Open(files, profiling ?? (IKernels)kernels, new LanguageModelOptions
            {
                // No step is longer than the context. The measurement makes a cache of its own, but for drafts, which the engine makes.
                ContextLength = speculative is null ? steps : Math.Max(steps, plan.Prompt + plan.Generate),
                MaxSequences = speculative is null ? 1 : plan.Batch,
                Speculative = speculative,
                MaxStepTokens = steps,
                MaxLogitRows = plan.Batch,
                KeyValueType = KvCacheOption.Parse(parsed.GetValue(kvCacheDtype)),
                ExpertBackend = parsed.GetValue(backend),
                Progress = bar.Update,
            });
            bar.Clear();
            double loadSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            BenchResult result = BenchRun.Measure(opened, plan, kernels, profiling, loadSeconds);
            if (speculative is not null) result = result with { Drafted = DraftedBench.Measure(opened, plan, parsed.GetValue(speculativeConfig)!) };
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(result, CliJson.Default.BenchResult));
            else result.Write();
            return 0;
        });
        return command;
    }

    private static int Positive(ParseResult parsed, Option<int> option)
        => parsed.GetValue(option) is >= 1 and var value ? value : throw new RequestException($"{option.Name} is {parsed.GetValue(option)}, expected 1 or more");
}

/// <summary>What <c>bench</c> prints. Speeds are medians.</summary>
internal sealed record BenchResult(
    string Model, string Device, string? ExpertBackend, int Threads, int PromptTokens, int GeneratedTokens, int Depth, int Batch,
    double PrefillTokensPerSecond, double DecodeTokensPerSecond, long DecodeBytesPerToken, string KvCacheDtype, long DecodeKvBytesPerToken, double ProbeGbPerSecond, double ProbeBeforeGbPerSecond,
    double ProbeAfterGbPerSecond, double DecodeShareOfProbe, double LoadSeconds, long PeakRssBytes, long WeightsBytes,
    IReadOnlyList<OperationRow>? Prefill, IReadOnlyList<OperationRow>? Decode)
{
    /// <summary>With --speculative-config only.</summary>
    public DraftedBench? Drafted { get; init; }

    public void Write()
    {
        Table table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumns("", "");
        foreach ((string name, string value) in new (string, string)[]
        {
            ("model", Model), ("device", Device), ("experts", ExpertBackend ?? "none"),
            ("prefill", Text($"{PrefillTokensPerSecond:0.0} tokens/s ({PromptTokens} tokens, {Depth} before)")),
            ("decode", Text($"{DecodeTokensPerSecond:0.0} tokens/s ({Batch} at once, {GeneratedTokens} tokens each)")),
            ("decode with drafts", Drafted is null ? "" : Text($"{Drafted.DecodeTokensPerSecond:0.0} tokens/s, {Drafted.PlainTokensPerSecond:0.0} without, after a prompt that repeats itself ({Drafted.AcceptanceRate:0%} of draft tokens accepted, {Drafted.TokensPerDraft:0.0} tokens a step)")),
            ("weights of a token", Text($"{DecodeBytesPerToken / 1e6:0.0} MB")),
            ("keys and values of a token", Text($"{DecodeKvBytesPerToken / 1e6:0.0} MB in {KvCacheDtype}")),
            ("memory reads", Text($"{ProbeBeforeGbPerSecond:0.0} GB/s before, {ProbeAfterGbPerSecond:0.0} after")),
            ("decode's share of it", Batch == 1 ? Text($"{DecodeShareOfProbe:0.00}") : "for one text only"),
            ("load", Text($"{LoadSeconds:0.00} s")), ("weights", Text($"{WeightsBytes / 1e9:0.00} GB")), ("peak memory", Text($"{PeakRssBytes / 1e9:0.00} GB")),
        })
            if (value.Length > 0) table.AddRow(Markup.Escape(name), Markup.Escape(value));
        AnsiConsole.Write(table);
        Write("prefill", Prefill);
        Write("decode", Decode);
    }

    private static void Write(string phase, IReadOnlyList<OperationRow>? rows)
    {
        if (rows is null) return;
        Table table = new Table().Border(TableBorder.Rounded).AddColumns(phase, "calls", "ms", "share", "GB/s of weights");
        foreach (OperationRow row in rows)
            table.AddRow(Markup.Escape(row.Operation), $"{row.Calls}", Text($"{row.Milliseconds:0.0}"), Text($"{row.Share:0.0%}"), row.GbPerSecond is { } speed ? Text($"{speed:0.0}") : "");
        AnsiConsole.Write(table);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>One kind of operation in all repetitions together.</summary>
internal sealed record OperationRow(string Operation, int Calls, double Milliseconds, double Share, double? GbPerSecond);
