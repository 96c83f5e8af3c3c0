using System.Diagnostics;
using Lapidary.Cli.Bench;
using Lapidary.Verification;

namespace Lapidary.Tests.Cli;

/// <summary>An operation's rates beside what memory and arithmetic allow.</summary>
public sealed class OperationRowTests
{
    private static readonly Ceilings Ceilings = new(GbPerSecond: 20, GflopPerSecond: 200);

    [Theory]
    [InlineData(15, 40, 0.75, "memory")]
    [InlineData(5, 140, 0.7, "compute")]
    public void The_larger_share_is_the_one_that_binds(double gbPerSecond, double gflopPerSecond, double share, string ceiling)
    {
        OperationTime time = new() { Ticks = 2 * Stopwatch.Frequency, Calls = 7, Work = new OperationWork((long)(2e9 * gbPerSecond), (long)(1e9 * gflopPerSecond)) };
        OperationRow row = Assert.Single(OperationRow.Of(new Dictionary<string, OperationTime> { ["linear"] = time }, Ceilings));
        Assert.Equal(("linear", 7, 2000.0, 1.0), (row.Operation, row.Calls, row.Milliseconds, row.Share));
        Assert.Equal(gbPerSecond, row.GbPerSecond!.Value, 9);
        Assert.Equal(gflopPerSecond, row.GflopPerSecond!.Value, 9);
        Assert.Equal(share, row.ShareOfCeiling!.Value, 9);
        Assert.Equal(ceiling, row.Ceiling);
    }

    [Fact]
    public void What_nobody_counts_stays_empty()
    {
        OperationTime time = new() { Ticks = Stopwatch.Frequency, Calls = 1 };
        OperationRow row = Assert.Single(OperationRow.Of(new Dictionary<string, OperationTime> { ["norm"] = time }, Ceilings));
        Assert.Equal((null, null, null, null), (row.GbPerSecond, row.GflopPerSecond, row.ShareOfCeiling, row.Ceiling));
    }

    [Fact]
    public void No_processor_multiplies_as_fast_as_a_probe_that_the_compiler_has_emptied()
        => Assert.InRange(ArithmeticProbe.Measure(threads: 1), 0.001, 1000);
}
