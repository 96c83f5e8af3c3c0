using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>Tokens sorted by expert in padded blocks, as in vLLM's Triton kernel, on any weights.</summary>
internal sealed class GroupedExperts(WorkerPool pool, Workspace workspace, CpuOptions options) : IExpertBackend
{
    // So many that few experts of a 512-token prompt have two blocks: each of them reads the weights.
    private const int BlockSize = 64;

    public string Name => "grouped";
    public string Purpose => $"tokens sorted by expert in blocks, grouped GEMMs, {(options.Arithmetic == Arithmetic.Exact ? "float32" : "narrow")} hidden states, any weights";
    public HiddenPrecision HiddenStates(WeightFormat weights) => WeightMatrix.HiddenStates(weights, options);

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.AnyMatrix(spec);

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new ExpertPipeline(
        spec, new ExpertMatrices(spec, weights, matrix => WeightMatrix.Load(matrix, options)), new AlignedRows(spec.NumExperts, spec.TopK, maxTokens, BlockSize), pool, workspace);
}
