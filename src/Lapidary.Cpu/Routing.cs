using System.Runtime.CompilerServices;

namespace Lapidary.Cpu;

/// <summary>Choice of experts.</summary>
internal static unsafe class Routing
{
    /// <summary>
    /// Softmax over all experts in float32, the k largest with ties to the lower id, renormalised, times the expert's scale.
    /// </summary>
    /// <param name="from">First token.</param> <param name="to">First token after those.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TopK<TLane>(CpuBuffer logits, CpuBuffer perExpertScale, CpuBuffer ids, CpuBuffer weights, int from, int to)
        where TLane : struct, IFloatLane<TLane>
    {
        int experts = logits.Columns, k = ids.Columns;
        float* probabilities = stackalloc float[experts];
        float* scale = perExpertScale.Row(0);
        for (int t = from; t < to; t++)
        {
            Softmax<TLane>(logits.Row(t), experts, probabilities);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Softmax<TLane>(float* logits, int n, float* probabilities) where TLane : struct, IFloatLane<TLane>
    {
        new ReadOnlySpan<float>(logits, n).CopyTo(new Span<float>(probabilities, n));
        float sum = ElementWise.ExpSum<TLane>(probabilities, ElementWise.Max<TLane>(logits, n), n);
        for (int i = 0; i < n; i++) probabilities[i] /= sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ArgMax(float* values, int n)
    {
        int best = 0;
        for (int i = 1; i < n; i++)
            if (values[i] > values[best]) best = i;
        return best;
    }
}

/// <summary>Experts of each token; tokens are shared out.</summary>
internal readonly struct RouteJob(CpuBuffer logits, CpuBuffer perExpertScale, CpuBuffer ids, CpuBuffer weights) : IParallelJob
{
    public void Run<TLane>(int worker, int workers) where TLane : struct, IFloatLane<TLane>
    {
        (int from, int to) = Share.Of(logits.Rows, worker, workers);
        Routing.TopK<TLane>(logits, perExpertScale, ids, weights, from, to);
    }
}
