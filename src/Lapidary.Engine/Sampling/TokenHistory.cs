namespace Lapidary.Sampling;

/// <summary>Which tokens a text holds, for the penalties. Cost per step follows the number of distinct tokens.</summary>
internal sealed class TokenHistory
{
    private readonly SamplingParameters parameters;
    private readonly int[] outputCounts; // by id
    private readonly bool[] seen;        // by id, prompt or output
    private readonly List<int> distinct;

    public TokenHistory(SamplingParameters parameters, int vocabSize, ReadOnlySpan<int> prompt)
    {
        this.parameters = parameters;
        IsActive = parameters.RepetitionPenalty != 1 || parameters.PresencePenalty != 0 || parameters.FrequencyPenalty != 0;
        outputCounts = IsActive ? new int[vocabSize] : [];
        seen = IsActive ? new bool[vocabSize] : [];
        distinct = IsActive ? new List<int>(Math.Min(vocabSize, 1 << 16)) : [];
        if (!IsActive) return;
        foreach (int id in prompt) Note(id);
    }

    public bool IsActive { get; }

    /// <summary>A token of the output.</summary>
    public void Add(int id)
    {
        if (!IsActive) return;
        Note(id);
        outputCounts[id]++;
    }

    /// <summary>Repetition over prompt and output first (arXiv:1909.05858 §4.1), then presence and frequency over the output.</summary>
    public void Penalize(Span<float> logits)
    {
        // Beyond these bounds a logit times or divided by it may be no number; within them it decides already.
        float repetition = (float)Math.Clamp(parameters.RepetitionPenalty, 1e-30, 1e30);
        foreach (int id in distinct)
        {
            float logit = logits[id];
            logit = logit > 0 ? logit / repetition : logit * repetition;
            if (outputCounts[id] > 0) logit -= (float)(parameters.PresencePenalty + parameters.FrequencyPenalty * outputCounts[id]);
            logits[id] = logit;
        }
    }

    private void Note(int id)
    {
        if (seen[id]) return;
        seen[id] = true;
        distinct.Add(id);
    }
}
