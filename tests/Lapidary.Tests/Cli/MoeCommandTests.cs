using System.Text.Json.Nodes;

namespace Lapidary.Tests.Cli;

/// <summary>The matrix as a user runs it, on a few of its cells.</summary>
public sealed class MoeCommandTests
{
    private static readonly string[] Few = ["--format", "int4 g32", "--shape", "odd 22"];

    [Fact]
    public void Json_counts_cells_and_has_a_row_for_each()
    {
        CommandResult result = LapidaryProcess.Run(["moe", "matrix", "--format", "int3 g32", "--shape", "odd 22", "--activation", "gelu_tanh", "--json"]);
        JsonNode report = JsonNode.Parse(result.Output)!;
        Assert.Equal(0, result.ExitCode);
        Assert.Equal((6, 5, 0, 1), (Count("cells_total"), Count("cells_run"), Count("cells_failed"), Count("cells_refused")));
        JsonArray cells = report["cells"]!.AsArray();
        Assert.Equal(6, cells.Count);
        JsonNode refused = cells.Single(c => c!["outcome"]!.GetValue<string>() == "refused")!, grouped = cells.Single(c => c!["backend"]!.GetValue<string>() == "grouped")!;
        Assert.Equal("takes codes of 4 and 8 bits, not 3", refused["reason"]!.GetValue<string>());
        Assert.Equal("passed", grouped["outcome"]!.GetValue<string>());
        Assert.InRange(grouped["error"]!.GetValue<double>(), 1e-9, 1e-5);

        int Count(string name) => report[name]!.GetValue<int>();
    }

    [Fact]
    public void Tables_close_with_one_line_and_exit_codes_tell()
    {
        CommandResult good = LapidaryProcess.Run(["moe", "conformance", .. Few]), faulty = LapidaryProcess.Run(["moe", "conformance", .. Few, "--inject", "erf"]);
        Assert.Equal(0, good.ExitCode);
        Assert.Contains("OK: 72 cells run, 0 failed, 0 refused, 72 in all", good.Output);
        Assert.Equal(1, faulty.ExitCode);
        Assert.Contains("fault erf: noticed in 60 of 60 cells; it cannot be put into 12, 0 refused", faulty.Output);
    }

    [Theory]
    [InlineData("unknown fault \"elf\"; known: erf, silu", "conformance", "--inject", "elf")]
    [InlineData("unknown shape \"round\"; known: aligned", "matrix", "--shape", "round")]
    [InlineData("--threads is 0, expected 1 to 1024", "conformance", "--threads", "0")]
    [InlineData("inside a checkout", "matrix", "--format", "F32", "--shape", "odd 22", "--markdown")]
    public void Bad_arguments_are_one_line(string expected, params string[] arguments)
    {
        CommandResult result = LapidaryProcess.Run(["moe", .. arguments]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(expected, Assert.Single(result.ErrorLines));
    }
}
