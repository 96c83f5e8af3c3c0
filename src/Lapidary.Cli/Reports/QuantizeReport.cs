using Lapidary.Quantization.Encoding;
using Lapidary.Verification;
using Spectre.Console;
using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>Both models on one text.</summary>
internal sealed record QuantizeQuality(
    int Tokens, double PerplexityBefore, double PerplexityAfter, double MeanKl, double P99Kl, double FlipRate);

/// <summary>What <c>quantize</c> prints.</summary>
internal sealed record QuantizeReport(
    string Folder, string Format, long BytesBefore, long BytesAfter, IReadOnlyList<QuantizedWeight> Weights, IReadOnlyDictionary<string, string> Left, QuantizeQuality? Quality)
{
    public static QuantizeReport Of(QuantizeResult result, WeightEncoder encoder, QualityReport? quality) => new(
        result.Folder, encoder.Name, result.BytesBefore, result.BytesAfter, result.Weights, result.Left,
        quality is null ? null : new QuantizeQuality(
            quality.Tokens.Count, quality.Base.Perplexity, quality.Against.Perplexity, quality.Kl.Mean, quality.Kl.P99, quality.FlipRate));

    public void Print()
    {
        Table table = new Table().Border(TableBorder.Rounded).AddColumns("weights", "matrices", "relative error", "worst", "where");
        foreach (IGrouping<string, QuantizedWeight> kind in Weights.GroupBy(weight => Kind(weight.Name)).OrderBy(kind => kind.Key, StringComparer.Ordinal))
        {
            QuantizedWeight worst = kind.MaxBy(weight => weight.RelativeError)!;
            table.AddRow([.. ((string[])[kind.Key, Invariant($"{kind.Count()}"), Invariant($"{kind.Average(weight => weight.RelativeError):0.0000}"), Invariant($"{worst.RelativeError:0.0000}"), worst.Name]).Select(Markup.Escape)]);
        }
        AnsiConsole.Write(table);
        foreach (IGrouping<string, KeyValuePair<string, string>> reason in Left.GroupBy(left => left.Value))
            Console.WriteLine($"left as they were ({reason.Key}): {MessageText.Some(reason.Select(left => left.Key), 3)}");
        if (Quality is { } quality)
        {
            Console.WriteLine(Invariant($"perplexity {quality.PerplexityBefore:0.0000} became {quality.PerplexityAfter:0.0000} over {quality.Tokens} tokens"));
            Console.WriteLine(Invariant($"divergence (KL, nats per token): mean {quality.MeanKl:0.00e+0}, 99 % below {quality.P99Kl:0.00e+0}; most likely token changed at {quality.FlipRate:0.00 %}"));
        }
        Console.WriteLine(Invariant($"{Folder}: {BytesAfter / 1e6:0.0} MB of weights, before {BytesBefore / 1e6:0.0} MB"));
    }

    /// <summary>"experts.gate_proj" for all experts of all layers.</summary>
    private static string Kind(string module)
    {
        string[] parts = module.Split('.');
        return string.Join('.', parts[^Math.Min(3, parts.Length)..].Where(part => !part.All(char.IsAsciiDigit)));
    }
}
