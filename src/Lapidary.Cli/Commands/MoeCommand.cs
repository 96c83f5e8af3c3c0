using System.CommandLine;
using System.Text.Json;
using Lapidary.Conformance;
using Lapidary.Cpu;
using Spectre.Console;

namespace Lapidary.Cli.Commands;

/// <summary>What the expert backends of this machine can do, proved against float64.</summary>
internal static class MoeCommand
{
    public static Command Create() => new("moe", "Check the expert backends: every activation, weight format and shape against float64.")
    {
        Matrix(),
        Conformance(),
    };

    private static Command Matrix()
    {
        Cells cells = new();
        Option<bool> markdown = new("--markdown") { Description = "Write docs/support-matrix.md of the checkout this folder belongs to." };
        Command command = new("matrix", "Run the whole matrix and print which backend serves which weight format.") { markdown };
        cells.AddTo(command);
        command.SetAction(parsed =>
        {
            string? page = parsed.GetValue(markdown) ? SupportMatrix.Locate() : null;
            if (page is not null && cells.AreSome(parsed)) throw new RequestException("--markdown writes the page of the whole matrix; leave out --expert-backend, --activation, --format, --shape and --arithmetic fast");
            ConformanceReport report = cells.Run(parsed, fault: null);
            if (page is not null)
            {
                if (!report.Ok) throw new BackendException($"{report.CellsFailed} cells failed; the page would claim what does not hold (see lapidary moe conformance)");
                File.WriteAllText(page, SupportMatrix.Markdown(report));
            }
            if (cells.Json(parsed)) Console.WriteLine(JsonSerializer.Serialize(report, CliJson.Default.ConformanceReport));
            else MoeTables.Matrix(report);
            return report.Ok ? 0 : 1;
        });
        return command;
    }

    private static Command Conformance()
    {
        Cells cells = new();
        Option<string?> inject = new("--inject") { Description = $"Put in a deliberate error, which every cell must notice: {string.Join("; ", MoeFault.All.Select(f => $"{f.Name}: {f.Description}"))}." };
        Command command = new("conformance", "Run the matrix and print the errors of each backend. Exits with 1 when a cell fails.") { inject };
        cells.AddTo(command);
        command.SetAction(parsed =>
        {
            ConformanceReport report = cells.Run(parsed, parsed.GetValue(inject) is { } name ? MoeFault.Parse(name) : null);
            if (cells.Json(parsed)) Console.WriteLine(JsonSerializer.Serialize(report, CliJson.Default.ConformanceReport));
            else MoeTables.Conformance(report);
            return report.Ok ? 0 : 1;
        });
        return command;
    }

    /// <summary>Which cells, and how they are printed.</summary>
    private sealed class Cells
    {
        private readonly Option<string?> backend = new("--expert-backend") { Description = "Only this backend." };
        private readonly Option<string?> activation = new("--activation") { Description = "Only this activation; NAME_no_mul is the non-gated form." };
        private readonly Option<string?> format = new("--format") { Description = "Only this weight format." };
        private readonly Option<string?> shape = new("--shape") { Description = "Only this shape." };
        private readonly CpuChoices cpu = new();
        private readonly Option<bool> json = new("--json") { Description = "One JSON object with a row for each cell." };

        public void AddTo(Command command)
        {
            foreach (Option option in (Option[])[backend, activation, format, shape, json]) command.Options.Add(option);
            cpu.AddTo(command);
        }

        /// <summary>Whether they are not the whole matrix in the arithmetic that is the default.</summary>
        public bool AreSome(ParseResult parsed)
            => new[] { backend, activation, format, shape }.Any(option => parsed.GetValue(option) is not null) || cpu.Chosen(parsed, model: null) == Arithmetic.Fast;

        public bool Json(ParseResult parsed) => parsed.GetValue(json);

        public ConformanceReport Run(ParseResult parsed, MoeFault? fault)
        {
            using CpuKernels kernels = cpu.Open(parsed, model: null);
            ProgressBar bar = new("checking", "cell");
            ConformanceReport report = MoeConformance.Run(kernels, new ConformanceOptions
            {
                Fault = fault,
                Backend = parsed.GetValue(backend),
                Activation = parsed.GetValue(activation),
                Format = parsed.GetValue(format),
                Shape = parsed.GetValue(shape),
                Progress = bar.Update,
            });
            bar.Clear();
            return report;
        }
    }
}
