using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Assembly;

/// <summary>The factors of 16 rows' blocks on their way into a panel, where those of all rows for one group lie side by side.</summary>
internal static unsafe class FactorColumns
{
    /// <param name="block">The first row's.</param> <param name="stride">Bytes to the next row's.</param>
    /// <param name="steps">Where the block's first step begins in the panel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write<TBlock>(byte* block, int stride, PanelLayout layout, byte* steps) where TBlock : struct, IStepBlock
    {
        Vector128<byte>* from = stackalloc Vector128<byte>[PanelLayout.Rows], to = stackalloc Vector128<byte>[PanelLayout.Rows];
        int perStep = layout.ScalesPerStep, groups = TBlock.Steps * perStep, all = layout.HasOffsets ? 2 * groups : groups;
        for (int first = 0; first < all; first += Vector128<byte>.Count)
        {
            for (int r = 0; r < PanelLayout.Rows; r++) from[r] = TBlock.Factors(block + r * stride, first / Vector128<byte>.Count);
            // Each turn moves the highest bit of an element's place, row · 16 + column, to the end; after four, row and column have changed places.
            for (int turn = 0; turn < 4; turn++)
            {
                for (int i = 0; i < PanelLayout.Rows / 2; i++)
                {
                    to[2 * i] = Interleave.Low(from[i], from[i + PanelLayout.Rows / 2]);
                    to[2 * i + 1] = Interleave.High(from[i], from[i + PanelLayout.Rows / 2]);
                }
                Vector128<byte>* before = from;
                from = to;
                to = before;
            }
            for (int i = 0; i < Vector128<byte>.Count; i++)
            {
                int group = (first + i) % groups, part = group % perStep;
                from[i].Store(steps + group / perStep * layout.StepBytes + (first + i < groups ? layout.ScaleOffset(part) : layout.OffsetOffset(part)));
            }
        }
    }
}
