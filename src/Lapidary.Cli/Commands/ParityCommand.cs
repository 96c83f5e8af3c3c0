using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Lapidary.Cpu;
using Lapidary.Verification;

namespace Lapidary.Cli.Commands;

/// <summary>Compares models with the golden outputs of HuggingFace that lie beside them.</summary>
internal static class ParityCommand
{
    public static Command Create()
    {
        Argument<string[]> folders = new("folders") { Description = "Golden folders: config.json, weights, golden.safetensors.", Arity = ArgumentArity.OneOrMore };
        Option<string?> backend = new("--expert-backend") { Description = "Force an expert backend." };
        Option<string?> inject = new("--inject") { Description = $"Put in a deliberate error, which must be noticed: {string.Join(", ", Fault.All.Select(f => f.Name))}." };
        Option<string> config = new("--config") { Description = "Name of the configuration file.", DefaultValueFactory = _ => "config.json" };
        Option<bool> json = new("--json") { Description = "One JSON object per folder on standard output." };
        Option<bool> quiet = new("--quiet") { Description = "Closing lines only." };
        Command command = new("parity", "Compare every tensor with HuggingFace goldens.") { folders, backend, inject, config, json, quiet };
        command.SetAction(parsed =>
        {
            ParityOptions options = new()
            {
                ExpertBackend = parsed.GetValue(backend),
                Fault = parsed.GetValue(inject) is { } name ? Fault.Parse(name) : null,
                ConfigFile = parsed.GetValue(config)!,
            };
            using CpuKernels kernels = new();
            bool ok = true;
            foreach (string folder in parsed.GetValue(folders)!)
            {
                ParityReport report = RunOne(folder, kernels, options);
                if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(report, CliJson.Default.ParityReport));
                else Print(report, parsed.GetValue(quiet));
                ok &= report.Ok;
            }
            return ok ? 0 : 1;
        });
        return command;
    }

    private static ParityReport RunOne(string folder, CpuKernels kernels, ParityOptions options)
    {
        try
        {
            return Parity.Run(folder, kernels, options);
        }
        catch (LapidaryException exception)
        {
            return new ParityReport(folder, [], 0, 0, exception.Message); // the other folders still count
        }
    }

    private static void Print(ParityReport report, bool quiet)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(report.Folder));
        if (!quiet && report.Rows.Count > 0)
        {
            int width = Math.Max(20, report.Rows.Max(r => r.Tensor.Length));
            Console.WriteLine($"{"tensor".PadRight(width)}  {"max abs",9}  {"mean abs",9}  {"scaled",9}  {"tol",-6}  ");
            foreach (ParityRow row in report.Rows)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{row.Tensor.PadRight(width)}  {row.MaxAbs,9:0.0e+00}  {row.MeanAbs,9:0.0e+00}  {row.Scaled,9:0.0e+00}  {row.Tolerance,-6:0e+0}  {(row.Ok ? "OK" : "FAIL")}"));
        }
        if (report.Problem is { } problem) Console.WriteLine($"{name}: FAIL {problem.ReplaceLineEndings(" ")}");
        else Console.WriteLine($"{name}: {(report.Ok ? "OK" : "FAIL")} {report.Rows.Count(r => r.Ok)}/{report.Rows.Count} tensors, argmax {report.ArgmaxAgreed}/{report.Positions}");
    }
}
