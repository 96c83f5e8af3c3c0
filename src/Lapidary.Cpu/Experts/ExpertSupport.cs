using Lapidary.Experts;

namespace Lapidary.Cpu.Experts;

/// <summary>Answers that several backends share.</summary>
internal static class ExpertSupport
{
    public static Support Floating(ExpertLayerSpec spec) => spec.HasLora
        ? Support.No("adapters on experts are not there yet")
        : spec.Weights.Dense is DType.F32 or DType.F16 or DType.BF16
        ? Support.Yes
        : Support.No($"weights are {spec.Weights}; this backend multiplies F32, F16 and BF16");
}
