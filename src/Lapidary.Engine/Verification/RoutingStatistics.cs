using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>How one layer's router spreads the tokens of a text over its experts.</summary>
/// <param name="Layer">Layer number.</param>
/// <param name="Tokens">Tokens each expert was chosen for; they sum to tokens · k.</param>
/// <param name="MaxOverMean">The busiest expert's tokens over the mean; 1 is even.</param>
/// <param name="CoefficientOfVariation">Standard deviation of the experts' tokens over their mean; 0 is even.</param>
/// <param name="Entropy">Entropy of the experts' shares over the logarithm of their number; 1 is even, 0 is one expert.</param>
/// <param name="Unused">Experts never chosen.</param>
/// <param name="Margin">Gap between the k-th and the next probability of the softmax over all experts, over the tokens: how
/// close a choice was. Null when every expert is always chosen.</param>
/// <param name="CloseCalls">Share of tokens with a gap below <see cref="CloseMargin"/>, whose choice a small error can turn.</param>
public sealed record LayerRouting(
    int Layer, IReadOnlyList<long> Tokens, double MaxOverMean, double CoefficientOfVariation, double Entropy, int Unused,
    Distribution? Margin, double? CloseCalls)
{
    /// <summary>A gap that reduced precision can close.</summary>
    public const double CloseMargin = 1e-3;
}

/// <summary>Counts choices and collects margins per layer; 8 bytes per token and layer.</summary>
internal sealed class RoutingStatistics
{
    private readonly int topK;
    private readonly long[][] chosen;
    private readonly List<double>[] margins;
    private readonly double[] weights; // of one token's softmax

    public RoutingStatistics(Gemma4Experts experts, int layers)
    {
        topK = experts.TopKExperts;
        chosen = [.. Enumerable.Range(0, layers).Select(_ => new long[experts.NumExperts])];
        margins = [.. Enumerable.Range(0, layers).Select(_ => new List<double>())];
        weights = new double[experts.NumExperts];
    }

    /// <summary>One token of the last step.</summary>
    public void Add(TeacherForcing step, int row)
    {
        for (int layer = 0; layer < chosen.Length; layer++)
        {
            foreach (int expert in step.ExpertIds(layer, row)) chosen[layer][expert]++;
            if (topK < weights.Length) margins[layer].Add(Margin(step.RouterLogits(layer, row)));
        }
    }

    public IReadOnlyList<LayerRouting> Summarise() => [.. Enumerable.Range(0, chosen.Length).Select(Summarise)];

    /// <summary>Softmax over all experts in float64, sorted; the k-th less the next.</summary>
    private double Margin(ReadOnlySpan<float> logits)
    {
        double max = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) max = Math.Max(max, logit);
        for (int e = 0; e < weights.Length; e++) sum += weights[e] = Math.Exp(logits[e] - max);
        Array.Sort(weights);
        return (weights[^topK] - weights[^(topK + 1)]) / sum;
    }

    private LayerRouting Summarise(int layer)
    {
        long[] counts = chosen[layer];
        double total = counts.Sum(), mean = total / counts.Length;
        double variance = counts.Sum(c => (c - mean) * (c - mean)) / counts.Length;
        double entropy = -counts.Where(c => c > 0).Sum(c => c / total * Math.Log(c / total));
        return new LayerRouting(
            layer, counts, counts.Max() / mean, Math.Sqrt(variance) / mean, counts.Length > 1 ? entropy / Math.Log(counts.Length) : 1,
            counts.Count(c => c == 0), margins[layer].Count > 0 ? Distribution.Of(margins[layer]) : null,
            margins[layer].Count > 0 ? (double)margins[layer].Count(m => m < LayerRouting.CloseMargin) / margins[layer].Count : null);
    }
}
