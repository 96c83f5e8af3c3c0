using System.Globalization;
using Lapidary.Conformance;
using Spectre.Console;

namespace Lapidary.Cli.Commands;

/// <summary>A conformance report for people.</summary>
internal static class MoeTables
{
    private const int MostFailures = 20;

    /// <summary>Weight formats by backends: cells passed, failed or refused.</summary>
    public static void Matrix(ConformanceReport report)
    {
        string[] backends = [.. report.Cells.Select(c => c.Backend).Distinct()];
        Table table = new Table().Border(TableBorder.Rounded).AddColumn("weights");
        foreach (string backend in backends) table.AddColumn(new TableColumn(Markup.Escape(backend)).RightAligned());
        foreach (IGrouping<string, ConformanceCell> format in report.Cells.GroupBy(c => c.Format))
        {
            ILookup<string, ConformanceCell> cells = format.ToLookup(c => c.Backend);
            table.AddRow([format.Key, .. backends.Select(b => Summary([.. cells[b]]))]);
        }
        AnsiConsole.Write(table);
        Refusals(report);
        Closing(report);
    }

    /// <summary>Errors of each backend, and the cells that failed (with a fault: that did not).</summary>
    public static void Conformance(ConformanceReport report)
    {
        Table table = new Table().Border(TableBorder.Rounded).AddColumns("backend", "cells", "failed", "refused", "error", "bound", "tail", "unrounded");
        foreach (IGrouping<string, ConformanceCell> backend in report.Cells.GroupBy(c => c.Backend))
        {
            ConformanceCell[] ran = [.. backend.Where(c => c.Outcome is CellOutcome.Passed or CellOutcome.Failed)];
            table.AddRow(
                Markup.Escape(backend.Key), $"{ran.Length}", $"{ran.Count(c => c.Outcome == CellOutcome.Failed)}", $"{backend.Count(c => c.Outcome == CellOutcome.Refused)}",
                Number(ran.Max(c => c.Error)), Number(ran.Max(c => (double?)c.Bound)), Number(ran.Max(c => c.TailError)), Number(ran.Max(c => c.Unrounded)));
        }
        AnsiConsole.Write(table);
        Console.WriteLine("error: largest, against float64 that rounds hidden states as the backend states; unrounded: against float64 that does not");
        CellOutcome notable = report.Fault is null ? CellOutcome.Failed : CellOutcome.Passed;
        ConformanceCell[] listed = [.. report.Cells.Where(c => c.Outcome == notable)];
        foreach (ConformanceCell cell in listed.Take(MostFailures))
            Console.WriteLine($"{(report.Fault is null ? "FAIL" : "MISSED")} {cell.Backend}, {cell.Activation}, {cell.Format}, {cell.Shape}: error {Number(cell.Error)} of {Number(cell.Bound)}, in the tail {Number(cell.TailError)}{(cell.Reason is null ? "" : $" ({cell.Reason})")}");
        if (listed.Length > MostFailures) Console.WriteLine($"… and {listed.Length - MostFailures} more");
        Closing(report);
    }

    private static void Refusals(ConformanceReport report)
    {
        foreach (IGrouping<(string Backend, string?), ConformanceCell> refusal in report.Cells.Where(c => c.Outcome == CellOutcome.Refused).GroupBy(c => (c.Backend, c.Reason)))
            Console.WriteLine($"{refusal.Key.Backend}: {refusal.Key.Item2}");
    }

    private static void Closing(ConformanceReport report) => Console.WriteLine(report.Fault is { } fault
        ? $"fault {fault}: noticed in {report.CellsFailed} of {report.CellsRun} cells; it cannot be put into {report.CellsInapplicable}, {report.CellsRefused} refused"
        : $"{(report.Ok ? "OK" : "FAIL")}: {report.CellsRun} cells run, {report.CellsFailed} failed, {report.CellsRefused} refused, {report.CellsTotal} in all ({report.Device})");

    private static string Summary(ConformanceCell[] cells)
    {
        int failed = cells.Count(c => c.Outcome == CellOutcome.Failed), passed = cells.Count(c => c.Outcome == CellOutcome.Passed);
        return failed > 0 ? $"[red]{failed} failed[/]" : passed == 0 ? "[grey]no[/]" : $"{passed}";
    }

    private static string Number(double? value) => value is { } v ? v.ToString("0.0e+0", CultureInfo.InvariantCulture) : "-";
}
