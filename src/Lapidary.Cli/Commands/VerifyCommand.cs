using System.CommandLine;
using System.Text.Json;
using Lapidary.Cli.Reports;
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
            VerifyResult result = new ModelComparison(options.Model(parsed), options.Text(parsed), options.Context(parsed), options.MaxTokens(parsed))
                .Run(from, to, tokens, cancel);
            if (parsed.GetValue(html) is { } file) VerifyPage.Of(result).Write(file);
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(result, CliJson.Default.VerifyResult));
            else VerifyTables.Write(result);
            return Task.FromResult(0);
        });
        return command;
    }
}
