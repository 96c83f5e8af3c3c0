using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

/// <summary>The choice of experts against float64 over sorted probabilities.</summary>
public sealed class RoutingTests : IDisposable
{
    private readonly CpuKernels kernels = new(threads: 1);

    public void Dispose() => kernels.Dispose();

    [Theory, InlineData(1, 1), InlineData(4, 1), InlineData(4, 4), InlineData(16, 4), InlineData(128, 8), InlineData(129, 5)]
    public void Chooses_the_most_likely_and_renormalises(int experts, int k)
    {
        Random random = new(experts * 100 + k);
        for (int trial = 0; trial < 20; trial++)
        {
            const int Tokens = 3;
            float[] logits = [.. Enumerable.Range(0, Tokens * experts).Select(_ => (float)(random.NextDouble() * 30 - 15))];
            float[] scale = [.. Enumerable.Range(0, experts).Select(_ => 0.5f + random.NextSingle())];
            (int[] ids, float[] weights) = Route(logits, scale, experts, k);
            for (int t = 0; t < Tokens; t++)
            {
                float[] row = logits[(t * experts)..((t + 1) * experts)];
                double sum = row.Sum(x => Math.Exp(x));
                int[] expected = [.. Enumerable.Range(0, experts).OrderByDescending(e => row[e]).ThenBy(e => e).Take(k)];
                double chosen = expected.Sum(e => Math.Exp(row[e]) / sum);
                Assert.Equal(expected, ids[(t * k)..((t + 1) * k)]);
                for (int slot = 0; slot < k; slot++)
                    Assert.Equal(Math.Exp(row[expected[slot]]) / sum / chosen * scale[expected[slot]], weights[t * k + slot], 1e-6);
            }
        }
    }

    [Fact]
    public void Ties_go_to_the_lower_expert()
    {
        Assert.Equal([0, 1, 2], Route([7, 7, 7, 7], [1, 1, 1, 1], 4, 3).Ids);
        Assert.Equal([1, 3, 0], Route([2, 5, 2, 5], [1, 1, 1, 1], 4, 3).Ids);
        Assert.All(Route([7, 7, 7, 7], [1, 1, 1, 1], 4, 2).Weights, weight => Assert.Equal(0.5f, weight));
    }

    [Fact]
    public void The_scale_changes_weights_and_not_the_choice()
    {
        (int[] ids, float[] weights) = Route([3, 2, 1], [0.001f, 100, 5], 3, 2);
        Assert.Equal([0, 1], ids);
        double share = Math.E / (Math.E + 1);
        Assert.Equal(share * 0.001, weights[0], 1e-8);
        Assert.Equal((1 - share) * 100, weights[1], 1e-4);
    }

    [Theory, InlineData(1000f), InlineData(-1000f)]
    public void Large_logits_neither_overflow_nor_vanish(float offset)
    {
        (int[] ids, float[] weights) = Route([offset, offset + 1, offset - 50, offset + 1], [1, 1, 1, 1], 4, 3);
        Assert.Equal([1, 3, 0], ids);
        double sum = 2 * Math.E + 1;
        Assert.Equal([(float)(Math.E / sum), (float)(Math.E / sum), (float)(1 / sum)], weights, (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Fact]
    public void An_expert_of_no_probability_is_chosen_last_and_once()
    {
        // All but the first underflow to 0: each is still chosen at most once.
        (int[] ids, float[] weights) = Route([500, -500, -500, -500], [1, 1, 1, 1], 4, 4);
        Assert.Equal([0, 1, 2, 3], ids);
        Assert.Equal([1f, 0f, 0f, 0f], weights);

        // The largest last: a softmax shifted by any other overflows.
        (ids, weights) = Route([-500, -500, 500], [1, 1, 1], 3, 2);
        Assert.Equal([2, 0], ids);
        Assert.Equal([1f, 0f], weights);
    }

    private (int[] Ids, float[] Weights) Route(float[] logits, float[] scale, int experts, int k)
    {
        int tokens = logits.Length / experts;
        using IBuffer x = kernels.Allocate(DType.F32, tokens, experts), factors = kernels.LoadVector(scale);
        using IBuffer ids = kernels.Allocate(DType.I32, tokens, k), weights = kernels.Allocate(DType.F32, tokens, k);
        kernels.Write(x, logits);
        ids.Rows = weights.Rows = tokens;
        kernels.RouteTopK(x, factors, ids, weights);
        int[] chosen = new int[tokens * k];
        float[] values = new float[tokens * k];
        kernels.Read(ids, chosen);
        kernels.Read(weights, values);
        return (chosen, values);
    }
}
