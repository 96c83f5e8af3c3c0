using Lapidary.Scheduling;

namespace Lapidary.Sampling;

/// <summary>
/// Chooses the tokens of one text. Order: what the request changes in the logits, temperature, top-k, top-p over what is
/// left, min-p. Allocates nothing per step but the log-probabilities that were asked for. What it chooses depends on the
/// logits, the tokens so far and the seed only.
/// </summary>
public sealed class Sampler
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    private readonly SamplingParameters parameters;
    private readonly LogitAdjustments adjustments;
    private readonly Candidates candidates;
    private readonly float[] maxima;
    private readonly Weights? weights; // where a token is drawn from the whole vocabulary
    private readonly float[] unchanged; // the model's logits, where log-probabilities are wanted of a row that is changed
    private readonly LogprobReader? logprobs;
    private readonly long seed;

    /// <param name="parameters">Checked ones.</param>
    /// <param name="seed">Fixes the random numbers.</param>
    /// <param name="prompt">Tokens that the repetition penalty counts.</param>
    /// <param name="endIds">Tokens that min_tokens forbids at first.</param>
    /// <param name="badWords">Token sequences that may not be completed.</param>
    public Sampler(
        SamplingParameters parameters, int vocabSize, long seed, ReadOnlySpan<int> prompt, IReadOnlyList<int> endIds, IReadOnlyList<int[]> badWords)
    {
        this.parameters = parameters;
        this.seed = seed;
        adjustments = new LogitAdjustments(parameters, vocabSize, prompt, endIds, badWords);
        if (!parameters.IsGreedy && parameters.TopK <= 0) weights = new Weights(vocabSize, (float)(1 / parameters.EffectiveTemperature));
        candidates = new Candidates(parameters.IsGreedy ? 0 : Math.Clamp(parameters.TopK, 0, vocabSize));
        maxima = weights is null ? new float[Logits.Blocks(vocabSize)] : [];
        if (parameters.Logprobs is { } top) logprobs = new LogprobReader(vocabSize, top);
        unchanged = logprobs is not null && adjustments.MayChange ? new float[vocabSize] : [];
    }

    /// <summary>Chooses the next token and remembers it.</summary>
    /// <param name="logits">[vocab]; changed in place</param>
    /// <param name="output">The tokens chosen so far.</param>
    /// <exception cref="LogitsException">A logit is not a number, or all are minus infinity.</exception>
    /// <exception cref="NothingToChooseException">The request leaves nothing to choose from.</exception>
    public (int Token, TokenLogprobs? Logprobs) Sample(Span<float> logits, ReadOnlySpan<int> output)
    {
        ReadOnlySpan<float> model = logits;
        if (adjustments.Forced is null && adjustments.Changes(output.Length))
        {
            if (logprobs is not null)
            {
                logits.CopyTo(unchanged);
                model = unchanged;
            }
            adjustments.Apply(logits, output);
        }

        float max = weights?.Read(logits) ?? Logits.Maxima(logits, maxima);
        if (float.IsNaN(max) || float.IsPositiveInfinity(max))
            throw new LogitsException($"the model produced logits that are not numbers at output token {output.Length}; its weights are damaged, or a layer overflowed");
        if (float.IsNegativeInfinity(max) && !adjustments.MayChange) throw new LogitsException($"the model rules out every token at output token {output.Length}; its weights are damaged");
        if (float.IsNegativeInfinity(max)) throw new NothingToChooseException($"no token is left to choose from at output token {output.Length}: allowed_token_ids, bad_words, logit_bias and min_tokens together forbid all of them");

        int token = adjustments.Forced is { } forced ? forced : parameters.IsGreedy ? Logits.First(logits, maxima, max) : Draw(logits, max, output.Length);
        adjustments.Add(token);
        return (token, logprobs?.Read(model, token));
    }

    private int Draw(ReadOnlySpan<float> logits, float max, int step)
    {
        double temperature = parameters.EffectiveTemperature;
        float floor = parameters.MinP > 0 ? max + (float)(Math.Log(parameters.MinP) * temperature) : float.NegativeInfinity;
        if (weights is not null) return DrawFromAll(weights, logits, floor, step);
        float scale = (float)(1 / temperature);
        candidates.Select(logits, maxima, Math.Min(parameters.TopK, logits.Length), float.NegativeInfinity);
        return DrawFromCandidates(max, scale, floor, Sum(candidates.Values, max, scale), Uniform(step, draw: 0));
    }

    /// <summary>
    /// Without sorting: by descending probability top-p keeps a token when those before it do not reach p. One that is drawn
    /// and not kept bounds the next draw, which is among those before it. Whatever the bounds, kept tokens are drawn in
    /// proportion to their probabilities.
    /// </summary>
    private int DrawFromAll(Weights weights, ReadOnlySpan<float> logits, float floor, int step)
    {
        double limit = parameters.TopP < 1 ? parameters.TopP * weights.Sum : double.PositiveInfinity;
        Place bound = Place.Behind(floor);
        if (parameters.MinP > 0) weights.Narrow(logits, bound, limit: 0);
        for (int draw = 0; ; draw++)
        {
            Place drawn = weights.Find(logits, bound, Uniform(step, draw) * weights.Sum);
            if (weights.Narrow(logits, drawn, limit)) return drawn.Id;
            bound = drawn;
        }
    }

    /// <summary>Inverse distribution function over what top-p and min-p keep, by descending probability.</summary>
    /// <param name="total">Sum that top-p is a share of.</param>
    private int DrawFromCandidates(float max, float scale, float floor, double total, double uniform)
    {
        ReadOnlySpan<float> values = candidates.Values;
        double reached = 0;
        int kept = 0;
        while (kept < values.Length && (kept == 0 || values[kept] >= floor))
        {
            reached += Weights.Of(values[kept++], max, scale);
            if (parameters.TopP < 1 && reached >= parameters.TopP * total) break;
        }
        double target = uniform * reached, sum = 0;
        for (int i = 0; i < kept; i++)
        {
            sum += Weights.Of(values[i], max, scale);
            if (sum > target) return candidates.Ids[i];
        }
        return candidates.Ids[kept - 1];
    }

    private static double Sum(ReadOnlySpan<float> logits, float max, float scale)
    {
        double sum = 0;
        foreach (float logit in logits) sum += Weights.Of(logit, max, scale);
        return sum;
    }

    /// <summary>In [0, 1), 53 bits. SplitMix64 of the seed gives each step a number, and of that number further draws.</summary>
    private double Uniform(int step, int draw)
    {
        ulong z = Mix((ulong)seed + (ulong)(step + 1) * Golden);
        if (draw > 0) z = Mix(z + (ulong)draw * Golden);
        return (z >> 11) * (1.0 / (1L << 53));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
