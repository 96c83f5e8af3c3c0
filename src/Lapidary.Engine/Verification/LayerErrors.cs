using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>How far one layer's output is from the base's.</summary>
/// <param name="Layer">Layer number.</param>
/// <param name="RelativeRms">√(Σ (other - base)² / Σ base²) over all tokens of the text.</param>
/// <param name="WorstToken">The largest of that quotient over single tokens.</param>
/// <param name="RoutesChanged">Share of tokens for which the router chose another set of experts; null without experts.</param>
public sealed record LayerError(int Layer, double RelativeRms, double WorstToken, double? RoutesChanged);

/// <summary>Sums the squares of differences per layer, in float64.</summary>
internal sealed class LayerErrors(Gemma4Config config)
{
    private readonly double[] difference = new double[config.Layers.Count], magnitude = new double[config.Layers.Count], worst = new double[config.Layers.Count];
    private readonly long[] rerouted = new long[config.Layers.Count];
    private long tokens;

    /// <summary>One token of the last step of both.</summary>
    public void Add(TeacherForcing baseline, TeacherForcing against, int row)
    {
        tokens++;
        for (int layer = 0; layer < difference.Length; layer++)
        {
            ReadOnlySpan<float> expected = baseline.Output(layer, row), actual = against.Output(layer, row);
            double d = 0, m = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                double delta = (double)actual[i] - expected[i];
                d += delta * delta;
                m += (double)expected[i] * expected[i];
            }
            difference[layer] += d;
            magnitude[layer] += m;
            worst[layer] = Math.Max(worst[layer], Relative(d, m));
            if (config.Experts is not null && !SameSet(baseline.ExpertIds(layer, row), against.ExpertIds(layer, row))) rerouted[layer]++;
        }
    }

    public IReadOnlyList<LayerError> Summarise() =>
        [.. config.Layers.Select(l => new LayerError(
            l.Index, Relative(difference[l.Index], magnitude[l.Index]), worst[l.Index],
            config.Experts is null ? null : (double)rerouted[l.Index] / tokens))];

    // A layer whose output is zero everywhere has no scale; the smallest number keeps the quotient finite.
    private static double Relative(double difference, double magnitude)
        => difference == 0 ? 0 : Math.Sqrt(difference / Math.Max(magnitude, float.Epsilon));

    /// <summary>Ids of one token are distinct, so equal length and containment make equal sets.</summary>
    private static bool SameSet(ReadOnlySpan<int> a, ReadOnlySpan<int> b)
    {
        foreach (int id in a)
            if (!b.Contains(id)) return false;
        return true;
    }
}
