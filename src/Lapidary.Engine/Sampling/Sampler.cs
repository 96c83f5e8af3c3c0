using Lapidary.Scheduling;

namespace Lapidary.Sampling;

/// <summary>
/// Chooses the tokens of one text. Order: what the request changes in the logits, temperature, top-k, top-p over what is
/// left, min-p. Allocates nothing per step but the log-probabilities that were asked for. What it chooses depends on the
/// logits, the tokens so far and the seed only.
/// </summary>
public sealed class Sampler
{
    // Enough for nearly every top-p without top-k; more are taken when they do not reach p.
    private const int FirstCandidates = 256;

    private readonly SamplingParameters parameters;
    private readonly LogitAdjustments adjustments;
    private readonly Candidates candidates;
    private readonly float[] maxima;
    private readonly double[] weights;
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
        candidates = new Candidates(parameters.IsGreedy ? 0 : parameters.TopK > 0 ? Math.Min(parameters.TopK, vocabSize) : FirstCandidates);
        maxima = new float[Logits.Blocks(vocabSize)];
        weights = parameters.IsGreedy || parameters.TopK > 0 ? [] : new double[maxima.Length];
        if (parameters.Logprobs is { } top) logprobs = new LogprobReader(vocabSize, top);
        unchanged = logprobs is not null && adjustments.MayChange ? new float[vocabSize] : [];
    }

    /// <summary>Chooses the next token and remembers it.</summary>
    /// <param name="logits">[vocab]; changed in place</param>
    /// <param name="output">The tokens chosen so far.</param>
    /// <exception cref="LogitsException">A logit is not a number.</exception>
    /// <exception cref="GenerationException">Nothing is left to choose from.</exception>
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

        float max = Logits.Maxima(logits, maxima);
        if (float.IsNaN(max) || float.IsPositiveInfinity(max))
            throw new LogitsException($"the model produced logits that are not numbers at output token {output.Length}; its weights are damaged, or a layer overflowed");
        if (float.IsNegativeInfinity(max)) throw new GenerationException($"no token is left to choose from at output token {output.Length}");

        int token = adjustments.Forced is { } forced ? forced : parameters.IsGreedy ? Logits.First(logits, maxima, max) : Draw(logits, max, Uniform(output.Length));
        adjustments.Add(token);
        return (token, logprobs?.Read(model, token));
    }

    private int Draw(ReadOnlySpan<float> logits, float max, double uniform)
    {
        double temperature = parameters.EffectiveTemperature;
        float scale = (float)(1 / temperature);
        float floor = parameters.MinP > 0 ? max + (float)(Math.Log(parameters.MinP) * temperature) : float.NegativeInfinity;
        if (parameters.TopK > 0)
        {
            candidates.Select(logits, maxima, Math.Min(parameters.TopK, logits.Length), float.NegativeInfinity);
            return DrawFromCandidates(max, scale, floor, Sum(candidates.Values, max, scale), uniform);
        }

        double all = Logits.Weights(logits, maxima, max, scale, weights);
        if (parameters.TopP >= 1 && parameters.MinP <= 0) return DrawFromAll(logits, max, scale, uniform * all);
        for (int k = Math.Min(FirstCandidates, logits.Length); ; k = (int)Math.Min(8L * k, logits.Length))
        {
            candidates.Select(logits, maxima, k, floor);
            bool complete = candidates.Ids.Length < k || k == logits.Length;
            if (complete || (parameters.TopP < 1 && Sum(candidates.Values, max, scale) >= parameters.TopP * all))
                return DrawFromCandidates(max, scale, floor, all, uniform);
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
            reached += Logits.Weight(values[kept++], max, scale);
            if (parameters.TopP < 1 && reached >= parameters.TopP * total) break;
        }
        double target = uniform * reached, sum = 0;
        for (int i = 0; i < kept; i++)
        {
            sum += Logits.Weight(values[i], max, scale);
            if (sum > target) return candidates.Ids[i];
        }
        return candidates.Ids[kept - 1];
    }

    /// <summary>Inverse distribution function over the whole vocabulary, by id: the block first, then the token in it.</summary>
    private int DrawFromAll(ReadOnlySpan<float> logits, float max, float scale, double target)
    {
        int last = 0;
        double before = 0;
        for (int block = 0; block < weights.Length; block++)
        {
            if (weights[block] == 0) continue;
            last = block;
            if (before + weights[block] > target) break;
            before += weights[block];
        }
        ReadOnlySpan<float> tokens = Logits.Block(logits, last);
        int token = 0;
        for (int i = 0; i < tokens.Length; i++)
        {
            double weight = Logits.Weight(tokens[i], max, scale);
            if (weight == 0) continue;
            token = i;
            before += weight;
            if (before > target) break;
        }
        return last * Logits.BlockSize + token;
    }

    private static double Sum(ReadOnlySpan<float> logits, float max, float scale)
    {
        double sum = 0;
        foreach (float logit in logits) sum += Logits.Weight(logit, max, scale);
        return sum;
    }

    /// <summary>SplitMix64 of seed and step: in [0, 1), 53 bits.</summary>
    private double Uniform(int step)
    {
        ulong z = (ulong)seed + (ulong)(step + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1L << 53));
    }
}
