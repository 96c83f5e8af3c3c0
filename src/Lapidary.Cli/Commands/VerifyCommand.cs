using System.CommandLine;
using System.Text.Json;
using Lapidary.Cli.Reports;
using Lapidary.Models;
using Lapidary.Verification;

namespace Lapidary.Cli.Commands;

/// <summary>Compares two configurations of one model on a text.</summary>
internal static class VerifyCommand
{
    private const int DefaultGreedyTokens = 64;

    public static Command Create()
    {
        Option<string[]> against = new("--against") { Description = "A setting of the configuration to compare with, NAME=VALUE; may be given several times. Names: " + string.Join("; ", ModelVariant.Settings.Select(s => $"{s.Name}: {s.Description}")) + ".", Required = true, HelpName = "NAME=VALUE" };
        Option<string[]> baseline = new("--base") { Description = "A setting of the configuration to start from, with the same names; the model as published without it.", HelpName = "NAME=VALUE" };
        Option<int> greedy = new("--greedy-tokens") { Description = "Most tokens of the greedy continuations that are compared.", DefaultValueFactory = _ => DefaultGreedyTokens };
        Option<string?> html = new("--html") { Description = "Write a page with plots, complete in one file.", HelpName = "FILE" };
        Option<bool> json = new("--json") { Description = "One JSON object, with every token." };
        TextOptions options = new();
        Command command = new("verify", "Compare two configurations of a model on a text: perplexity, divergence, changed tokens, error by layer.") { against, baseline, greedy, html, json };
        options.AddTo(command);
        command.SetAction((parsed, cancel) =>
        {
            Page.RequireFolder(parsed.GetValue(html));
            ModelVariant from = ModelVariant.Parse(parsed.GetValue(baseline) ?? []), to = ModelVariant.Parse(parsed.GetValue(against)!);
            int tokens = parsed.GetValue(greedy);
            if (tokens < 1) throw new RequestException($"--greedy-tokens is {tokens}, expected at least 1");
            VerifyResult result = Compare(parsed, options, from, to, tokens, cancel);
            if (parsed.GetValue(html) is { } file) VerifyPage.Of(result).Write(file);
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(result, CliJson.Default.VerifyResult));
            else VerifyTables.Write(result);
            return Task.FromResult(0);
        });
        return command;
    }

    private static VerifyResult Compare(
        ParseResult parsed, TextOptions options, ModelVariant from, ModelVariant to, int greedyTokens, CancellationToken cancel)
    {
        string text = options.Text(parsed), folder = options.Folder(parsed);
        using IKernels kernels = Devices.Open(from.Device ?? Devices.CpuName, from.Threads);
        using IKernels otherKernels = Devices.Open(to.Device ?? Devices.CpuName, to.Threads);
        using ComparedModel baseline = Open(from, kernels), against = Open(to, otherKernels);
        LanguageModel a = baseline.Model, b = against.Model;
        EvaluationText tokens = EvaluationText.Of(a.Tokenizer, text, Math.Min(a.ContextLength, b.ContextLength), options.MaxTokens(parsed));
        if (b.Location != a.Location) RequireOneTokenizer(a, b, text);

        ProgressBar bar = new("comparing", "token");
        QualityReport report = QualityComparison.Run(baseline, against, tokens, greedyTokens, bar.Update, cancel);
        bar.Clear();
        return VerifyResult.Of(report, a.Tokenizer, tokens);

        ComparedModel Open(ModelVariant variant, IKernels device)
        {
            ProgressBar loading = new($"loading ({variant})", "layer");
            ComparedModel side = ComparedModel.Open(folder, variant, device, options.Context(parsed, variant.Folder ?? folder), loading.Update);
            loading.Clear();
            return side;
        }
    }

    private static void RequireOneTokenizer(LanguageModel a, LanguageModel b, string text)
    {
        if (b.HasTokenizer && !a.Tokenizer.Encode(text).AsSpan().SequenceEqual(b.Tokenizer.Encode(text)))
            throw new RequestException($"these are not two configurations of one model: {a.Location} and {b.Location} turn the text into different tokens");
    }
}
