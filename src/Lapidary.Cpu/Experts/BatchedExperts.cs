using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>
/// Tokens in [experts, max tokens, hidden] with a count for each expert: what expert-parallel dispatch delivers. Buffers are as
/// large as the worst routing needs, so the other backends come first on one machine.
/// </summary>
internal sealed class BatchedExperts(WorkerPool pool, Workspace workspace) : IExpertBackend
{
    public string Name => "batched";
    public string Purpose => "[experts, max tokens, hidden] with counts, the form of expert-parallel dispatch; float32 hidden states, any weights";
    public HiddenPrecision HiddenStates(WeightFormat weights) => HiddenPrecision.Unrounded;

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.AnyMatrix(spec);

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new ExpertPipeline(
        spec, new ExpertMatrices(spec, weights, WeightMatrix.Load), new BatchedRows(spec.NumExperts, spec.TopK, maxTokens), pool, workspace);
}
