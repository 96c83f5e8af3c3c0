namespace Lapidary.Cpu;

/// <summary>Choice of experts.</summary>
internal static unsafe class Routing
{
    /// <summary>
    /// Softmax over all experts in float32, the k largest with ties to the lower id, renormalised, times the expert's scale.
    /// </summary>
    public static void TopK(CpuBuffer logits, CpuBuffer perExpertScale, CpuBuffer ids, CpuBuffer weights)
    {
        int experts = logits.Columns, k = ids.Columns;
        float* probabilities = stackalloc float[experts];
        float* scale = perExpertScale.Row(0);
        for (int t = 0; t < logits.Rows; t++)
        {
            Softmax(logits.Row(t), experts, probabilities);
            int* id = ids.IntRow(t);
            float* weight = weights.Row(t);
            float sum = 0;
            for (int slot = 0; slot < k; slot++)
            {
                int best = ArgMax(probabilities, experts);
                id[slot] = best;
                weight[slot] = probabilities[best];
                sum += probabilities[best];
                probabilities[best] = -1;
            }
            for (int slot = 0; slot < k; slot++) weight[slot] = weight[slot] / sum * scale[id[slot]];
        }
    }

    private static void Softmax(float* logits, int n, float* probabilities)
    {
        float max = logits[0], sum = 0;
        for (int i = 1; i < n; i++) max = MathF.Max(max, logits[i]);
        for (int i = 0; i < n; i++) sum += probabilities[i] = MathF.Exp(logits[i] - max);
        for (int i = 0; i < n; i++) probabilities[i] /= sum;
    }

    private static int ArgMax(float* values, int n)
    {
        int best = 0;
        for (int i = 1; i < n; i++)
            if (values[i] > values[best]) best = i;
        return best;
    }
}
