namespace Lapidary.Verification;

/// <summary>How two configurations differ in predicting one token of a text. All in nats, in float64.</summary>
/// <param name="Position">Index of the predicted token in the text.</param>
/// <param name="TokenId">The token that stands there.</param>
/// <param name="BaseNll">-log of the probability the base gives it.</param>
/// <param name="AgainstNll">-log of the probability the other configuration gives it.</param>
/// <param name="Kl">Kullback-Leibler divergence of the other's distribution from the base's: Σ p log(p / q), p the base.</param>
/// <param name="BaseTop">The base's most likely token.</param>
/// <param name="AgainstTop">The other's most likely token.</param>
public readonly record struct TokenDivergence(
    int Position, int TokenId, double BaseNll, double AgainstNll, double Kl, int BaseTop, int AgainstTop)
{
    public bool Flipped => BaseTop != AgainstTop;

    /// <param name="logits">[vocab] of the base.</param> <param name="against">[vocab] of the other configuration.</param>
    /// <exception cref="RequestException">A logit is not a finite number.</exception>
    public static TokenDivergence Of(ReadOnlySpan<float> logits, ReadOnlySpan<float> against, int position, int tokenId)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(against.Length, logits.Length);
        int top = Top(logits, "base", position), againstTop = Top(against, "compared", position);
        double max = logits[top], againstMax = against[againstTop], sum = 0, againstSum = 0, difference = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            double weight = Math.Exp(logits[i] - max);
            sum += weight;
            againstSum += Math.Exp(against[i] - againstMax);
            difference += weight * ((double)logits[i] - against[i]);
        }
        double logSum = max + Math.Log(sum), againstLogSum = againstMax + Math.Log(againstSum);
        // Σ p (log p - log q), with log p = logit - logSum. Rounding can leave a few 1e-17 below zero.
        double kl = Math.Max(0, difference / sum - logSum + againstLogSum);
        return new TokenDivergence(position, tokenId, logSum - logits[tokenId], againstLogSum - against[tokenId], kl, top, againstTop);
    }

    /// <summary>Index of the largest, ties to the lower.</summary>
    private static int Top(ReadOnlySpan<float> logits, string side, int position)
    {
        int best = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            if (!float.IsFinite(logits[i]))
                throw new RequestException(
                    $"the {side} configuration gives token {i} the logit {logits[i]} at position {position}; its weights are damaged, or a layer overflowed");
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }
}
