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
    private const int DontNeed = 4; // MADV_DONTNEED and POSIX_FADV_DONTNEED: a mapped file keeps its bytes
    private const int WindowBytes = 2 << 20; // no smaller than what the system caches in one piece, which goes whole or not at all

    private readonly SafeFileHandle file;
    private readonly MemoryMappedViewAccessor view;
    private readonly int[] wanted; // bytes of each window that are not released yet
    private bool disposed;

    private MappedFile(SafeFileHandle file, MemoryMappedViewAccessor view, long length)
    {
        this.file = file;
        this.view = view;
        Length = length;
        wanted = new int[(length + WindowBytes - 1) / WindowBytes];
        for (int window = 0; window < wanted.Length; window++) wanted[window] = (int)Math.Min(WindowBytes, length - (long)window * WindowBytes);
        byte* first = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref first);
        Address = (nint)first + (nint)view.PointerOffset;
    }

    /// <summary>Address of the file's first byte.</summary>
    public nint Address { get; }

    /// <summary>Bytes of the file; the mapping itself is rounded up to whole pages.</summary>
    public long Length { get; }

    /// <summary>Whether the bytes are gone.</summary>
    public bool IsClosed => disposed;

    /// <exception cref="CheckpointException">The file cannot be opened or mapped, or is empty.</exception>
    public static MappedFile Open(string path)
    {
        try
        {
            // The length comes first: opening a pipe would wait for a writer, and devices and pipes have length 0.
            FileInfo file = new(path);
            FileSystemInfo target = file.ResolveLinkTarget(returnFinalTarget: true) ?? file;
            RefuseEmpty(path, ((FileInfo)target).Length);

            return Map(path, File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete));
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

    /// <summary>Closes the file if it cannot be mapped.</summary>
    private static MappedFile Map(string path, SafeFileHandle file)
    {
        try
        {
            long length = RandomAccess.GetLength(file);
            RefuseEmpty(path, length);
            using var mapping = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            return new MappedFile(file, mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read), length);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new ReadOnlySpan<byte>((byte*)Address + offset, length);
    }

    /// <summary>Copies bytes without mapping their pages: for many that are needed once, this is several times as fast.</summary>
    /// <exception cref="CheckpointException">The disk fails, or the file has become shorter.</exception>
    public void Read(long offset, Span<byte> bytes)
    {
        try
        {
            while (bytes.Length > 0)
            {
                int read = RandomAccess.Read(file, bytes, offset);
                if (read == 0) throw new CheckpointException($"the file ends at byte {offset}; it had {Length} when it was opened");
                bytes = bytes[read..];
                offset += read;
            }
        }
        catch (IOException exception)
        {
            throw new CheckpointException($"the file cannot be read at byte {offset}: {exception.Message}", exception);
        }
    }

    /// <summary>
    /// These bytes are not needed soon, which is said of each once: where all of a window has been released, the system may take
    /// its memory, and what comes to be read again is read from the file. Memory that is asked for at once is then this memory.
    /// </summary>
    public void Release(long offset, long length)
    {
        for (long end = offset + length; offset < end;)
        {
            int window = (int)(offset / WindowBytes);
            long next = Math.Min(end, (window + 1L) * WindowBytes);
            if (Interlocked.Add(ref wanted[window], (int)(offset - next)) == 0) GiveBack(window);
            offset = next;
        }
    }

    /// <summary>Pages that a process has mapped stay in the system's cache, so the mapping goes first.</summary>
    private void GiveBack(int window)
    {
        if (!OperatingSystem.IsLinux()) return;
        long from = (long)window * WindowBytes, length = Math.Min(WindowBytes, Length - from);
        _ = AdviseMemory((void*)(Address + (nint)from), (nuint)length, DontNeed);
        _ = AdviseFile(file, from, length, DontNeed);
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }

    private static void RefuseEmpty(string path, long length)
    {
        if (length == 0) throw new CheckpointException($"{path}: the file is empty; download it again");
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int AdviseMemory(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int AdviseFile(SafeFileHandle file, long offset, long length, int advice);
}
