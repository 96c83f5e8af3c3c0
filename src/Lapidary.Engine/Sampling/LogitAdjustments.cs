namespace Lapidary.Sampling;

/// <summary>
/// What a request changes in the model's logits before a token is chosen: which tokens are allowed, then bias, then
/// penalties. Whatever else restricts the next token (a grammar's mask) is one more step here.
/// </summary>
internal sealed class LogitAdjustments
{
    private readonly int minTokens;
    private readonly int[] endIds;
    private readonly int[] allowed;
    private readonly float[] allowedLogits;
    private readonly IReadOnlyList<int[]> badWords;
    private readonly (int Id, float Value)[] bias;
    private readonly TokenHistory history;
    private readonly ReasoningLimit? reasoning;

    /// <param name="endIds">Tokens that min_tokens forbids at first.</param>
    /// <param name="badWords">Token sequences that may not be completed.</param>
    public LogitAdjustments(
        SamplingParameters parameters, int vocabSize, ReadOnlySpan<int> prompt, IReadOnlyList<int> endIds, IReadOnlyList<int[]> badWords)
    {
        minTokens = parameters.MinTokens;
        this.endIds = [.. endIds];
        this.badWords = badWords;
        allowed = parameters.AllowedTokenIds is { } ids ? [.. ids.Distinct()] : [];
        allowedLogits = new float[allowed.Length];
        bias = [.. parameters.LogitBias.Select(b => (b.Key, (float)Math.Clamp(b.Value, -100, 100)))];
        history = new TokenHistory(parameters, vocabSize, prompt);
        if (parameters.Reasoning is { } budget) reasoning = new ReasoningLimit(budget);
    }

    /// <summary>The only token that may come next, whatever else the request says; null for a free choice.</summary>
    public int? Forced => reasoning?.Forced;

    /// <summary>Whether a logit may ever differ from the model's.</summary>
    public bool MayChange => reasoning is not null || Changes(made: 0);

    /// <summary>Whether any logit may differ from the model's after that many tokens of output.</summary>
    public bool Changes(int made)
        => allowed.Length > 0 || bias.Length > 0 || badWords.Count > 0 || history.IsActive || (made < minTokens && endIds.Length > 0) || reasoning?.Forbidden is not null;

    /// <param name="logits">[vocab], changed in place</param>
    /// <param name="output">Tokens made so far.</param>
    public void Apply(Span<float> logits, ReadOnlySpan<int> output)
    {
        if (allowed.Length > 0) Allow(logits);
        foreach (int[] word in badWords)
            if (output.EndsWith(word.AsSpan(0, word.Length - 1))) logits[word[^1]] = float.NegativeInfinity;
        if (output.Length < minTokens)
            foreach (int id in endIds) logits[id] = float.NegativeInfinity;
        if (reasoning?.Forbidden is { } open) logits[open] = float.NegativeInfinity;
        foreach ((int id, float value) in bias) logits[id] += value;
        if (history.IsActive) history.Penalize(logits);
    }

    /// <summary>A token has been added to the output.</summary>
    public void Add(int token)
    {
        history.Add(token);
        reasoning?.Add(token);
    }

    private void Allow(Span<float> logits)
    {
        for (int i = 0; i < allowed.Length; i++) allowedLogits[i] = logits[allowed[i]];
        logits.Fill(float.NegativeInfinity);
        for (int i = 0; i < allowed.Length; i++) logits[allowed[i]] = allowedLogits[i];
    }
}
