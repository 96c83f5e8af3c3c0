using Lapidary.Quantization;

namespace Lapidary.Conformance;

/// <summary>Which weights have one scale.</summary>
internal enum ScaleExtent
{
    /// <summary>A group of columns of one row.</summary>
    Row,

    /// <summary>A group of columns of 128 rows.</summary>
    Block,

    /// <summary>All of them.</summary>
    Tensor,
}

/// <summary>What scales may be.</summary>
internal enum ScaleType
{
    Single,
    Half,
    BFloat16,
    PowerOfTwo,
}

/// <summary>A weight format of the matrix: what backends see, and how its scales are made.</summary>
internal sealed record ConformanceFormat(string Name, WeightFormat Weights, ScaleExtent Extent = ScaleExtent.Row, ScaleType Scales = ScaleType.Single)
{
    /// <summary>
    /// The published schemes, then every code type that a stored weight may have, in groups of 32: a new code type is here by
    /// being in <see cref="CodeType.All"/>.
    /// </summary>
    public static IReadOnlyList<ConformanceFormat> All { get; } = [.. Dense(), .. Schemes(), .. Remaining()];

    public override string ToString() => Name;

    private static IEnumerable<ConformanceFormat> Dense()
        => ((DType[])[DType.F32, DType.BF16, DType.F16]).Select(type => new ConformanceFormat(type.ToString(), WeightFormat.OfDense(type)));

    private static IEnumerable<ConformanceFormat> Schemes()
    {
        CodeType int4 = CodeType.Int(4), int8 = CodeType.Int(8), uint4 = CodeType.UInt(4), uint8 = CodeType.UInt(8);
        foreach (int group in (int[])[32, 64, 128])
        {
            yield return new($"int4 g{group}", WeightFormat.OfCodes(int4, group), Scales: group == 32 ? ScaleType.Half : ScaleType.BFloat16);
            yield return new($"uint4 g{group} zero points", WeightFormat.OfCodes(uint4, group, hasOffsets: true), Scales: ScaleType.Half);
        }
        yield return new("int4 channel", WeightFormat.OfCodes(int4, 0));
        yield return new("int4 g32 act-order", WeightFormat.OfCodes(int4, 32, actOrder: true), Scales: ScaleType.Half);
        yield return new("uint4 g64 zero points act-order", WeightFormat.OfCodes(uint4, 64, hasOffsets: true, actOrder: true), Scales: ScaleType.Half);
        yield return new("int8 g128", WeightFormat.OfCodes(int8, 128), Scales: ScaleType.BFloat16);
        yield return new("int8 g32 act-order", WeightFormat.OfCodes(int8, 32, actOrder: true));
        yield return new("int8 channel", WeightFormat.OfCodes(int8, 0));
        yield return new("uint8 g64 zero points", WeightFormat.OfCodes(uint8, 64, hasOffsets: true), Scales: ScaleType.Half);
        yield return new("fp8 tensor", WeightFormat.OfCodes(CodeType.E4M3, 0), ScaleExtent.Tensor);
        yield return new("fp8 channel", WeightFormat.OfCodes(CodeType.E4M3, 0));
        yield return new("fp8 block 128", WeightFormat.OfCodes(CodeType.E4M3, 128), ScaleExtent.Block);
        yield return new("fp8 e5m2 channel", WeightFormat.OfCodes(CodeType.E5M2, 0));
        yield return new("mxfp4", WeightFormat.OfCodes(CodeType.E2M1, 32), Scales: ScaleType.PowerOfTwo);
        yield return new("nvfp4", WeightFormat.OfCodes(CodeType.E2M1, 16));
        yield return new("mxfp6 e2m3", WeightFormat.OfCodes(CodeType.E2M3, 32), Scales: ScaleType.PowerOfTwo);
        yield return new("mxfp6 e3m2", WeightFormat.OfCodes(CodeType.E3M2, 32), Scales: ScaleType.PowerOfTwo);
        yield return new("mxfp8", WeightFormat.OfCodes(CodeType.E4M3, 32), Scales: ScaleType.PowerOfTwo);
    }

    /// <summary>Unsigned numbers need offsets to be weights.</summary>
    private static IEnumerable<ConformanceFormat> Remaining()
    {
        HashSet<CodeType?> met = [.. Schemes().Select(format => format.Weights.Code)];
        foreach (CodeType code in CodeType.All.Where(code => !met.Contains(code)))
        {
            bool unsigned = code.Values.ToArray().Min() >= 0;
            yield return new($"{code.Name} g32{(unsigned ? " minima" : "")}", WeightFormat.OfCodes(code, 32, hasOffsets: unsigned), Scales: ScaleType.Half);
        }
    }
}
