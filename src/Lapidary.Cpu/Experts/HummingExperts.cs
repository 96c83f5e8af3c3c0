using Lapidary.Cpu.Assembly;
using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>
/// Codes of any width from 1 to 8 bits, integers and small floats, with hidden states rounded to 16 or 8 bits: what the
/// processor's narrow dot products take. Rounding changes results, so it is never chosen unasked.
/// </summary>
/// <param name="hiddenStates">BF16, or I8 with a scale for each 32 columns.</param>
internal sealed class HummingExperts(WorkerPool pool, Workspace workspace, DType hiddenStates, CpuOptions options) : IExpertBackend
{
    private const int BlockSize = 32;

    public string Name => hiddenStates == DType.I8 ? "humming-a8" : "humming";

    public string Purpose => hiddenStates == DType.I8
        ? $"codes of 1 to 8 bits times int8 hidden states, integer dot products{(AssemblySupport.RefusesInt8(options.Assembly) is null ? $" ({AssemblySupport.Int8Instructions})" : "")}"
        : "codes of 1 to 8 bits times bfloat16 hidden states";

    public HiddenPrecision HiddenStates(WeightFormat weights)
        => hiddenStates == DType.I8 ? HiddenPrecision.Int8(PanelLayout.StepColumns) : HiddenPrecision.BFloat16;

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.Codes(spec, [1, 2, 3, 4, 5, 6, 7, 8], "1 to 8");

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new ExpertPipeline(
        spec, new ExpertMatrices(spec, weights, Load), new AlignedRows(spec.NumExperts, spec.TopK, maxTokens, BlockSize), pool, workspace);

    private WeightMatrix Load(StoredMatrix matrix) => matrix switch
    {
        QuantizedMatrix quantized when hiddenStates == DType.I8 && PanelLayout.Refusal(quantized.Format) is null
            => WeightMatrix.LoadInteger(quantized, options),
        QuantizedMatrix quantized => WeightMatrix.LoadRounded(quantized, hiddenStates),
        _ => throw new BackendException($"matrix \"{matrix.Name}\" is {matrix.Format}; {Name} multiplies codes of 1 to 8 bits"),
    };
}
