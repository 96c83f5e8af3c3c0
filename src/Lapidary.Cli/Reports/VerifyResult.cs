using System.Text.Json.Serialization;
using Lapidary.Tokenizers;
using Lapidary.Verification;

namespace Lapidary.Cli.Reports;

/// <summary>A position whose most likely token differs, with the texts of the tokens.</summary>
/// <param name="Token">What stands there in the text.</param>
internal sealed record ShownFlip(int Position, string Token, string Base, string Against, double Kl);

/// <summary>Greedy continuations as text.</summary>
/// <param name="FirstDifference">Index of the first output token that differs; null when the outputs are equal.</param>
internal sealed record ShownGreedy(string Prompt, int? FirstDifference, int BaseTokens, int AgainstTokens, string Common, string Base, string Against);

/// <summary>What <c>verify</c> shows, in every form: the report with ids turned into text.</summary>
/// <param name="Report">The numbers.</param> <param name="TokenName">What a token id is called, in quotes.</param>
/// <param name="Flips">The report's flips, with text.</param> <param name="Greedy">Its continuations, with text.</param>
internal sealed record VerifyResult(
    [property: JsonIgnore] QualityReport Report, [property: JsonIgnore] Func<int, string> TokenName, IReadOnlyList<ShownFlip> Flips, ShownGreedy Greedy)
{
    // What --json shows of the report.
    public QualitySide Base => Report.Base;
    public QualitySide Against => Report.Against;
    public int TextTokens => Report.TextTokens;
    public int Windows => Report.Windows;
    public double NllDifference => Report.NllDifference;
    public double? NllStandardError => Report.NllStandardError;
    public Distribution Kl => Report.Kl;
    public double FlipRate => Report.FlipRate;
    public IReadOnlyList<LayerError> Layers => Report.Layers;
    public RoutingPair? Routing => Report.Routing;
    public IReadOnlyList<TokenDivergence> Tokens => Report.Tokens;

    public static VerifyResult Of(QualityReport report, Tokenizer tokenizer, EvaluationText text)
    {
        GreedyComparison greedy = report.Greedy;
        int common = greedy.FirstDifference ?? greedy.Base.Count;
        return new VerifyResult(
            report, id => MessageText.Quote(Token(id)),
            [.. report.Flips.Select(f => new ShownFlip(f.Position, Token(text.Ids[f.Position]), Token(f.Base), Token(f.Against), f.Kl))],
            new ShownGreedy(
                Decode(text.Windows[0].Take(greedy.PromptTokens)), greedy.FirstDifference, greedy.Base.Count, greedy.Against.Count,
                Decode(greedy.Base.Take(common)), Decode(greedy.Base.Skip(common)), Decode(greedy.Against.Skip(common))));

        string Token(int id) => tokenizer.Contains(id) ? tokenizer.IdToToken(id).Replace('▁', ' ') : $"<id {id}>"; // vocabularies are padded
        string Decode(IEnumerable<int> ids) => tokenizer.Decode([.. ids.Where(tokenizer.Contains)]);
    }

    /// <summary>The answer in two sentences.</summary>
    public string Verdict()
    {
        double error = Report.NllStandardError ?? double.PositiveInfinity;
        string tokens = Report.Flips.Count == 0
            ? $"No token of {Report.Tokens.Count} has another most likely one."
            : FormattableString.Invariant($"{Report.Flips.Count} of {Report.Tokens.Count} tokens ({Report.FlipRate:0.00 %}) have another most likely one.");
        string perplexity = Report.NllDifference == 0 ? "The perplexity is the same."
            : Math.Abs(Report.NllDifference) <= 2 * error ? FormattableString.Invariant($"The perplexity changes by {PerplexityChange:+0.0000 %;-0.0000 %}, which this text cannot tell from none.")
            : FormattableString.Invariant($"The perplexity changes by {PerplexityChange:+0.0000 %;-0.0000 %}, {Math.Abs(Report.NllDifference) / error:0.0} standard errors from none.");
        return $"{tokens} {perplexity}";
    }

    /// <summary>Relative.</summary>
    public double PerplexityChange => Math.Exp(Report.NllDifference) - 1;
}
