using System.Globalization;
using Spectre.Console;

namespace Lapidary.Cli.Bench;

/// <summary>What <c>bench</c> prints. Speeds are medians.</summary>
/// <param name="ProbeGflopPerSecond">Before prefill, after it and after decode.</param>
internal sealed record BenchResult(
    string Model, string Device, string? ExpertBackend, int Threads, int PromptTokens, int GeneratedTokens, int Depth, int Batch,
    double PrefillTokensPerSecond, double DecodeTokensPerSecond, long DecodeBytesPerToken, string KvCacheDtype, long DecodeKvBytesPerToken, double ProbeGbPerSecond, double DecodeShareOfProbe, double LoadSeconds, long PeakRssBytes, long WeightsBytes,
    IReadOnlyList<double> ProbeGflopPerSecond, IReadOnlyList<DecodeRepetition> DecodeRepetitions, IReadOnlyList<OperationRow>? Prefill, IReadOnlyList<OperationRow>? Decode)
{
    /// <summary>With --speculative-config only.</summary>
    public DraftedBench? Drafted { get; init; }

    public void Write()
    {
        Table table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumns("", "");
        foreach ((string name, string value) in new (string, string)[]
        {
            ("model", Model), ("device", Device), ("experts", ExpertBackend ?? "none"),
            ("prefill", Text($"{PrefillTokensPerSecond:0.0} tokens/s ({PromptTokens} tokens, {Depth} before)")),
            ("decode", Text($"{DecodeTokensPerSecond:0.0} tokens/s ({Batch} at once, {GeneratedTokens} tokens each)")),
            ("decode with drafts", Drafted is null ? "" : Text($"{Drafted.DecodeTokensPerSecond:0.0} tokens/s, {Drafted.PlainTokensPerSecond:0.0} without, after a prompt that repeats itself ({Drafted.AcceptanceRate:0%} of draft tokens accepted, {Drafted.TokensPerDraft:0.0} tokens a step)")),
            ("weights of a token", Text($"{DecodeBytesPerToken / 1e6:0.0} MB")),
            ("keys and values of a token", Text($"{DecodeKvBytesPerToken / 1e6:0.0} MB in {KvCacheDtype}")),
            ("memory reads", Each(d => $"{d.ProbeGbPerSecond:0.0}", "GB/s beside each repetition")),
            ("float32 products", Text($"{ProbeGflopPerSecond[0]:0.0} GFLOP/s before prefill, {ProbeGflopPerSecond[1]:0.0} after, {ProbeGflopPerSecond[2]:0.0} after decode")),
            ("decode's share of them", Batch == 1 ? Text($"{DecodeShareOfProbe:0.00}: ") + Each(d => $"{d.ShareOfProbe:0.00}", "") : "for one text only"),
            ("thread to thread and back", Threads == 1 ? "" : Each(d => $"{d.RoundTripNanoseconds:0}", "ns")),
            ("load", Text($"{LoadSeconds:0.00} s")), ("weights", Text($"{WeightsBytes / 1e9:0.00} GB")), ("peak memory", Text($"{PeakRssBytes / 1e9:0.00} GB")),
        })
            if (value.Length > 0) table.AddRow(Markup.Escape(name), Markup.Escape(value));
        AnsiConsole.Write(table);
        Write("prefill", Prefill);
        Write("decode", Decode);
    }

    private string Each(Func<DecodeRepetition, FormattableString> figure, string unit) => $"{string.Join(" ", DecodeRepetitions.Select(d => Text(figure(d))))} {unit}".TrimEnd();

    private static void Write(string phase, IReadOnlyList<OperationRow>? rows)
    {
        if (rows is null) return;
        Table table = new Table().Border(TableBorder.Rounded).AddColumns(phase, "calls", "ms", "share", "GB/s", "GFLOP/s", "of ceiling");
        foreach (OperationRow row in rows)
            table.AddRow(
                Markup.Escape(row.Operation), $"{row.Calls}", Text($"{row.Milliseconds:0.0}"), Text($"{row.Share:0.0%}"), Text($"{row.GbPerSecond:0.0}"),
                Text($"{row.GflopPerSecond:0.0}"), Text($"{row.ShareOfCeiling:0%} {row.Ceiling}"));
        AnsiConsole.Write(table);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
