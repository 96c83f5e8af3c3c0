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
    public void Idle_workers_fall_asleep_and_wake_for_the_next_job()
    {
        using WorkerPool pool = new(3);
        var perShare = new int[3];
        for (int round = 1; round <= 3; round++)
        {
            Count job = new(perShare);
            pool.Run(ref job, 1 << 20);
            Assert.All(perShare, count => Assert.Equal(round * 3, count));
            Assert.True(SpinWait.SpinUntil(() => pool.Asleep == 2, TimeSpan.FromSeconds(30)), $"{pool.Asleep} of 2 idle workers sleep");
        }
    }

    /// <summary>Long enough that each worker begins its own.</summary>
    private readonly struct Processors(int[][] perShare) : IParallelJob
    {
        public int[][] PerShare => perShare;

        public readonly void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            Thread.Sleep(100);
            perShare[worker] = ThreadAffinity.Available();
        }
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Workers_keep_to_a_processor_each_when_asked_to(bool pinned)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "threads can be bound on Linux only");
        int[] all = ThreadAffinity.Available();
        Assert.SkipUnless(all.Length > 1, "needs two processors");
        int workers = Math.Min(3, all.Length);
        using WorkerPool pool = new(workers, pinned);
        Processors job = new(new int[workers][]);
        pool.Run(ref job, 1 << 20);
        pool.Run(ref job, 1 << 20);
        Assert.Equal(all, job.PerShare[0]); // the caller's
        for (int worker = 1; worker < workers; worker++) Assert.Equal(pinned ? [all[worker]] : all, job.PerShare[worker]);
    }

    private struct Note(int[] threads) : IParallelJob
    {
        public readonly void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
            => threads[worker] = Environment.CurrentManagedThreadId;
    }

    [Fact]
    public void Workers_that_get_no_processor_do_not_hold_the_caller_up()
    {
        // Far more threads than processors: the caller takes over shares whose workers have not begun.
        const int Rounds = 500;
        using WorkerPool pool = new(16 * Environment.ProcessorCount);
        var threads = new int[pool.Workers];
        int own = 0;
        for (int round = 0; round < Rounds; round++)
        {
            Note job = new(threads);
            pool.Run(ref job, 1 << 20);
            Assert.DoesNotContain(0, threads);
            own += threads.Count(id => id == Environment.CurrentManagedThreadId);
            Array.Clear(threads);
        }
        Assert.True(own > Rounds, "the caller never ran more than its own share");
    }
}
