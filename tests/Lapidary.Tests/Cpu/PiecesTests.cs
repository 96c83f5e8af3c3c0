using System.Reflection;
using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

/// <summary>Whoever takes them, every piece of a job is taken once.</summary>
public sealed class PiecesTests
{
    /// <param name="slow">A worker that waits within its first piece until all other pieces are taken.</param>
    private readonly struct Take(WorkerPool pool, int[] takers, int slow) : IParallelJob
    {
        public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
        {
            Pieces pieces = new(pool, takers.Length, worker, workers);
            for (int count = 0; pieces.Next(out int piece); count++)
            {
                Assert.Equal(0, Interlocked.Exchange(ref takers[piece], worker + 1));
                if (worker == slow && count == 0) SpinWait.SpinUntil(AllTaken, TimeSpan.FromSeconds(30));
            }
        }

        private bool AllTaken()
        {
            foreach (ref int taker in takers.AsSpan())
                if (Volatile.Read(ref taker) == 0) return false;
            return true;
        }
    }

    public static MatrixTheoryData<int, int> Cases() => new([1, 2, 7], [0, 1, 6, 1000]);

    [Theory, MemberData(nameof(Cases))]
    public void Every_piece_is_taken_once(int workers, int count)
    {
        using WorkerPool pool = new(workers);
        for (int round = 0; round < 500; round++) Assert.DoesNotContain(0, Run(pool, count, slow: -1));
    }

    [Theory, InlineData(0), InlineData(1)]
    public void Others_take_what_a_slow_worker_has_not_begun(int slow)
    {
        using WorkerPool pool = new(2);
        int[] takers = Run(pool, 100, slow);
        Assert.DoesNotContain(0, takers);
        Assert.InRange(takers.Count(taker => taker == slow + 1), 0, 1); // none where the other took all of it before it began
    }

    /// <summary>Jobs are numbered in 32 bits: at 150,000 a second they begin again within hours.</summary>
    [Fact]
    public void Numbers_of_jobs_may_begin_again()
    {
        using WorkerPool pool = new(2);
        Assert.DoesNotContain(0, Run(pool, 10, slow: -1));
        Set("claimed", new[] { int.MaxValue - 2, int.MaxValue - 2 });
        Set("generation", int.MaxValue - 2);
        for (int round = 0; round < 10; round++) Assert.DoesNotContain(0, Run(pool, 10, slow: -1));

        void Set(string field, object value) => typeof(WorkerPool).GetField(field, BindingFlags.NonPublic | BindingFlags.Instance)!.SetValue(pool, value);
    }

    private static int[] Run(WorkerPool pool, int count, int slow)
    {
        int[] takers = new int[count];
        Take job = new(pool, takers, slow);
        pool.Run(ref job, 1 << 20);
        return takers;
    }
}
