namespace Lapidary.Sampling;

/// <summary>
/// Chooses the tokens of one text. Order as in HuggingFace: bias, penalties, temperature, top-k, top-p over what is left,
/// min-p. Allocates nothing per step. The random numbers depend on the seed and the step only.
/// </summary>
public sealed class Sampler
{
    // Enough for nearly every top-p without top-k; more are taken when they do not reach p.
    private const int FirstCandidates = 256;

    private readonly SamplingParameters parameters;
    private readonly int[] endIds;
    private readonly KeyValuePair<int, double>[] bias;
    private readonly TokenHistory history;
    private readonly Candidates candidates;
    private long step;

    /// <param name="parameters">Checked ones.</param>
    /// <param name="prompt">Tokens that the repetition penalty counts.</param>
    /// <param name="endIds">Tokens that min_tokens forbids at first.</param>
    public Sampler(SamplingParameters parameters, int vocabSize, ReadOnlySpan<int> prompt, IReadOnlyList<int> endIds)
    {
        this.parameters = parameters;
        this.endIds = [.. endIds];
        bias = [.. parameters.LogitBias];
        history = new TokenHistory(parameters, vocabSize, prompt);
        candidates = new Candidates(parameters.TopK > 0 ? Math.Min(parameters.TopK, vocabSize) : FirstCandidates);
        Seed = parameters.Seed ?? Random.Shared.NextInt64();
    }

    /// <summary>The seed in use, so that a run can be repeated.</summary>
    public long Seed { get; }

    /// <summary>Chooses the next token and remembers it.</summary>
    /// <param name="logits">[vocab]; changed by bias and penalties.</param>
    /// <exception cref="RequestException">A logit is not a number, or nothing is left to choose from.</exception>
    public int Sample(Span<float> logits)
    {
        foreach ((int id, double value) in bias) logits[id] += (float)value;
        if (history.IsActive) history.Penalize(logits);
        if (step < parameters.MinTokens)
            foreach (int id in endIds) logits[id] = float.NegativeInfinity;

        float max = Logits.Max(logits, out bool valid);
        if (!valid) throw new RequestException($"the model produced logits that are not numbers at output token {step}; its weights are damaged, or a layer overflowed");
        if (float.IsNegativeInfinity(max)) throw new RequestException($"no token is left to choose from at output token {step}");

        int token = parameters.IsGreedy ? logits.IndexOf(max) : Draw(logits, max);
        history.Add(token);
        step++;
        return token;
    }

    private int Draw(Span<float> logits, float max)
    {
        double uniform = Uniform();
        float scale = (float)(1 / parameters.Temperature);
        float floor = parameters.MinP > 0 ? max + (float)(Math.Log(parameters.MinP) * parameters.Temperature) : float.NegativeInfinity;
        if (parameters.TopK <= 0 && parameters.TopP >= 1 && parameters.MinP <= 0) return DrawFromAll(logits, max, scale, uniform);

        if (parameters.TopK > 0)
        {
            candidates.Select(logits, Math.Min(parameters.TopK, logits.Length), float.NegativeInfinity);
            return DrawFromCandidates(max, scale, floor, Sum(candidates.Values, max, scale), uniform);
        }
        double all = Logits.ExpSum(logits, max, scale);
        for (int k = Math.Min(FirstCandidates, logits.Length); ; k = (int)Math.Min(8L * k, logits.Length))
        {
            candidates.Select(logits, k, floor);
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
            reached += Weight(values[kept++], max, scale);
            if (parameters.TopP < 1 && reached >= parameters.TopP * total) break;
        }
        double target = uniform * reached, sum = 0;
        for (int i = 0; i < kept; i++)
        {
            sum += Weight(values[i], max, scale);
            if (sum > target) return candidates.Ids[i];
        }
        return candidates.Ids[kept - 1];
    }

    /// <summary>Inverse distribution function over the whole vocabulary, by id.</summary>
    private static int DrawFromAll(ReadOnlySpan<float> logits, float max, float scale, double uniform)
    {
        double target = uniform * Sum(logits, max, scale), sum = 0;
        int last = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            double weight = Weight(logits[i], max, scale);
            if (weight > 0) last = i;
            sum += weight;
            if (sum > target) return i;
        }
        return last;
    }

    private static double Sum(ReadOnlySpan<float> logits, float max, float scale)
    {
        double sum = 0;
        foreach (float logit in logits) sum += Weight(logit, max, scale);
        return sum;
    }

    private static double Weight(float logit, float max, float scale) => V1.Exp(new V1((logit - max) * scale)).Value;

    /// <summary>SplitMix64 of seed and step: in [0, 1), 53 bits.</summary>
    private double Uniform()
    {
        ulong z = (ulong)Seed + (ulong)(step + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1L << 53));
    }
}
