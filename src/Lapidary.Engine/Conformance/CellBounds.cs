using Lapidary.Experts;

namespace Lapidary.Conformance;

/// <summary>
/// Bounds of a cell: of the relative RMS error over tokens with wide gates and over those in the tail of the activation, of
/// the largest difference of an output in units of the largest expected (1 at least), and of the error over tokens with wide
/// gates when the reference rounds nothing.
/// </summary>
internal readonly record struct CellBounds(double Wide, double Tail, double Absolute, double Unrounded)
{
    /// <summary>
    /// float32: 1e-5, where the erf form of GELU for its tanh form shows 5e-5 at least; in the tail 1 + tanh cancels, in
    /// HuggingFace's float32 kernels too. Rounded hidden states: the reference rounds alike, and what is left is a value that
    /// float32 puts on the other side of a half now and then, which costs a whole step: 8e-3 of the value in bfloat16, 1/127 of
    /// the group's largest in int8.
    /// </summary>
    public static CellBounds Of(HiddenPrecision hiddenStates) => hiddenStates.Type switch
    {
        DType.F32 => new(1e-5, 1e-2, double.PositiveInfinity, 1e-5),
        DType.I8 => new(1e-2, 1e-2, 2e-2, 2e-2),
        _ => new(2e-3, 5e-3, 2e-2, 1e-2),
    };

    public bool Hold(CellErrors errors) => errors.Wide <= Wide && errors.Tail <= Tail && errors.MaxAbs <= Absolute * Math.Max(1, errors.Largest);
}
