using Lapidary.Experts;

namespace Lapidary.Cpu.Experts;

/// <summary>Answers that several backends share.</summary>
internal static class ExpertSupport
{
    /// <summary>Backends that multiply codes of some widths.</summary>
    public static Support Codes(ExpertLayerSpec spec, int[] bits, string which) => spec.Weights.Code is not { } code
        ? Support.No($"takes codes of {which} bits, not {spec.Weights} elements")
        : !bits.Contains(code.Bits) ? Support.No($"takes codes of {which} bits, not {code.Bits}")
        : Support.Yes;

    /// <summary>Backends that multiply any <see cref="Gemm.WeightMatrix"/>.</summary>
    public static Support AnyMatrix(ExpertLayerSpec spec) => spec.Weights is { Code: not null } or { Dense: DType.F32 or DType.F16 or DType.BF16 }
        ? Support.Yes
        : Support.No($"takes F32, F16, BF16 and coded weights, not {spec.Weights}");
}
