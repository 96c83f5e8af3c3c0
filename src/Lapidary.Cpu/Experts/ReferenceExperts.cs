using Lapidary.Cpu.Gemm;
using Lapidary.Experts;
using Lapidary.Lora;

namespace Lapidary.Cpu.Experts;

/// <summary>Plain loops, one thread: for each token, for each chosen expert, one element after the other.</summary>
internal sealed class ReferenceExperts : IExpertBackend
{
    public string Name => "reference";
    public string Purpose => "plain loops, one thread, to check the others against";

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.Floating(spec);

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens)
        => new Layer(spec, [.. weights.Gate.Select(WeightMatrix.Load)], [.. weights.Up.Select(WeightMatrix.Load)],
            [.. weights.Down.Select(WeightMatrix.Load)]);

    private sealed unsafe class Layer(ExpertLayerSpec spec, WeightMatrix[] gates, WeightMatrix[] ups, WeightMatrix[] downs)
        : IExpertLayer
    {
        private readonly CpuActivation activation = CpuActivation.Load(spec.Activation);
        private readonly CpuBuffer row = new(DType.F32, 1, Math.Max(spec.HiddenSize, spec.IntermediateSize));
        private readonly CpuBuffer gate = new(DType.F32, 1, spec.IntermediateSize);
        private readonly CpuBuffer up = new(DType.F32, 1, spec.IntermediateSize);

        public void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output)
        {
            CpuBuffer input = (CpuBuffer)x, expertIds = (CpuBuffer)ids, factors = (CpuBuffer)weights, sum = (CpuBuffer)output;
            for (int t = 0; t < input.Rows; t++)
            {
                new Span<float>(sum.Row(t), spec.HiddenSize).Clear();
                for (int slot = 0; slot < spec.TopK; slot++)
                    AddExpert(expertIds.IntRow(t)[slot], factors.Row(t)[slot], input.Row(t), sum.Row(t));
            }
        }

        public void Dispose()
        {
            row.Dispose();
            gate.Dispose();
            up.Dispose();
        }

        private void AddExpert(int expert, float factor, float* x, float* output)
        {
            for (int i = 0; i < spec.IntermediateSize; i++)
            {
                gate.Row(0)[i] = Dot(gates[expert], i, x);
                up.Row(0)[i] = Dot(ups[expert], i, x);
            }
            activation.Combine(gate.Row(0), up.Row(0), gate.Row(0), spec.IntermediateSize);
            for (int h = 0; h < spec.HiddenSize; h++) output[h] += factor * Dot(downs[expert], h, gate.Row(0));
        }

        private float Dot(WeightMatrix weights, int weightRow, float* x)
        {
            weights.CopyRow(weightRow, 1, row.Row(0));
            float sum = 0;
            for (int i = 0; i < weights.Columns; i++) sum += row.Row(0)[i] * x[i];
            return sum;
        }
    }
}
