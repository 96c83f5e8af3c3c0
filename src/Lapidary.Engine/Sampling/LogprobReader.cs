using Lapidary.Scheduling;

namespace Lapidary.Sampling;

/// <summary>Reads log-probabilities from rows of logits. Holds its memory from row to row.</summary>
/// <param name="top">How many of the most likely tokens; -1 for all.</param>
internal sealed class LogprobReader(int vocabSize, int top)
{
    private readonly int top = top < 0 ? vocabSize : top;
    private readonly Weights weights = new(vocabSize, scale: 1);
    private readonly Candidates candidates = new(top < 0 ? vocabSize : top);

    /// <param name="logits">[vocab] of the model, unchanged</param>
    /// <exception cref="LogitsException">A logit is not a number, or all are -∞.</exception>
    public TokenLogprobs Read(ReadOnlySpan<float> logits, int token)
    {
        float max = weights.Read(logits);
        if (!float.IsFinite(max)) throw new LogitsException("the model produced logits that are not numbers; its weights are damaged, or a layer overflowed");
        double logSum = max + Math.Log(weights.Sum);
        candidates.Select(logits, weights.Maxima, top, float.NegativeInfinity);
        var likely = new TokenLogprob[candidates.Ids.Length];
        for (int i = 0; i < likely.Length; i++) likely[i] = new(candidates.Ids[i], (float)(candidates.Values[i] - logSum), i + 1);
        return new(new(token, (float)(logits[token] - logSum), Logits.CountAbove(logits, logits[token]) + 1), likely);
    }
}
