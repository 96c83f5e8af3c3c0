using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Lapidary.Checkpoints;

/// <summary>
/// A whole file mapped read-only. The mapping outlives the file's name: deleting or replacing the file (a new file
/// renamed over it) leaves the mapped bytes as they were. Shortening the file in place does not: the system then kills
/// the process at the next read past the new end (SIGBUS on Linux), which no check here can prevent; update
/// checkpoints by writing a new file and renaming it.
/// </summary>
internal sealed unsafe partial class MappedFile : IDisposable
{
    private const int DontNeed = 4; // MADV_DONTNEED, mman.h: a mapped file keeps its bytes

    private readonly MemoryMappedViewAccessor view;
    private bool disposed;

    private MappedFile(MemoryMappedViewAccessor view, long length)
    {
        this.view = view;
        Length = length;
        byte* first = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref first);
        Address = (nint)first + (nint)view.PointerOffset;
    }

    /// <summary>Address of the file's first byte.</summary>
    public nint Address { get; }

    /// <summary>Bytes of the file; the mapping itself is rounded up to whole pages.</summary>
    public long Length { get; }

    /// <summary>Closed when this is disposed; tensors keep it to know that.</summary>
    public SafeMemoryMappedViewHandle Handle => view.SafeMemoryMappedViewHandle;

    /// <exception cref="CheckpointException">The file cannot be opened or mapped, or is empty.</exception>
    public static MappedFile Open(string path)
    {
        try
        {
            // The length comes first: opening a pipe would wait for a writer, and devices and pipes have length 0.
            FileInfo file = new(path);
            FileSystemInfo target = file.ResolveLinkTarget(returnFinalTarget: true) ?? file;
            RefuseEmpty(path, ((FileInfo)target).Length);

            using SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            long length = RandomAccess.GetLength(handle);
            RefuseEmpty(path, length);
            using var mapping = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            return new MappedFile(mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read), length);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: there is no such file", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new CheckpointException($"{path}: cannot be opened: {exception.Message}", exception);
        }
    }

    public ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new ReadOnlySpan<byte>((byte*)Address + offset, length);
    }

    /// <summary>Tells the system that these bytes are not needed soon: their pages may go, and come back when they are read.</summary>
    public void Release(long offset, long length)
    {
        if (!OperatingSystem.IsLinux()) return;
        nint page = Environment.SystemPageSize, from = (Address + (nint)offset + page - 1) / page * page, to = (Address + (nint)(offset + length)) / page * page;
        if (to > from) _ = Advise((void*)from, (nuint)(to - from), DontNeed);
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
    }

    private static void RefuseEmpty(string path, long length)
    {
        if (length == 0) throw new CheckpointException($"{path}: the file is empty; download it again");
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
