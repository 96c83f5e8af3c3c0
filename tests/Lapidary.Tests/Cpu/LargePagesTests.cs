using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

public sealed unsafe class LargePagesTests
{
    private const int Pieces = 100, PieceBytes = 1 << 20;

    [Fact]
    public void Threads_that_allocate_at_once_do_not_meet_in_a_large_page()
    {
        List<nint> mine = [], others = [];
        using Barrier turn = new(2);
        Thread me = new(() => Allocate(mine)), other;
        do other = new Thread(() => Allocate(others));
        while ((other.ManagedThreadId - me.ManagedThreadId) % LargePages.Stripes == 0);
        other.Start();
        me.Start();
        other.Join();
        me.Join();

        Assert.Empty(Pages(mine).Intersect(Pages(others)));
        foreach (nint piece in (nint[])[.. mine, .. others]) LargePages.Free((void*)piece);

        void Allocate(List<nint> pieces)
        {
            for (int i = 0; i < Pieces; i++)
            {
                turn.SignalAndWait();
                pieces.Add((nint)LargePages.Allocate(PieceBytes));
            }
        }
    }

    private static IEnumerable<nuint> Pages(List<nint> pieces) => pieces.SelectMany(piece => (nuint[])[(nuint)piece / LargePages.PageBytes, ((nuint)piece + PieceBytes - 1) / LargePages.PageBytes]);
}
