using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Lapidary.Cpu;
using Lapidary.Generation;
using Lapidary.Models;
using Lapidary.Sampling;
using Lapidary.Speculation;
using Lapidary.Tokenizers;

namespace Lapidary.Cli.Commands;

/// <summary>One prompt, one streamed answer.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        Argument<string?> prompt = new("prompt") { Description = "What to say to the model; standard input when missing or \"-\".", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> raw = new("--raw") { Description = "Continue the text as it is, without the chat template." };
        Option<string?> system = new("--system") { Description = "A system message." };
        Option<bool> think = new("--think") { Description = "Ask the model to think first, where its template can." };
        Option<string?> promptIds = new("--prompt-ids") { Description = "Token ids as a JSON array instead of text; needs no tokenizer." };
        Option<bool> json = new("--json") { Description = "One JSON object instead of streamed text." };
        ModelOptions options = new();
        Command command = new("run", "Answer one prompt.") { prompt, raw, system, think, promptIds, json };
        options.AddTo(command);
        command.SetAction((parsed, cancel) =>
        {
            long started = Stopwatch.GetTimestamp();
            int[]? given = parsed.GetValue(promptIds) is { } text ? JsonLines.Parse(text, CliJson.Default.Int32Array, "--prompt-ids to be a JSON array of ids") : null;
            using CpuKernels kernels = options.Kernels(parsed);
            using LanguageModel model = options.Open(parsed, kernels);
            string? adapter = options.LoadAdapters(parsed, model);
            int[] ids = given ?? PromptIds(model, parsed.GetValue(prompt), parsed.GetValue(raw), parsed.GetValue(system), parsed.GetValue(think));
            SamplingParameters sampling = options.Sampling(parsed, model);
            double loadSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;

            TextStream stream = new(model, new TextGenerator(model));
            using StreamWriter output = StandardStreams.Output();
            output.AutoFlush = true;
            if (parsed.GetValue(json))
            {
                stream.Run(ids, sampling, adapter, _ => { }, cancel);
                output.WriteLine(JsonSerializer.Serialize(RunResult.Of(model, adapter, ids, stream, loadSeconds), CliJson.Default.RunResult));
                return Task.FromResult(0);
            }
            stream.Run(ids, sampling, adapter, output.Write, cancel);
            output.WriteLine(model.HasTokenizer ? "" : JsonSerializer.Serialize([.. stream.OutputIds], CliJson.Default.Int32Array));
            Console.Error.WriteLine(stream.Timing(ids.Length));
            return Task.FromResult(0);
        });
        return command;
    }

    private static int[] PromptIds(LanguageModel model, string? prompt, bool raw, string? system, bool think)
    {
        string text = prompt is null or "-" ? StandardStreams.ReadAll() : prompt;
        if (text.Length == 0) throw new RequestException("the prompt is empty; give it as an argument or on standard input");
        if (raw) return model.Tokenizer.Encode(text, SpecialTokens.Add);
        ChatHistory history = new() { Think = think };
        if (system is not null) history.Add("system", system);
        history.Add("user", text.TrimEnd('\n'));
        return model.Tokenizer.Encode(model.ChatTemplate.Render(history.Request()), SpecialTokens.Omit); // the template writes <bos>
    }
}

/// <summary>What <c>run --json</c> prints.</summary>
internal sealed record RunResult(
    string Model, string? Adapter, IReadOnlyList<int> PromptIds, IReadOnlyList<int> OutputIds, string? Text, string FinishReason, RunTimings Timings,
    SpeculationStatistics? Speculation)
{
    public static RunResult Of(LanguageModel model, string? adapter, int[] prompt, TextStream stream, double loadSeconds) => new(
        model.Location, adapter, prompt, stream.OutputIds, model.HasTokenizer ? stream.Text : null, stream.FinishReason.ToString().ToLowerInvariant(),
        new RunTimings(loadSeconds, stream.FirstToken.TotalSeconds, stream.Total.TotalSeconds, prompt.Length / stream.FirstToken.TotalSeconds,
            stream.OutputIds.Count > 1 ? (stream.OutputIds.Count - 1) / (stream.Total - stream.FirstToken).TotalSeconds : 0),
        stream.Speculation);
}

internal sealed record RunTimings(
    double LoadSeconds, double FirstTokenSeconds, double TotalSeconds, double PrefillTokensPerSecond, double DecodeTokensPerSecond);
