using System.Diagnostics;

namespace Lapidary.Cli.Bench;

/// <summary>
/// How long a number takes from one thread to another and back. Cores that share a cache need a fraction of what cores apart
/// need, a virtual machine's may move within seconds, and small products wait for it.
/// </summary>
internal static class HandoverProbe
{
    private const int Trips = 2000;

    /// <summary>Nanoseconds there and back, of ten series the shortest, since both threads may begin on one core; nothing for a single thread.</summary>
    public static double? Measure(int threads) => threads < 2 ? null : Enumerable.Range(0, 10).Min(_ => Series());

    private static double Series()
    {
        long number = 0;
        Thread other = new(() =>
        {
            for (int trip = 0; trip < Trips; trip++)
            {
                Await(ref number, 2 * trip + 1);
                Volatile.Write(ref number, 2 * trip + 2);
            }
        });
        other.Start();
        Stopwatch watch = Stopwatch.StartNew();
        for (int trip = 0; trip < Trips; trip++)
        {
            Volatile.Write(ref number, 2 * trip + 1);
            Await(ref number, 2 * trip + 2);
            if (trip == 0) watch.Restart(); // the other has started
        }
        double nanoseconds = watch.Elapsed.TotalNanoseconds / (Trips - 1);
        other.Join();
        return nanoseconds;
    }

    /// <summary>Spins; where both threads have one core, gives it up now and then.</summary>
    private static void Await(ref long number, long value)
    {
        for (int spins = 1; Volatile.Read(ref number) != value; spins++)
            if (spins % 10_000 == 0) Thread.Yield();
    }
}
