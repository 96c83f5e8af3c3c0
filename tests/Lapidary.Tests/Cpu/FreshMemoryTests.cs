using System.Runtime.InteropServices;
using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

public sealed unsafe partial class FreshMemoryTests
{
    private const int DoNotNeed = 4; // MADV_DONTNEED, mman.h

    [Fact]
    public void Pages_are_there_before_they_are_written_and_no_others()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere pages come as they are touched");
        const int Page = (int)LargePages.PageBytes, Bytes = 4 * Page + 12345;
        byte* memory = (byte*)LargePages.Allocate(Bytes);
        try
        {
            Assert.Equal(0, Advise(memory, 4 * Page, DoNotNeed)); // the allocator may give memory that was in use
            Assert.Equal(0, InCore(memory, 4 * Page));
            FreshMemory fresh = new(memory + Bytes);
            fresh.Take(memory + Page + 5, memory + Page + 6);
            Assert.Equal(Page, InCore(memory, 4 * Page)); // a large page, or as many small ones
            Assert.Equal(Page, InCore(memory + Page, Page));
            fresh.Take(memory + 4 * Page, memory + 4 * Page + 1);
            Assert.True(InCore(memory + 4 * Page, 12345) >= 12345);
            Assert.Equal(Page, InCore(memory, 4 * Page));
        }
        finally
        {
            LargePages.Free(memory);
        }
    }

    [Fact]
    public void Small_pages_come_for_a_while_after_a_slow_large_one()
    {
        PageSizes sizes = new();
        TimeSpan quick = PageSizes.Slow / 10;
        sizes.Came(small: false, quick);
        Assert.False(sizes.IsSmall);
        sizes.Came(small: false, PageSizes.Slow);
        for (int time = 0; time < PageSizes.SmallTimes; time++)
        {
            Assert.True(sizes.IsSmall);
            sizes.Came(small: true, quick);
        }
        Assert.False(sizes.IsSmall);
    }

    [Fact]
    public void Small_pages_that_are_slow_too_are_no_better()
    {
        PageSizes sizes = new();
        sizes.Came(small: false, PageSizes.Slow);
        sizes.Came(small: true, PageSizes.Slow);
        Assert.False(sizes.IsSmall);
    }

    private static int InCore(byte* from, int bytes)
    {
        int page = Environment.SystemPageSize;
        byte[] there = new byte[(bytes + page - 1) / page];
        fixed (byte* flags = there) Assert.Equal(0, InCore(from, (nuint)bytes, flags));
        return there.Count(flag => (flag & 1) != 0) * page;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "mincore")]
    private static partial int InCore(void* address, nuint length, byte* flags);
}
