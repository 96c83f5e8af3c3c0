using System.Globalization;
using Lapidary.Checkpoints;

namespace Lapidary.Tests.Checkpoints;

/// <summary>What a mapped file gives back to the system, and what it keeps.</summary>
public sealed class MappedFileTests
{
    private const int Window = 2 << 20, Windows = 4;

    private static byte[] Random(int length)
    {
        byte[] bytes = new byte[length];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Bytes of the file that lie in this process's memory now.</summary>
    internal static long Resident(string path)
    {
        string[] lines = File.ReadAllLines("/proc/self/smaps");
        int mapping = Array.FindIndex(lines, line => line.EndsWith(path, StringComparison.Ordinal));
        string rss = lines.Skip(mapping).First(line => line.StartsWith("Rss:", StringComparison.Ordinal));
        return 1024 * long.Parse(rss.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Memory_of_a_window_goes_once_all_of_it_is_released()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "other systems decide alone what stays in memory");
        using CheckpointFolder folder = new();
        byte[] bytes = Random(Windows * Window - 100);
        string path = folder.Write("weights", bytes);
        using MappedFile file = MappedFile.Open(path);
        Assert.Equal(bytes, file.Bytes(0, bytes.Length));
        Assert.InRange(Resident(path), bytes.Length, Windows * Window);

        file.Release(0, Window - 1);
        Assert.InRange(Resident(path), bytes.Length, Windows * Window);
        file.Release(Window - 1, 1 + Window / 2); // the first window is whole
        Assert.InRange(Resident(path), bytes.Length - Window, (Windows - 1) * Window);
        file.Release(Window + Window / 2, bytes.Length - Window - Window / 2); // and all others, of which the last is shorter
        Assert.Equal(0, Resident(path));

        Assert.Equal(bytes, file.Bytes(0, bytes.Length)); // nothing is lost
    }

    [Fact]
    public void Copied_bytes_are_those_of_the_file()
    {
        using CheckpointFolder folder = new();
        byte[] bytes = Random(100_000), copy = new byte[60_000];
        using MappedFile file = MappedFile.Open(folder.Write("weights", bytes));
        file.Read(12_345, copy);
        Assert.Equal(bytes[12_345..72_345], copy);
    }

    [Fact]
    public void A_file_that_became_shorter_is_an_error_where_bytes_are_copied()
    {
        using CheckpointFolder folder = new();
        string path = folder.Write("weights", Random(100_000));
        using MappedFile file = MappedFile.Open(path);
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a mapped file cannot be shortened there");
        using (FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) stream.SetLength(50_000);
        var exception = Assert.Throws<CheckpointException>(() => file.Read(40_000, new byte[20_000]));
        Assert.Equal("the file ends at byte 50000; it had 100000 when it was opened", exception.Message);
    }
}
