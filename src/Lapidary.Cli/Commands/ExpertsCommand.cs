using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Lapidary.Cli.Reports;
using Lapidary.Cpu;
using Lapidary.Models;
using Lapidary.Verification;
using Spectre.Console;

namespace Lapidary.Cli.Commands;

/// <summary>How a model's routers use its experts on a text.</summary>
internal static class ExpertsCommand
{
    public static Command Create()
    {
        Option<string?> backend = new("--expert-backend") { Description = "Force an expert backend (see inspect)." };
        Option<int?> threads = new("--threads") { Description = "Worker threads; one per processor by default." };
        Option<string?> html = new("--html") { Description = "Write a page with a heat map, complete in one file.", HelpName = "FILE" };
        Option<bool> json = new("--json") { Description = "One JSON object." };
        TextOptions options = new();
        Command command = new("experts", "Show how a text spreads over the experts of each layer, and how close the router's choices are.") { backend, threads, html, json };
        options.AddTo(command);
        command.SetAction((parsed, cancel) =>
        {
            Page.RequireFolder(parsed.GetValue(html));
            using CpuKernels kernels = Devices.Cpu(parsed.GetValue(threads));
            RoutingReport report = Survey(parsed, options, parsed.GetValue(backend), kernels, cancel);
            if (parsed.GetValue(html) is { } file) ExpertsPage.Of(report).Write(file);
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(report, CliJson.Default.RoutingReport));
            else Print(report);
            return Task.FromResult(0);
        });
        return command;
    }

    private static RoutingReport Survey(ParseResult parsed, TextOptions options, string? backend, CpuKernels kernels, CancellationToken cancel)
    {
        string text = options.Text(parsed);
        ProgressBar loading = new("loading", "layer");
        ModelVariant variant = ModelVariant.Parse(backend is null ? [] : [$"backend={backend}"]);
        using MeasuredModel opened = MeasuredModel.Open(options.Model(parsed), variant, kernels, options.Context(parsed), loading.Update);
        loading.Clear();
        LanguageModel model = opened.Model;
        EvaluationText tokens = EvaluationText.Of(model.Tokenizer, text, model.ContextLength, options.MaxTokens(parsed));
        ProgressBar computing = new("computing", "token");
        RoutingReport report = RoutingSurvey.Run(model, tokens, computing.Update, cancel);
        computing.Clear();
        return report;
    }

    private static void Print(RoutingReport report)
    {
        AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture,
            $"{report.Model}: {report.NumExperts} experts, {report.TopKExperts} per token, {report.TextTokens} tokens, backend {report.ExpertBackend}");
        Table table = new Table().Border(TableBorder.Rounded).AddColumns("layer", "busiest", "max/mean", "spread", "entropy", "unused", "median gap", "close calls");
        foreach (TableColumn column in table.Columns) column.RightAligned();
        foreach (LayerRouting layer in report.Layers) table.AddRow(Row(layer));
        AnsiConsole.Write(table);
        TerminalHeatMap.Write(report.Layers);
        AnsiConsole.WriteLine(string.Create(CultureInfo.InvariantCulture, $"max/mean, entropy: 1 is even; spread: 0 is even; gap: between the last chosen expert's probability and the next; close calls: gap below {LayerRouting.CloseMargin}"));
    }

    private static string[] Row(LayerRouting layer)
    {
        int busiest = Enumerable.Range(0, layer.Tokens.Count).MaxBy(e => layer.Tokens[e]);
        return
        [
            .. ((FormattableString[])[$"{layer.Layer}", $"{busiest}: {(double)layer.Tokens[busiest] / layer.Tokens.Sum():0.0%}", $"{layer.MaxOverMean:0.00}", $"{layer.CoefficientOfVariation:0.00}",
                $"{layer.Entropy:0.000}", $"{layer.Unused}", $"{layer.Margin?.Median:0.0000}", $"{layer.CloseCalls:0.0 %}"])
                .Select(FormattableString.Invariant),
        ];
    }
}
