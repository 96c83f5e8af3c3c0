using System.Diagnostics;
using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

public sealed class WorkerPoolTests
{
    private struct Count(int[] perShare) : IParallelJob
    {
        public readonly void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
            => perShare[worker] += workers; // no lock: one thread a share
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Every_share_runs_exactly_once(int workers)
    {
        using WorkerPool pool = new(workers);
        var perShare = new int[workers];
        for (int round = 1; round <= 20_000; round++)
        {
            Count job = new(perShare);
            pool.Run(ref job, 1 << 20);
            if (round % 2000 == 0) Thread.Sleep(1); // the workers fall asleep
            Assert.All(perShare, count => Assert.Equal(round * workers, count));
        }
    }

    [Fact]
    public void Workers_that_get_no_processor_do_not_hold_the_caller_up()
    {
        // Far more threads than processors: waiting for each to be scheduled in every job would take minutes.
        using WorkerPool pool = new(16 * Environment.ProcessorCount);
        var perShare = new int[pool.Workers];
        Stopwatch watch = Stopwatch.StartNew();
        for (int round = 0; round < 3000; round++)
        {
            Count job = new(perShare);
            pool.Run(ref job, 1 << 20);
        }
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 20);
        Assert.All(perShare, count => Assert.Equal(3000 * pool.Workers, count));
    }
}
