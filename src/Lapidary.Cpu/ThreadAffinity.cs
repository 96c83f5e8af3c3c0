using System.Numerics;
using System.Runtime.InteropServices;

namespace Lapidary.Cpu;

/// <summary>Binding threads to processors, where the system lets a thread choose (Linux).</summary>
public static unsafe partial class ThreadAffinity
{
    private const int MaxProcessors = 1024; // glibc's cpu_set_t

    /// <summary>Why that many threads cannot have a processor each; null when they can.</summary>
    public static string? Refusal(int threads)
    {
        if (!OperatingSystem.IsLinux()) return "threads can be bound to processors on Linux only";
        int[] processors = Available();
        return processors.Length >= threads ? null : $"{threads} threads need a processor each, and this process may use {processors.Length}: {string.Join(", ", processors)}";
    }

    /// <summary>The processors that the calling thread may use, ascending.</summary>
    internal static int[] Available()
    {
        ulong* mask = stackalloc ulong[MaxProcessors / 64];
        if (Get(0, MaxProcessors / 8, mask) != 0) return [];
        List<int> processors = [];
        for (int word = 0; word < MaxProcessors / 64; word++)
            for (ulong rest = mask[word]; rest != 0; rest &= rest - 1) processors.Add(word * 64 + BitOperations.TrailingZeroCount(rest));
        return [.. processors];
    }

    /// <summary>Binds the calling thread.</summary>
    /// <exception cref="InvalidOperationException">The processor has been taken from this process.</exception>
    internal static void Bind(int processor)
    {
        ulong* mask = stackalloc ulong[MaxProcessors / 64];
        new Span<ulong>(mask, MaxProcessors / 64).Clear();
        mask[processor / 64] = 1UL << processor % 64;
        if (Set(0, MaxProcessors / 8, mask) != 0) throw new InvalidOperationException($"the thread could not be bound to processor {processor}: error {Marshal.GetLastPInvokeError()}");
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static partial int Get(int thread, nuint bytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int Set(int thread, nuint bytes, ulong* mask);
}
