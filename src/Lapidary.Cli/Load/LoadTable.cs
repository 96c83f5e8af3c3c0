using Spectre.Console;
using static System.FormattableString;

namespace Lapidary.Cli.Load;

/// <summary>A load test for people: the lines of <c>vllm bench serve</c>.</summary>
internal static class LoadTable
{
    public static void Write(LoadReport report)
    {
        Table counts = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumn("").AddColumn(new TableColumn("").RightAligned());
        foreach ((string name, string value) in Rows(report)) counts.AddRow(Markup.Escape(name), Markup.Escape(value));
        AnsiConsole.Write(counts);
        if (report.Good.Count > 0) WriteLatencies(report);
        foreach ((string reason, int count) in report.Errors.Take(5)) Console.Error.WriteLine($"{count} failed: {MessageText.OneLine(reason)}");
    }

    private static void WriteLatencies(LoadReport report)
    {
        Table times = new Table().Border(TableBorder.Rounded).AddColumn("milliseconds");
        foreach (string column in (string[])["mean", "median", "std", "p90", "p95", "p99"]) times.AddColumn(new TableColumn(column).RightAligned());
        foreach ((_, string key, LatencySummary s) in report.Latencies)
            times.AddRow([Markup.Escape(key.ToUpperInvariant()), .. Cells(s)]);
        AnsiConsole.Write(times);
    }

    public static IEnumerable<string> Cells(LatencySummary s) => ((double[])[s.Mean, s.Median, s.Std, s.P90, s.P95, s.P99]).Select(ms => Invariant($"{ms:0.00}"));

    public static IEnumerable<(string Name, string Value)> Rows(LoadReport report)
    {
        LoadPlan plan = report.Plan;
        yield return ("model", report.Model);
        yield return ("requests that succeeded, that failed", Invariant($"{report.Good.Count}, {report.Failed}"));
        yield return ("request rate", plan.RequestRate is { } rate ? Invariant($"{rate} per second, burstiness {plan.Burstiness}") : "as fast as may be");
        yield return ("most requests at a time, allowed and seen", Invariant($"{(plan.MaxConcurrency is { } most ? Invariant($"{most}") : "any")}, {report.MaxConcurrent}"));
        yield return ("duration (s)", Invariant($"{report.Duration:0.00}"));
        yield return ("input tokens, generated tokens", Invariant($"{report.InputTokens}, {report.OutputTokens}"));
        yield return ("request throughput (req/s)", Invariant($"{report.RequestThroughput:0.00}"));
        if (report.RequestGoodput is { } goodput) yield return ("request goodput (req/s)", Invariant($"{goodput:0.00}"));
        yield return ("output token throughput (tok/s)", Invariant($"{report.OutputThroughput:0.00}"));
        yield return ("total token throughput (tok/s)", Invariant($"{report.TotalThroughput:0.00}"));
    }
}
