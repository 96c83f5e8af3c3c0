using System.Runtime.InteropServices;

namespace Lapidary.Cpu.Assembly;

/// <summary>Machine code in memory of its own: written, then made read and execute only. Never writable and executable at once.</summary>
internal sealed unsafe partial class ExecutableMemory : IDisposable
{
    private const int ReadWrite = 3, ReadExecute = 5, PrivateAnonymous = 0x22;                                       // mman.h, Linux
    private const uint Commit = 0x3000, PageReadWrite = 0x04, PageExecuteRead = 0x20, Release = 0x8000;              // winnt.h
    private readonly nuint length;

    private ExecutableMemory(void* address, nuint length)
    {
        Address = address;
        this.length = length;
    }

    public void* Address { get; private set; }

    /// <returns>The memory, or null and why the system refused it.</returns>
    public static ExecutableMemory? TryCreate(ReadOnlySpan<byte> code, out string? refusal)
    {
        nuint length = (nuint)((code.Length + Environment.SystemPageSize - 1) / Environment.SystemPageSize * Environment.SystemPageSize);
        refusal = null;
        if (OperatingSystem.IsWindows())
        {
            void* page = VirtualAlloc(null, length, Commit, PageReadWrite);
            if (page is null) return Refuse("VirtualAlloc", out refusal);
            code.CopyTo(new Span<byte>(page, code.Length));
            if (VirtualProtect(page, length, PageExecuteRead, out _)) return new ExecutableMemory(page, length);
            Refuse("VirtualProtect", out refusal);
            VirtualFree(page, 0, Release);
            return null;
        }
        if (!OperatingSystem.IsLinux())
        {
            refusal = "machine code is assembled at run time on Linux and Windows only";
            return null;
        }
        void* memory = Map(null, length, ReadWrite, PrivateAnonymous, -1, 0);
        if (memory == (void*)-1) return Refuse("mmap", out refusal);
        code.CopyTo(new Span<byte>(memory, code.Length));
        if (Protect(memory, length, ReadExecute) == 0) return new ExecutableMemory(memory, length);
        Refuse("mprotect", out refusal);
        Unmap(memory, length);
        return null;
    }

    public void Dispose()
    {
        if (Address is null) return;
        if (OperatingSystem.IsWindows()) VirtualFree(Address, 0, Release);
        else Unmap(Address, length);
        Address = null;
    }

    private static ExecutableMemory? Refuse(string call, out string refusal)
    {
        refusal = $"the system refused executable memory ({call}: {Marshal.GetLastPInvokeErrorMessage()})";
        return null;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(void* address, nuint length);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial void* VirtualAlloc(void* address, nuint length, uint type, uint protection);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualProtect(void* address, nuint length, uint protection, out uint before);

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool VirtualFree(void* address, nuint length, uint type);
}
