using System.Diagnostics;
using System.Text;

namespace Lapidary.Tests.Cli;

/// <summary>What a run of the command printed, and its exit code.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Error)
{
    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>The built <c>lapidary</c> as its own process, as a user starts it.</summary>
internal static class LapidaryProcess
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3); // against hanging: the longest takes half a minute beside other work
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "lapidary.dll");

    public static CommandResult Run(params string[] arguments) => RunWithInput([], arguments);

    public static CommandResult RunWithInput(string input, params string[] arguments) => RunWithInput(Encoding.UTF8.GetBytes(input), arguments);

    /// <summary>Runs until a line of standard error begins so, then ends it.</summary>
    /// <returns>That line.</returns>
    public static string RunUntil(string begins, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [Program, .. arguments]) { RedirectStandardError = true, WorkingDirectory = Path.GetTempPath() })!;
        List<string> lines = [];
        using Timer limit = new(_ => process.Kill(entireProcessTree: true), null, Limit, Timeout.InfiniteTimeSpan);
        while (process.StandardError.ReadLine() is { } line)
        {
            lines.Add(line);
            if (!line.StartsWith(begins, StringComparison.Ordinal)) continue;
            process.Kill(entireProcessTree: true);
            return line;
        }
        throw new InvalidOperationException($"no line begins with \"{begins}\": {string.Join(" | ", lines)}");
    }

    /// <exception cref="TimeoutException">It hung; it was killed.</exception>
    public static CommandResult RunWithInput(byte[] input, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [Program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = Path.GetTempPath(),
            // Bounded memory: a hostile size must be refused before it is allocated.
            Environment = { ["DOTNET_GCHeapHardLimit"] = "0x40000000" },
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        try
        {
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading its input.
        }
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"lapidary {string.Join(' ', arguments)} did not end within {Limit.TotalMinutes:f0} minutes");
        }
        return new CommandResult(process.ExitCode, output.Result, error.Result);
    }
}
