using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Gemm;

/// <summary>Results of panels, one element a row.</summary>
internal static unsafe class PanelRows
{
    /// <summary>Stores the sums of a panel's rows that lie in [from, to) at y + row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLane>(float* sums, int panel, int from, int to, float* y) where TLane : struct, IFloatLane<TLane>
    {
        int row = panel * TLane.Count;
        if (row >= from && row + TLane.Count <= to)
        {
            TLane.Store(TLane.Load(sums), y + row);
            return;
        }
        for (int i = 0; i < TLane.Count; i++)
            if (row + i >= from && row + i < to) y[row + i] = sums[i];
    }
}
