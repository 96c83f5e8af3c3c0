using Lapidary.Experts;

namespace Lapidary.Cpu.Experts;

/// <summary>Answers that several backends share.</summary>
internal static class ExpertSupport
{
    /// <summary>Backends that multiply any <see cref="Gemm.WeightMatrix"/>.</summary>
    public static Support AnyMatrix(ExpertLayerSpec spec) => spec.HasLora
        ? Support.No("adapters on experts are not there yet")
        : spec.Weights is { Code: not null } or { Dense: DType.F32 or DType.F16 or DType.BF16 }
        ? Support.Yes
        : Support.No($"weights are {spec.Weights}; this backend multiplies F32, F16, BF16 and coded weights");
}
