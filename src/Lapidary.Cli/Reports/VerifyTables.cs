using Lapidary.Verification;
using Spectre.Console;
using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>What <c>verify</c> prints for people.</summary>
internal static class VerifyTables
{
    private const int MostFlips = 12;
    private const int BarWidth = 16;

    public static void Write(VerifyResult result)
    {
        QualityReport report = result.Report;
        Sides(report);
        Numbers(result);
        if (result.Flips.Count > 0) Flips(result.Flips);
        Layers(report.Layers);
        AnsiConsole.WriteLine(result.Verdict());
    }

    private static void Sides(QualityReport report)
    {
        Table table = new Table().Border(TableBorder.Rounded).AddColumns("", "base", "against");
        Add("configuration", s => s.Settings);
        Add("model", s => s.Model);
        Add("weights", s => s.Weights ?? "not quantised");
        Add("activation", s => s.Activation);
        if (report.Base.ExpertBackend is not null) Add("expert backend", s => s.ExpertBackend!);
        Add("device", s => s.Device);
        Add("perplexity", s => Invariant($"{s.Perplexity:0.000000}"));
        Add("nats per token", s => Invariant($"{s.Nll:0.000000}"));
        Add("tokens predicted", s => Invariant($"{s.Accuracy:0.00 %}"));
        AnsiConsole.Write(table);

        void Add(string name, Func<QualitySide, string> value) => table.AddRow(name, Markup.Escape(value(report.Base)), Markup.Escape(value(report.Against)));
    }

    private static void Numbers(VerifyResult result)
    {
        QualityReport report = result.Report;
        Table table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumns("", "");
        table.AddRow("text", Invariant($"{report.TextTokens} tokens, {report.Tokens.Count} predicted; windows: {report.Windows}"));
        table.AddRow("divergence (KL, nats per token)", Invariant($"mean {report.Kl.Mean:0.00e+0}, median {report.Kl.Median:0.00e+0}, 99 % below {report.Kl.P99:0.00e+0}, largest {report.Kl.Max:0.00e+0}"));
        table.AddRow("most likely token changed", Invariant($"{report.Flips.Count} of {report.Tokens.Count} ({report.FlipRate:0.00 %})"));
        table.AddRow("nats per token, against less base", Invariant($"{report.NllDifference:+0.00e+0;-0.00e+0;0} (standard error {report.NllStandardError:0.0e+0}), perplexity {result.PerplexityChange:+0.0000 %;-0.0000 %;0 %}"));
        table.AddRow("greedy text", Markup.Escape(Greedy(result.Greedy)));
        AnsiConsole.Write(table);
    }

    private static string Greedy(ShownGreedy greedy) => greedy.FirstDifference is { } first
        ? $"differs from token {first} on: {Start(greedy.Base)} became {Start(greedy.Against)}"
        : $"equal over {greedy.BaseTokens} tokens";

    private static string Start(string text) => text.Length == 0 ? "(the end)" : MessageText.Quote(text.Length > 40 ? text[..40] + "…" : text);

    private static void Flips(IReadOnlyList<ShownFlip> flips)
    {
        Table table = new Table().Border(TableBorder.Rounded).AddColumns("position", "in the text", "base", "against", "KL");
        foreach (ShownFlip flip in flips.OrderByDescending(f => f.Kl).Take(MostFlips))
            table.AddRow([.. ((string[])[Invariant($"{flip.Position}"), MessageText.Quote(flip.Token), MessageText.Quote(flip.Base), MessageText.Quote(flip.Against), Invariant($"{flip.Kl:0.00e+0}")]).Select(Markup.Escape)]);
        AnsiConsole.Write(table);
        if (flips.Count > MostFlips) AnsiConsole.WriteLine(Invariant($"The {MostFlips} with the largest divergence; --json has all {flips.Count}."));
    }

    private static void Layers(IReadOnlyList<LayerError> layers)
    {
        bool routed = layers[0].RoutesChanged is not null;
        Table table = new Table().Border(TableBorder.Rounded).AddColumns([.. (string[])["layer", "relative error", "worst token"], .. routed ? (string[])["routes changed"] : [], ""]);
        LogAxis axis = new(layers.Select(l => l.RelativeRms), BarWidth, 0);
        foreach (LayerError layer in layers)
            table.AddRow([.. ((string[])[
                Invariant($"{layer.Layer}"), Invariant($"{layer.RelativeRms:0.00e+0}"), Invariant($"{layer.WorstToken:0.00e+0}"),
                .. routed ? (string[])[Invariant($"{layer.RoutesChanged:0.00 %}")] : [], new string('▇', (int)Math.Round(axis.Y(layer.RelativeRms)))])]);
        AnsiConsole.Write(table);
    }
}
