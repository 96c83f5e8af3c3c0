using System.Runtime.InteropServices;

namespace Lapidary.Cpu;

/// <summary>
/// Native memory that the system may back with 2 MiB pages where it is large: a stream through weights then misses the
/// translation cache 512 times less often. A wish, not a need: a system without them gives ordinary pages.
/// </summary>
internal static unsafe partial class LargePages
{
    private const nuint PageBytes = 2 << 20, Alignment = 64;
    private const int HugePageAdvice = 14; // MADV_HUGEPAGE, mman.h

    /// <summary>Uninitialised memory, aligned to a page where it is larger than two, else to 64 bytes.</summary>
    public static void* Allocate(nuint bytes)
    {
        if (bytes < 2 * PageBytes) return NativeMemory.AlignedAlloc(Math.Max(bytes, Alignment), Alignment);
        void* memory = NativeMemory.AlignedAlloc(bytes, PageBytes);
        if (OperatingSystem.IsLinux()) _ = Advise(memory, bytes / PageBytes * PageBytes, HugePageAdvice);
        return memory;
    }

    public static void Free(void* memory) => NativeMemory.AlignedFree(memory);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
