using Lapidary.Verification;
using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>What <c>experts --html</c> writes.</summary>
internal static class ExpertsPage
{
    public static Page Of(RoutingReport report) => new Page($"Experts of {report.Model}")
        .Paragraph(Invariant($"{report.NumExperts} experts, {report.TopKExperts} per token, {report.TextTokens} tokens, backend {report.ExpertBackend}."))
        .Heading("Usage")
        .Paragraph("Full colour is twice an even share or more. Point at a cell for its numbers.")
        .Picture(Plots.Usage("Tokens of each expert in each layer", report.Layers))
        .Heading("Balance and margins")
        .Paragraph(Invariant($"Max/mean and entropy: 1 is even. Spread (standard deviation over mean): 0 is even. Gap: between the last chosen expert's probability and the next one's. Close calls: tokens with a gap below {LayerRouting.CloseMargin}, whose choice a small error can turn."))
        .Table(["#layer", "#max/mean", "#spread", "#entropy", "#unused", "#mean gap", "#median gap", "#smallest gap", "#close calls"], report.Layers.Select(Row));

    private static string[] Row(LayerRouting layer) =>
    [
        .. ((FormattableString[])[$"{layer.Layer}", $"{layer.MaxOverMean:0.00}", $"{layer.CoefficientOfVariation:0.000}", $"{layer.Entropy:0.000}", $"{layer.Unused}",
            $"{layer.Margin?.Mean:0.0000}", $"{layer.Margin?.Median:0.0000}", $"{layer.Margin?.Min:0.0e+0}", $"{layer.CloseCalls:0.0 %}"]).Select(Invariant),
    ];
}
