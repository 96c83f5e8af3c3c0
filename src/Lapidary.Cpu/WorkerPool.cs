namespace Lapidary.Cpu;

/// <summary>
/// A kernel over vectors of any width whose work splits into shares: worker w of n does its own, or takes <see cref="Pieces"/>,
/// and touches no other's output. The width is chosen in one place, <see cref="WorkerPool.Run"/>.
/// </summary>
internal interface IParallelJob
{
    void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>;
}

/// <summary>
/// Threads that wait spinning for a short while and then sleep. A call publishes one job, takes part in it and waits for
/// the others; it allocates nothing and takes no lock while the workers are awake. A share that its worker has not begun
/// when the caller is done is the caller's too: on a machine that other programs keep busy a worker may not run for
/// milliseconds, and a layer has many jobs.
/// </summary>
internal sealed unsafe class WorkerPool : IDisposable
{
    /// <summary>Multiply-adds of a product that take as long as reading, changing and writing one number.</summary>
    public const long ElementOperations = 8;

    // Below 0.4 ms: longer than the gap between two operations of a layer, shorter than anyone would notice.
    private const int SpinsBeforeSleep = 2000;

    // About 0.25 µs: what comes within it is not kept waiting by a pause, which takes 0.2 µs.
    private const int LooksBeforePauses = 400;

    private const int LineLength = 64 / sizeof(long);

    private readonly Thread[] threads;
    private readonly SemaphoreSlim wake = new(0);
    private readonly int[] claimed; // by worker: the generation whose share somebody last began
    private readonly long[] taken; // by worker, a cache line each: a generation, and below it how many pieces of the worker's share were asked for in it
    private delegate*<void*, int, int, void> entry;
    private void* job;
    private volatile int generation;
    private volatile int pending;
    private int sleeping; // threads that wait for a permit nobody has given yet
    private volatile bool stopping;
    private Exception? failure;

    /// <param name="pinned">Whether each thread of the pool keeps to a processor of its own; the first is left to the caller.</param>
    public WorkerPool(int workers, bool pinned = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(workers);
        Workers = workers;
        threads = new Thread[workers - 1];
        claimed = new int[workers];
        taken = new long[(workers + 1) * LineLength];
        int[]? processors = pinned ? ThreadAffinity.Available() : null;
        for (int i = 0; i < threads.Length; i++)
        {
            int worker = i + 1;
            threads[i] = new Thread(() => Work(worker, processors?[worker])) { IsBackground = true, Name = $"lapidary-cpu-{worker}" };
            threads[i].Start();
        }
    }

    public int Workers { get; }

    /// <summary>Workers that no job keeps awake.</summary>
    internal int Asleep => Volatile.Read(ref sleeping);

    /// <summary>Runs the job on all workers, or on the caller alone when it is too small to share.</summary>
    /// <param name="operations">Rough number of multiply-adds in the job, or <see cref="ElementOperations"/> for each element.</param>
    public void Run<TJob>(ref TJob job, long operations) where TJob : struct, IParallelJob
    {
        // Waking the others costs about a microsecond: a few ten thousand operations.
        if (threads.Length == 0 || operations < 32768)
        {
            if (CpuFeatures.VectorBits == 512) job.Run<V16>(0, 1);
            else if (CpuFeatures.VectorBits == 256) job.Run<V8>(0, 1);
            else if (CpuFeatures.VectorBits == 128) job.Run<V4>(0, 1);
            else job.Run<V1>(0, 1);
            return;
        }

#pragma warning disable CS8500 // the job lies on the caller's stack, which waits here: it neither moves nor dies
        fixed (TJob* pointer = &job)
        {
            this.job = pointer;
            entry = CpuFeatures.VectorBits switch
            {
                512 => &Invoke<TJob, V16>,
                256 => &Invoke<TJob, V8>,
                128 => &Invoke<TJob, V4>,
                _ => &Invoke<TJob, V1>,
            };
            pending = threads.Length;
            int current = Interlocked.Increment(ref generation);
            WakeSleepers();
            RunShare(0);
            for (int worker = Workers - 1; worker > 0; worker--) TryRunShare(worker, current);
            SpinWait spin = default;
            for (int looks = 0; pending > 0; looks++)
                if (looks >= LooksBeforePauses) spin.SpinOnce(sleep1Threshold: -1);
        }
        if (failure is { } exception)
        {
            failure = null;
            throw new InvalidOperationException("a worker failed", exception);
        }
    }

    /// <summary>How many pieces of a worker's share had been asked for in the job that runs; <see cref="Pieces"/> knows how many there are.</summary>
    public int TakePiece(int worker)
    {
        ref long place = ref taken[(worker + 1) * LineLength];
        for (long before = Volatile.Read(ref place), current = (long)generation << 32; ;)
        {
            long next = (before >> 32 == current >> 32 ? before : current) + 1;
            long seen = Interlocked.CompareExchange(ref place, next, before);
            if (seen == before) return (int)(next - 1 - current);
            before = seen;
        }
    }

    public void Dispose()
    {
        stopping = true;
        Interlocked.Increment(ref generation);
        WakeSleepers();
        foreach (Thread thread in threads) thread.Join();
        wake.Dispose();
    }

    private static void Invoke<TJob, TLane>(void* job, int worker, int workers)
        where TJob : struct, IParallelJob where TLane : struct, IFloatLane<TLane>
        => (*(TJob*)job).Run<TLane>(worker, workers);
#pragma warning restore CS8500

    /// <summary>Runs a worker's share unless it has been begun. A job's memory stays valid until all its shares are done,
    /// so a thread that comes late may not even look at it without having claimed one.</summary>
    private void TryRunShare(int worker, int current)
    {
        if (Interlocked.CompareExchange(ref claimed[worker], current, current - 1) != current - 1) return;
        RunShare(worker);
        Interlocked.Decrement(ref pending);
    }

    private void RunShare(int worker)
    {
        try
        {
            entry(job, worker, Workers);
        }
        catch (Exception exception) // a thread must never die of a job; the caller rethrows
        {
            Interlocked.CompareExchange(ref failure, exception, null);
        }
    }

    private void Work(int worker, int? processor)
    {
        try
        {
            if (processor is { } own) ThreadAffinity.Bind(own);
        }
        catch (InvalidOperationException exception)
        {
            failure = exception;
        }
        int seen = 0;
        while (true)
        {
            AwaitNext(ref seen);
            if (stopping) return;
            TryRunShare(worker, seen);
        }
    }

    private void AwaitNext(ref int seen)
    {
        for (int spins = 0; generation == seen; spins++)
        {
            if (spins < SpinsBeforeSleep)
            {
                if (spins >= LooksBeforePauses) Thread.SpinWait(4);
                continue;
            }
            Interlocked.Increment(ref sleeping);
            if (generation == seen || !TryStayAwake()) wake.Wait();
        }
        seen = generation;
    }

    private void WakeSleepers()
    {
        int asleep = Interlocked.Exchange(ref sleeping, 0);
        if (asleep > 0) wake.Release(asleep);
    }

    /// <summary>Takes back an intent to sleep; false when the permit is already given and has to be used up.</summary>
    private bool TryStayAwake()
    {
        for (int asleep = Volatile.Read(ref sleeping); asleep > 0; asleep = Volatile.Read(ref sleeping))
            if (Interlocked.CompareExchange(ref sleeping, asleep - 1, asleep) == asleep) return true;
        return false;
    }
}

/// <summary>Static partition of a range among workers.</summary>
internal static class Share
{
    /// <summary>Worker's part [from, to) of count items, in multiples of <paramref name="grain"/>.</summary>
    public static (int From, int To) Of(int count, int worker, int workers, int grain = 1)
    {
        long blocks = (count + grain - 1) / grain;
        int from = (int)Math.Min(count, blocks * worker / workers * grain);
        int to = (int)Math.Min(count, blocks * (worker + 1) / workers * grain);
        return (from, to);
    }
}

/// <summary>Items of work that is not a kernel.</summary>
internal readonly struct HostJob(IHostWork work, int items) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(items, worker, workers);
        for (int item = from; item < to; item++) work.Run(item);
    }
}
