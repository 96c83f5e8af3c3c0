using System.Runtime.InteropServices;

namespace Lapidary.Cpu;

/// <summary>
/// Native memory that the system may back with 2 MiB pages: a stream through weights then misses the translation cache 512
/// times less often, and filling it takes 512 times fewer page faults. A wish, not a need: a system without them gives
/// ordinary pages. Pieces smaller than some pages, as the matrices of experts are, share large ones.
/// </summary>
internal static unsafe partial class LargePages
{
    public const nuint PageBytes = 2 << 20;

    /// <summary>Threads whose numbers differ modulo this, and that allocate at once, do not meet in a large page.</summary>
    public const int Stripes = 8;

    private const nuint ShareableBytes = 4 * PageBytes, SharedBytes = 64 * PageBytes, Alignment = 64;
    private const int HugePageAdvice = 14; // MADV_HUGEPAGE, mman.h

    private static readonly Lock gate = new();
    private static readonly SortedList<nuint, Shared> shares = []; // by address
    private static readonly Shared?[] opened = new Shared?[Stripes]; // by thread

    /// <summary>Uninitialised memory, aligned to 64 bytes.</summary>
    public static void* Allocate(nuint bytes)
    {
        if (bytes >= ShareableBytes) return Reserve(bytes);
        nuint aligned = (Math.Max(bytes, 1) + Alignment - 1) / Alignment * Alignment;
        ref Shared? open = ref opened[Environment.CurrentManagedThreadId % Stripes];
        lock (gate)
        {
            if (open is null || open.Used + aligned > SharedBytes)
            {
                FreeIfUnused(open);
                open = new Shared((nuint)Reserve(SharedBytes));
                shares.Add(open.Address, open);
            }
            void* piece = (byte*)open.Address + open.Used;
            open.Used += aligned;
            open.Pieces++;
            return piece;
        }
    }

    public static void Free(void* memory)
    {
        lock (gate)
        {
            if (Containing((nuint)memory) is { } shared)
            {
                shared.Pieces--;
                if (!opened.Contains(shared)) FreeIfUnused(shared);
                else if (shared.Pieces == 0) shared.Used = 0;
                return;
            }
        }
        NativeMemory.AlignedFree(memory);
    }

    private static void* Reserve(nuint bytes)
    {
        void* memory = NativeMemory.AlignedAlloc(bytes, PageBytes);
        if (OperatingSystem.IsLinux()) _ = Advise(memory, bytes / PageBytes * PageBytes, HugePageAdvice);
        return memory;
    }

    private static void FreeIfUnused(Shared? shared)
    {
        if (shared is null || shared.Pieces > 0) return;
        shares.Remove(shared.Address);
        NativeMemory.AlignedFree((void*)shared.Address);
    }

    /// <summary>The last that begins at or before the address, if it reaches that far.</summary>
    private static Shared? Containing(nuint address)
    {
        int low = 0, high = shares.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (shares.Keys[middle] <= address) low = middle + 1;
            else high = middle;
        }
        return low > 0 && address - shares.Keys[low - 1] < SharedBytes ? shares.Values[low - 1] : null;
    }

    private sealed class Shared(nuint address)
    {
        public nuint Address { get; } = address;
        public nuint Used { get; set; }

        /// <summary>Pieces not freed yet.</summary>
        public int Pieces { get; set; }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
