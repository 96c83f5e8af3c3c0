using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

/// <summary>Divergences with known answers.</summary>
public sealed class TokenDivergenceTests
{
    private static float[] Logs(params double[] probabilities) => [.. probabilities.Select(p => (float)Math.Log(p))];

    [Fact]
    public void Small_distributions_give_what_paper_and_pencil_give()
    {
        // Σ p log(p/q) = ½ log 2 + ¼ log ½ + 0 = ¼ log 2
        TokenDivergence d = TokenDivergence.Of(Logs(0.5, 0.25, 0.25), Logs(0.25, 0.5, 0.25), 7, 0);
        Assert.Equal((7, 0, 0, 1, true), (d.Position, d.TokenId, d.BaseTop, d.AgainstTop, d.Flipped));
        Assert.Equal(Math.Log(2) / 4, d.Kl, 1e-7);
        Assert.Equal(Math.Log(2), d.BaseNll, 1e-7);
        Assert.Equal(Math.Log(4), d.AgainstNll, 1e-7);
    }

    [Fact]
    public void The_divergence_is_of_the_other_from_the_base_and_not_the_reverse()
    {
        float[] even = Logs(0.5, 0.5), sure = Logs(0.9, 0.1);
        Assert.Equal(0.5 * Math.Log(0.5 / 0.9) + 0.5 * Math.Log(0.5 / 0.1), TokenDivergence.Of(even, sure, 0, 0).Kl, 1e-7);
        Assert.Equal(0.9 * Math.Log(0.9 / 0.5) + 0.1 * Math.Log(0.1 / 0.5), TokenDivergence.Of(sure, even, 0, 0).Kl, 1e-7);
    }

    [Fact]
    public void Logits_that_differ_by_a_constant_are_the_same_distribution()
    {
        float[] logits = [1, 2.5f, -3, 0, 4], shifted = [.. logits.Select(x => x + 64)]; // exact in float32
        TokenDivergence d = TokenDivergence.Of(logits, shifted, 0, 1);
        Assert.Equal(0, d.Kl, 1e-13);
        Assert.Equal(d.BaseNll, d.AgainstNll, 1e-13);
        Assert.False(d.Flipped);
    }

    [Fact]
    public void Large_logits_do_not_overflow()
    {
        TokenDivergence d = TokenDivergence.Of([1e30f, 0, -1e30f], [0, 0, 0], 0, 0);
        Assert.Equal(Math.Log(3), d.Kl, 1e-12);
        Assert.Equal(0, d.BaseNll, 1e-12);
    }

    [Theory, InlineData(float.NaN), InlineData(float.PositiveInfinity), InlineData(float.NegativeInfinity)]
    public void Logits_that_are_not_numbers_are_refused(float bad)
    {
        Assert.Contains("compared configuration gives token 1", Assert.Throws<RequestException>(() => TokenDivergence.Of([0, 0], [0, bad], 3, 0)).Message, StringComparison.Ordinal);
        Assert.Contains("at position 3", Assert.Throws<RequestException>(() => TokenDivergence.Of([bad, 0], [0, 0], 3, 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Percentiles_are_those_of_numpy()
    {
        // numpy.percentile([4, 10, 1, 3, 2], [50, 90, 99]) = 3, 7.6, 9.76
        Distribution d = Distribution.Of([4, 10, 1, 3, 2]);
        Assert.Equal((4.0, 1.0, 3.0, 10.0), (d.Mean, d.Min, d.Median, d.Max));
        Assert.Equal(7.6, d.P90, 1e-12);
        Assert.Equal(9.76, d.P99, 1e-12);
        Assert.Equal(new Distribution(5, 5, 5, 5, 5, 5), Distribution.Of([5]));
    }
}
