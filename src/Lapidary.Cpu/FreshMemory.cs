using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Lapidary.Cpu;

/// <summary>
/// Has the pages of <see cref="LargePages"/> come before a thread writes them from front to back, in the size that comes faster.
/// Threads whose parts meet in a large page take turns: of two that touch it first at once both would clear a page, and one of these
/// is thrown away.
/// </summary>
/// <param name="limit">Where the memory ends.</param>
internal unsafe partial struct FreshMemory(byte* limit)
{
    private const int NoHugePage = 15, PopulateWrite = 23, Stripes = 64; // MADV_, mman.h

    private static readonly Lock[] turns = [.. Enumerable.Range(0, Stripes).Select(_ => new Lock())];
    private static readonly PageSizes sizes = new();
    private static readonly nuint smallPage = (nuint)Environment.SystemPageSize;

    private nuint last; // large page, by number

    /// <summary>This part is written next.</summary>
    public void Take(byte* from, byte* end)
    {
        if (!OperatingSystem.IsLinux()) return; // pages come as they are touched
        for (nuint page = (nuint)from / LargePages.PageBytes; page * LargePages.PageBytes < (nuint)end; page++)
        {
            if (page == last) continue;
            last = page;
            nuint start = page * LargePages.PageBytes, first = Math.Max((nuint)from, start) / smallPage * smallPage;
            lock (turns[page % Stripes]) Take((byte*)first, Math.Min((nuint)limit, start + LargePages.PageBytes) - first);
        }
    }

    private static void Take(byte* from, nuint bytes)
    {
        byte isThere;
        if (InCore((byte*)((nuint)(from + bytes / 2) / smallPage * smallPage), 1, &isThere) == 0 && (isThere & 1) != 0) return;
        bool small = sizes.IsSmall;
        long begun = Stopwatch.GetTimestamp();
        if (small) _ = Advise(from, bytes, NoHugePage);
        if (Advise(from, bytes, PopulateWrite) == 0) sizes.Came(small, Stopwatch.GetElapsedTime(begun)); // else they come as they are touched
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "mincore")]
    private static partial int InCore(void* address, nuint length, byte* isThere);
}

/// <summary>
/// In which size memory had better come. A large page takes 0.2 ms and is better to read. But where the system has none that was in use
/// before, a virtual machine's host makes one first (6 to 10 ms), or the system moves others together. Small pages (1 ms for as many
/// bytes) come from what lies about in pieces, which was in use before.
/// </summary>
internal sealed class PageSizes
{
    /// <summary>Times in the size of a large page that come as small ones after a slow large one: the price of finding out is then small.</summary>
    public const int SmallTimes = 16;

    public static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(3);

    private int smallTimes;

    /// <summary>Whether what is taken next had better be small pages.</summary>
    public bool IsSmall => Volatile.Read(ref smallTimes) > 0;

    /// <summary>Pages of that size took so long.</summary>
    public void Came(bool small, TimeSpan time)
    {
        if (time >= Slow) Volatile.Write(ref smallTimes, small ? 0 : SmallTimes);
        else if (small) Interlocked.Decrement(ref smallTimes);
    }
}
