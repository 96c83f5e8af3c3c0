namespace Lapidary.Quantization;

/// <summary>
/// How a weight matrix is stored. Dense: one floating element a weight. Quantised:
/// value[o, i] = Code.Values[code[o, i]] · scale[o, g] + offset[o, g], where g is the group of column i.
/// </summary>
/// <param name="Name">For people and for messages, e.g. "BF16", "int4 g32", "e4m3 per channel".</param>
/// <param name="Dense">Element type of a dense format, else null.</param>
/// <param name="Code">What codes mean; null for dense formats.</param>
/// <param name="GroupSize">Columns that share a scale; 0 when a whole row does. Scales that several rows share (blocks, whole
/// tensors) are repeated for each row.</param>
/// <param name="HasOffsets">Zero points or minima: offsets are not all 0.</param>
/// <param name="ActOrder">The group of a column is looked up, not column / GroupSize (GPTQ's desc_act).</param>
public sealed record WeightFormat(string Name, DType? Dense, CodeType? Code, int GroupSize, bool HasOffsets, bool ActOrder)
{
    public static WeightFormat OfDense(DType dtype) => new(dtype.ToString(), dtype, null, 0, false, false);

    /// <param name="groupSize">0 for one scale a row.</param>
    public static WeightFormat OfCodes(CodeType code, int groupSize, bool hasOffsets = false, bool actOrder = false) => new(
        $"{code.Name}{(groupSize == 0 ? " per channel" : $" g{groupSize}")}{(hasOffsets ? " with zero points" : "")}{(actOrder ? " act-order" : "")}",
        null, code, groupSize, hasOffsets, actOrder);

    /// <summary>Bits of one element, scales not counted.</summary>
    public int Bits => Code?.Bits ?? 8 * Dense!.Value.Size();

    public override string ToString() => Name;
}
