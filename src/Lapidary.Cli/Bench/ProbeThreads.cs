using System.Diagnostics;

namespace Lapidary.Cli.Bench;

/// <summary>Runs one thing again and again on several threads at once.</summary>
internal static class ProbeThreads
{
    /// <summary>How often all threads together get through it in a second.</summary>
    /// <param name="pass">Called with the thread's number; far shorter than <paramref name="seconds"/>.</param>
    public static double PassesPerSecond(int threads, double seconds, Action<int> pass)
    {
        long passes = 0;
        Stopwatch watch = Stopwatch.StartNew();
        Thread[] running = [.. Enumerable.Range(0, threads).Select(t => new Thread(() =>
        {
            for (; watch.Elapsed.TotalSeconds < seconds; Interlocked.Increment(ref passes)) pass(t);
        }))];
        foreach (Thread thread in running) thread.Start();
        foreach (Thread thread in running) thread.Join();
        return passes / watch.Elapsed.TotalSeconds;
    }
}
