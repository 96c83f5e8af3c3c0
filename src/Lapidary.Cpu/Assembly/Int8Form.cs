using Lapidary.Cpu.Gemm;

namespace Lapidary.Cpu.Assembly;

/// <summary>8-bit hidden states as tile kernels read them (<see cref="PackedActivations"/>).</summary>
/// <param name="IsWide">Values take 16 bits: of the step's 8 quads first columns 0 and 2, then columns 1 and 3.</param>
internal sealed unsafe record Int8Form(int Columns, int ZeroPoint, int ScalesPerStep, bool HasOffsets, bool IsWide) : HiddenForm(Columns)
{
    public static Int8Form For(PanelLayout layout, int columns, bool wide = false)
        => new(columns, layout.ZeroPoint, layout.ScalesPerStep, layout.HasOffsets, wide);

    public int Steps => (Columns + PanelLayout.StepColumns - 1) / PanelLayout.StepColumns;

    public int ValueBytes => PanelLayout.StepColumns * (IsWide ? 2 : 1);

    /// <summary>32 values, their scale, a term for each weight scale of the step.</summary>
    public int StepBytes => ValueBytes + 4 + 4 * ScalesPerStep;

    public override nint RowBytes => (nint)Steps * StepBytes;

    public override void WriteColumns(float* x, nint stride, int from, int to, int tokens, int firstColumn, int endColumn, byte* written)
    {
        switch (CpuFeatures.VectorBits)
        {
            case 512: PackedActivations.Pack<V16>(this, x, stride, from, to, tokens, firstColumn, endColumn, written); break;
            case 256: PackedActivations.Pack<V8>(this, x, stride, from, to, tokens, firstColumn, endColumn, written); break;
            case 128: PackedActivations.Pack<V4>(this, x, stride, from, to, tokens, firstColumn, endColumn, written); break;
            default: PackedActivations.Pack<V1>(this, x, stride, from, to, tokens, firstColumn, endColumn, written); break;
        }
    }
}
