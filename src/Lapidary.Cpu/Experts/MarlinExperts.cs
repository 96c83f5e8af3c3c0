using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>
/// Codes of 4 and 8 bits repacked at load into panels, gate and up side by side, decoded in registers: integers with or
/// without zero points, fp8, MXFP4 and NVFP4, any groups, act-order. Hidden states stay float32, as Marlin's stay 16-bit.
/// </summary>
internal sealed class MarlinExperts(WorkerPool pool, Workspace workspace) : IExpertBackend
{
    private const int BlockSize = 32;

    public string Name => "marlin";
    public string Purpose => "4- and 8-bit codes repacked side by side, gate and up in one pass; float32 hidden states";
    public HiddenPrecision HiddenStates(WeightFormat weights) => HiddenPrecision.Unrounded;

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.Codes(spec, [4, 8], "4 and 8");

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new ExpertPipeline(
        spec, CpuFeatures.VectorBits switch
        {
            512 => Load<V16>(spec, weights),
            256 => Load<V8>(spec, weights),
            128 => Load<V4>(spec, weights),
            _ => Load<V1>(spec, weights),
        },
        new AlignedRows(spec.NumExperts, spec.TopK, maxTokens, BlockSize), pool, workspace);

    private static ExpertMatrices Load<TLane>(ExpertLayerSpec spec, ExpertWeights weights) where TLane : struct, IFloatLane<TLane>
        => CodeDecoder.Accept(spec.Weights.Code!, new Loader<TLane>(spec, weights));

    private sealed class Loader<TLane>(ExpertLayerSpec spec, ExpertWeights weights) : ICodeVisitor<ExpertMatrices>
        where TLane : struct, IFloatLane<TLane>
    {
        public ExpertMatrices Visit<TBits, TDecoder>(TDecoder decoder) where TBits : struct, IBitWidth where TDecoder : struct, ICodeDecoder
            => new MarlinMatrices<TLane, TBits, TDecoder>(spec, weights, decoder);
    }
}

/// <summary>Gate and up of an expert multiplied in one pass.</summary>
internal sealed unsafe class MarlinMatrices<TLane, TBits, TDecoder>(ExpertLayerSpec spec, ExpertWeights weights, TDecoder decoder)
    : ExpertMatrices(spec, weights, WeightMatrix.Load)
    where TLane : struct, IFloatLane<TLane>
    where TBits : struct, IBitWidth
    where TDecoder : struct, ICodeDecoder
{
    public override void ProjectAndActivate(
        int expert, int from, int to, float* x, nint xStride, int rows, float* gate, float* up, nint stride)
    {
        if (Gates[expert] is not PanelMatrix<TLane, TBits, TDecoder> gates || Ups?[expert] is not PanelMatrix<TLane, TBits, TDecoder> ups
            || !gates.Panels.HasColumnsOf(ups.Panels)) // act-orders that differ: x would be read in two orders
        {
            base.ProjectAndActivate(expert, from, to, x, xStride, rows, gate, up, stride);
            return;
        }
        x = gates.Inputs(x, ref xStride, rows);
        GatedPanelDot<TLane, TBits, TDecoder>.Rows(gates.Panels, ups.Panels, decoder, Activation, from, to, x, xStride, rows, gate, stride);
    }
}
