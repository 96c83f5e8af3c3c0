using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Lapidary.Cli.Bench;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Models.Synthetic;
using Lapidary.Speculation;
using Lapidary.Verification;

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
        Option<string?> headFormat = HeadFormatOption.Create();
        Option<string?> backend = new("--expert-backend") { Description = "Force an expert backend (see inspect)." };
        Option<string?> speculativeConfig = SpeculativeOption.Create();
        Option<bool> profile = new("--profile") { Description = "Show what each kind of operation takes, beside what this machine's memory and arithmetic allow." };
        Option<bool> json = new("--json") { Description = "One JSON object." };
        CpuChoices cpu = new();
        Command command = new("bench", "Measure prefill and decode speed, load time and memory.") { model, synthetic, format, prompt, generate, depth, batch, step, repetitions, kvCacheDtype, headFormat, backend, speculativeConfig, profile, json, BenchServeCommand.Create() };
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
                HeadFormat = HeadFormatOption.Parse(parsed.GetValue(headFormat)),
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
