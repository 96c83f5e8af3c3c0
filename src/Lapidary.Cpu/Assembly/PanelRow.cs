using System.Runtime.CompilerServices;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// Single rows out of panels, so that a table of embeddings that is multiplied as the head, too, is kept once and its part of the
/// file is not needed.
/// </summary>
internal static unsafe class PanelRow
{
    private const int QuadColumns = 4;

    /// <summary>
    /// output[j] = (w[row, j]) · factor, to the bit what the stored matrix gives: code · scale + offset, rounded as it rounds. Only
    /// offsets that took in a signed type's lowest number may differ in their last bit.
    /// </summary>
    /// <param name="output">[columns of the matrix]</param>
    public static void Copy(IntegerPanels panels, int row, float factor, Span<float> output)
    {
        switch (panels.Layout.CodeBits)
        {
            case 4: Copy<Codes4>(panels, row, factor, output); break;
            case 5: Copy<Codes5>(panels, row, factor, output); break;
            case 6: Copy<Codes6>(panels, row, factor, output); break;
            default: Copy<Codes8>(panels, row, factor, output); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy<TCodes>(IntegerPanels panels, int row, float factor, Span<float> output) where TCodes : struct, IPanelCodes
    {
        PanelLayout layout = panels.Layout;
        int r = row % PanelLayout.Rows, quads = PanelLayout.Quads / layout.ScalesPerStep;
        byte* weights = panels.Panel(row / PanelLayout.Rows), block = weights;
        for (int step = 0, column = 0; column < output.Length; step++, weights += layout.StepBytes)
        {
            if (layout.StepsPerBlock > 0 && step % layout.StepsPerBlock == 0)
            {
                block = weights;
                weights += layout.BlockBytes;
            }
            float scale = 0, offset = 0;
            for (int quad = 0; quad < PanelLayout.Quads && column < output.Length; quad++)
            {
                if (quad % quads == 0)
                {
                    int part = quad / quads;
                    (scale, offset) = (layout.Scale<V1>(weights, block, part, r).Value, layout.Offset<V1>(weights, block, part, r).Value);
                }
                uint codes = BitConverter.SingleToUInt32Bits(TCodes.Quad<V1>(weights, quad, r).Value);
                for (int end = Math.Min(output.Length, column + QuadColumns); column < end; column++, codes >>= 8)
                    output[column] = (((int)(codes & 0xff) - layout.ZeroPoint) * scale + offset) * factor;
            }
        }
    }
}
