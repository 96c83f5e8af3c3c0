namespace Lapidary.Experts;

/// <summary>
/// What hidden states, and activated values, are rounded to before they meet weights; to the nearest, ties to even. Sums are
/// float32 in any case. The conformance matrix rounds its float64 reference by this statement.
/// </summary>
/// <param name="Type">F32 for not at all, BF16 or I8.</param>
/// <param name="Group">I8: so many columns of a token, in the order of the weights' groups (act-order), share a scale, their
/// largest magnitude / 127. Else 0.</param>
public readonly record struct HiddenPrecision(DType Type, int Group)
{
    public static HiddenPrecision Unrounded => new(DType.F32, 0);
    public static HiddenPrecision BFloat16 => new(DType.BF16, 0);
    public static HiddenPrecision Int8(int group) => new(DType.I8, group);

    public override string ToString() => Group == 0 ? Type.ToString() : $"{Type} in groups of {Group}";
}
