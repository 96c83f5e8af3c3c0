using Lapidary.Cpu.Lora;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Cpu.Experts;

/// <summary>Plain loops, one thread, on the weights as they are stored: for each token, for each chosen expert, one element after the other.</summary>
internal sealed class ReferenceExperts : IExpertBackend
{
    public string Name => "reference";
    public string Purpose => "plain loops, one thread, to check the others against";

    public HiddenPrecision HiddenStates(WeightFormat weights) => HiddenPrecision.Unrounded;

    public Support Supports(ExpertLayerSpec spec) => ExpertSupport.AnyMatrix(spec);

    public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens)
        => new Layer(spec, weights);

    private sealed unsafe class Layer(ExpertLayerSpec spec, ExpertWeights experts) : IExpertLayer
    {
        private readonly CpuActivation activation = CpuActivation.Load(spec.Activation);
        private readonly float[] row = new float[Math.Max(spec.HiddenSize, spec.IntermediateSize)];
        private readonly CpuBuffer gate = new(DType.F32, 1, spec.IntermediateSize);
        private readonly CpuBuffer up = new(DType.F32, 1, spec.IntermediateSize);
        private readonly CpuBuffer down = new(DType.F32, 1, spec.HiddenSize);

        public long BytesPerExpert => experts.Gate[0].ByteLength + (experts.Up?[0].ByteLength ?? 0) + experts.Down[0].ByteLength;

        public void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output)
        {
            CpuBuffer input = (CpuBuffer)x, expertIds = (CpuBuffer)ids, factors = (CpuBuffer)weights, sum = (CpuBuffer)output;
            PairLora? pairs = adapters is { } batch ? new PairLora(batch, expertIds) : null;
            for (int t = 0; t < input.Rows; t++)
            {
                new Span<float>(sum.Row(t), spec.HiddenSize).Clear();
                for (int slot = 0; slot < spec.TopK; slot++)
                {
                    Expert(expertIds.IntRow(t)[slot], input.Row(t), pairs?.Of(t * spec.TopK + slot), pairs is { } p ? p.LowRank(0) : null);
                    for (int h = 0; h < spec.HiddenSize; h++) sum.Row(t)[h] += factors.Row(t)[slot] * down.Row(0)[h];
                }
            }
        }

        public void Dispose()
        {
            gate.Dispose();
            up.Dispose();
            down.Dispose();
        }

        /// <summary>down = the expert's output for x.</summary>
        /// <param name="u">Scratch of the adapter's update.</param>
        private void Expert(int expert, float* x, ExpertUpdate? update, float* u)
        {
            float* g = gate.Row(0), result = down.Row(0);
            for (int i = 0; i < spec.IntermediateSize; i++)
            {
                g[i] = Dot(experts.Gate[expert], i, x);
                if (experts.Up is not null) up.Row(0)[i] = Dot(experts.Up[expert], i, x);
            }
            update?.ShrinkInput(x, u);
            update?.ExpandGateUp(u, 0, spec.IntermediateSize, g, up.Row(0));
            if (experts.Up is null) activation.Apply(g, g, spec.IntermediateSize);
            else activation.Combine(g, up.Row(0), g, spec.IntermediateSize);
            for (int h = 0; h < spec.HiddenSize; h++) result[h] = Dot(experts.Down[expert], h, g);
            update?.ShrinkDown(g, u);
            update?.ExpandDown(u, 0, spec.HiddenSize, result);
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
