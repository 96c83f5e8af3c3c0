using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Lapidary.Cpu.Assembly;

/// <summary>
/// 16 rows × up to 16 tokens of bfloat16 weights times bfloat16 activations (AVX512-BF16): per pair of columns one
/// instruction, products and sums in float32. A step is 32 columns: 16 registers of 16 rows × 2 columns.
/// </summary>
internal sealed class BFloat16Tile : TileAssembler
{
    public const int StepColumns = 32, Pairs = StepColumns / 2, PanelStepBytes = Pairs * PanelLayout.Register, ActivationBytes = 2 * StepColumns;

    protected override (int Weights, int Activations) StepBytes(int tokens) => (PanelStepBytes, tokens * ActivationBytes);

    protected override void Constants()
    {
    }

    protected override void Step(int tokens)
    {
        for (int pair = 0; pair < Pairs; pair++)
        {
            AssemblerRegisterZMM weights = Zmm[pair % 8];
            Code.vmovdqu32(weights, __zmmword_ptr[Weights + pair * PanelLayout.Register]);
            for (int t = 0; t < tokens; t++)
                Code.vdpbf16ps(Sum(t), weights, __dword_bcst[Activations + (t * ActivationBytes + 4 * pair)]);
        }
    }
}
