using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>Plain loops, one thread, on the weights as they are stored: for each token, for each chosen expert, one element after the other.</summary>
internal sealed class ReferenceExperts : IExpertBackend
{
    public string Name => "reference";
    public string Purpose => "plain loops, one thread, to check the others against";

    public DType HiddenStates => DType.F32;

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.AnyMatrix(spec);

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens)
        => new Layer(spec, weights);

    private sealed unsafe class Layer(ExpertLayerSpec spec, ExpertWeights experts) : IExpertLayer
    {
        private readonly CpuActivation activation = CpuActivation.Load(spec.Activation);
        private readonly float[] row = new float[Math.Max(spec.HiddenSize, spec.IntermediateSize)];
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
            gate.Dispose();
            up.Dispose();
        }

        private void AddExpert(int expert, float factor, float* x, float* output)
        {
            for (int i = 0; i < spec.IntermediateSize; i++)
            {
                gate.Row(0)[i] = Dot(experts.Gate[expert], i, x);
                if (experts.Up is not null) up.Row(0)[i] = Dot(experts.Up[expert], i, x);
            }
            if (experts.Up is null) activation.Apply(gate.Row(0), gate.Row(0), spec.IntermediateSize);
            else activation.Combine(gate.Row(0), up.Row(0), gate.Row(0), spec.IntermediateSize);
            for (int h = 0; h < spec.HiddenSize; h++) output[h] += factor * Dot(experts.Down[expert], h, gate.Row(0));
        }

        private float Dot(StoredMatrix weights, int weightRow, float* x)
        {
            weights.ReadRow(weightRow, row.AsSpan(0, weights.Columns));
            float sum = 0;
            for (int i = 0; i < weights.Columns; i++) sum += row[i] * x[i];
            return sum;
        }
    }
}
