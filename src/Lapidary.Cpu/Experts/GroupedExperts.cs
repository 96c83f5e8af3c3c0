using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>Tokens sorted by expert in padded blocks, as in vLLM's Triton kernel, on any weights.</summary>
internal sealed class GroupedExperts(WorkerPool pool, Workspace workspace, CpuOptions options) : IExpertBackend
{
    // A block's inputs and results fit a core's second cache at any model's width.
    private const int BlockSize = 32;

    public string Name => "grouped";
    public string Purpose => $"tokens sorted by expert in blocks, grouped GEMMs, {(options.Arithmetic == Arithmetic.Exact ? "float32" : "narrow")} hidden states, any weights";
    public HiddenPrecision HiddenStates(WeightFormat weights) => WeightMatrix.HiddenStates(weights, options);

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.AnyMatrix(spec);

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new ExpertPipeline(
        spec, new ExpertMatrices(spec, weights, matrix => WeightMatrix.Load(matrix, options)), new AlignedRows(spec.NumExperts, spec.TopK, maxTokens, BlockSize), pool, workspace);
}
