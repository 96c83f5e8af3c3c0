using System.Globalization;
using Lapidary.Cli.Load;
using static System.FormattableString;

namespace Lapidary.Cli.Reports;

/// <summary>What <c>bench serve --html</c> writes.</summary>
internal static class LoadPage
{
    public static Page Of(LoadReport report)
    {
        LoadPlan plan = report.Plan;
        Page page = new Page($"Load test of {report.Model}")
            .Paragraph(string.Create(CultureInfo.InvariantCulture, $"{plan.BaseUrl} ({(plan.Endpoint == LoadEndpoint.Chat ? "chat completions" : "completions")}), {report.Date:yyyy-MM-dd HH:mm}."))
            .Paragraph(Invariant($"{plan.Requests} requests of {plan.InputTokens} tokens{(plan.PrefixTokens > 0 ? Invariant($" after one of {plan.Prefixes} shared prefixes of {plan.PrefixTokens}") : "")}, answers of at most {plan.OutputTokens}, lengths ±{100 * plan.RangeRatio:0} %."))
            .Table(["", "#"], LoadTable.Rows(report).Select(row => (string[])[row.Name, row.Value]))
            .Heading("Latencies in milliseconds")
            .Table(["", "#mean", "#median", "#std", "#p90", "#p95", "#p99"], report.Latencies.Select(l => (string[])[l.Name, .. LoadTable.Cells(l.Summary)]));
        if (report.Failed > 0)
            page.Heading("Failures").Table(["reason", "#requests"], report.Errors.Select(e => (string[])[MessageText.OneLine(e.Reason), Invariant($"{e.Count}")]));
        if (report.Good.Count == 0) return page;
        return page.Heading("Over the test")
            .Paragraph("Blue: generated tokens per second. Orange: requests at a time.")
            .Picture(LoadPlots.Throughput(report))
            .Paragraph("Time to first token of each request, at its start. Orange: failed.")
            .Picture(LoadPlots.FirstTokens(report))
            .Heading("Distributions")
            .Paragraph("The part of requests or tokens within a time; the median and the 99th percentile are marked.")
            .Picture(LoadPlots.Distribution("time to first token", report.Good.Select(t => t.Ttft)))
            .Picture(LoadPlots.Distribution("time per output token", report.Good.Where(t => t.OutputTokens > 1).Select(t => t.Tpot)))
            .Picture(LoadPlots.Distribution("inter-token latency", report.Good.SelectMany(t => t.Itls)))
            .Picture(LoadPlots.Distribution("end-to-end latency", report.Good.Select(t => t.Latency)));
    }
}
