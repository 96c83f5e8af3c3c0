using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Lapidary.Cli.Bench;

/// <summary>How fast the threads together read memory that is in no cache: what a decode step cannot beat.</summary>
internal sealed class BandwidthProbe : IDisposable
{
    private const int PieceBytes = 8 << 20, MostPieces = 128; // 1 GiB in all: a shared last-level cache may have 260 MB
    private const int PieceLength = PieceBytes / 64;
    private readonly int pieces;
    private readonly Vector512<int>[][] memory;

    public BandwidthProbe(int threads)
    {
        long room = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8 / PieceBytes; // of a process that may have less
        pieces = (int)Math.Max(1, Math.Min(room, MostPieces) / threads);
        memory = new Vector512<int>[threads][];
        Parallel.For(0, threads, t =>
        {
            memory[t] = GC.AllocateUninitializedArray<Vector512<int>>(pieces * PieceLength);
            memory[t].AsSpan().Fill(Vector512.Create(t + 1)); // pages exist and are written
        });
    }

    /// <summary>GB/s over about one second: on a shared machine a single pass may be half as fast or twice, as a decode step may.</summary>
    public double Measure()
    {
        int[] next = new int[memory.Length];
        return ProbeThreads.PassesPerSecond(memory.Length, 1, t => GC.KeepAlive(Sum(memory[t].AsSpan(next[t]++ % pieces * PieceLength, PieceLength)))) * PieceBytes / 1e9;
    }

    public void Dispose() => Array.Clear(memory);

    private static int Sum(ReadOnlySpan<Vector512<int>> values)
    {
        ref Vector512<int> first = ref MemoryMarshal.GetReference(values);
        Vector512<int> a = default, b = default, c = default, d = default;
        for (int i = 0; i < values.Length; i += 4)
        {
            a += Unsafe.Add(ref first, i);
            b += Unsafe.Add(ref first, i + 1);
            c += Unsafe.Add(ref first, i + 2);
            d += Unsafe.Add(ref first, i + 3);
        }
        return Vector512.Sum(a + b + c + d);
    }
}
