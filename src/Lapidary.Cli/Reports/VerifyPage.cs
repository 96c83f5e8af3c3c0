using Lapidary.Verification;
using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>What <c>verify --html</c> writes.</summary>
internal static class VerifyPage
{
    private const int MostFlips = 200;

    public static Page Of(VerifyResult result)
    {
        QualityReport report = result.Report;
        Page page = new Page($"{report.Base.Settings} against {report.Against.Settings}")
            .Paragraph(result.Verdict())
            .Table(["", "base", "against"], Sides(report))
            .Heading("Divergence")
            .Paragraph(Invariant($"Kullback-Leibler divergence of the second distribution from the first, in nats per token, over {report.Tokens.Count} predicted tokens (windows of the text: {report.Windows}). Orange: the most likely token changed."))
            .Table(["#mean", "#median", "#90 % below", "#99 % below", "#largest"], [[Nats(report.Kl.Mean), Nats(report.Kl.Median), Nats(report.Kl.P90), Nats(report.Kl.P99), Nats(report.Kl.Max)]])
            .Picture(Plots.Divergence(report.Tokens, result.TokenName));
        Flips(page, result.Flips);
        page.Heading("Error by layer")
            .Paragraph("Relative difference of each layer's output: root mean square over all tokens (blue), and at the worst token (orange).")
            .Picture(Plots.LayerErrors(report.Layers));
        if (report.Routing is { } routing)
            page.Heading("Expert usage")
                .Paragraph(Invariant($"Full colour is twice an even share or more. Tokens whose set of experts changed: {report.Layers.Average(l => l.RoutesChanged):0.00 %} on average over the layers."))
                .Picture(Plots.Usage("Base: tokens of each expert in each layer", routing.Base))
                .Paragraph(Invariant($"The change: orange more, blue fewer. The largest, in full colour, is of {Plots.LargestChange(routing)} tokens."))
                .Picture(Plots.UsageChange("Change of each expert's tokens in each layer", routing));
        ShownGreedy greedy = result.Greedy;
        return page.Heading("Greedy text")
            .Paragraph(greedy.FirstDifference is { } first ? $"The continuations differ from token {first} on." : $"The continuations are equal over {greedy.BaseTokens} tokens.")
            .Table(["", ""], greedy.FirstDifference is null
                ? [["start", greedy.Prompt], ["both", greedy.Common]]
                : [["start", greedy.Prompt], ["both", greedy.Common], ["base", greedy.Base], ["against", greedy.Against]]);
    }

    private static IEnumerable<string[]> Sides(QualityReport report)
    {
        yield return Row("configuration", s => s.Settings);
        yield return Row("model", s => s.Model);
        yield return Row("weights", s => s.Weights ?? "not quantised");
        yield return Row("activation", s => s.Activation);
        if (report.Base.ExpertBackend is not null) yield return Row("expert backend", s => s.ExpertBackend!);
        yield return Row("device", s => s.Device);
        yield return Row("perplexity", s => Invariant($"{s.Perplexity:0.000000}"));
        yield return Row("tokens predicted", s => Invariant($"{s.Accuracy:0.00 %}"));

        string[] Row(string name, Func<QualitySide, string> value) => [name, value(report.Base), value(report.Against)];
    }

    private static void Flips(Page page, IReadOnlyList<ShownFlip> flips)
    {
        if (flips.Count == 0) return;
        page.Heading("Changed tokens");
        if (flips.Count > MostFlips) page.Paragraph(Invariant($"The {MostFlips} of {flips.Count} with the largest divergence."));
        page.Table(["#position", "in the text", "base", "against", "#KL"], flips.OrderByDescending(f => f.Kl).Take(MostFlips).Select(f => (string[])[
            Invariant($"{f.Position}"), MessageText.Quote(f.Token), MessageText.Quote(f.Base), MessageText.Quote(f.Against), Nats(f.Kl)]));
    }

    private static string Nats(double value) => Invariant($"{value:0.00e+0}");
}
