using System.Globalization;

namespace Lapidary.Sampling;

/// <summary>How tokens are chosen and when a text ends. Names, ranges and defaults as in vLLM's SamplingParams.</summary>
public sealed record SamplingParameters
{
    /// <summary>Below this a temperature means greedy.</summary>
    private const double GreedyBelow = 1e-5;

    private const double LowestTemperature = 0.01;
    private const int MaxN = 128;

    /// <summary>0 to 2; 0 always takes the most likely token, and what lies between 0 and 0.01 counts as 0.01.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only the k most likely tokens; 0 or -1 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the smallest set of tokens whose probabilities reach p, above 0 to 1.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens at least this likely relative to the most likely one, 0 to 1.</summary>
    public double MinP { get; init; }

    /// <summary>Divides (multiplies) positive (negative) logits of tokens in prompt and output; above 0, 1 for none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted once from tokens in the output, -2 to 2.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Subtracted for every occurrence in the output, -2 to 2.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of single tokens; what is outside -100 to 100 counts as that.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = new Dictionary<int, double>();

    /// <summary>Fixes the random numbers; null or -1 for others every time. Choice i of n has seed + i.</summary>
    public long? Seed { get; init; }

    /// <summary>Most tokens of output; null for as many as the context holds.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Until that many tokens no end-of-text token is chosen.</summary>
    public int MinTokens { get; init; }

    /// <summary>Texts that end the output; they are not part of it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Further tokens that end the output.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Do not end at the model's own end-of-text tokens.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Stop texts stay in the output.</summary>
    public bool IncludeStopStrInOutput { get; init; }

    /// <summary>Control tokens give no text.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>Texts that may not be written.</summary>
    public IReadOnlyList<string> BadWords { get; init; } = [];

    /// <summary>Only these tokens may be chosen; null for all.</summary>
    public IReadOnlyList<int>? AllowedTokenIds { get; init; }

    /// <summary>Bounds the reasoning before the answer; null for no bound.</summary>
    public ReasoningBudget? Reasoning { get; init; }

    /// <summary>How many continuations; 1 when greedy, since all would be the same.</summary>
    public int N { get; init; } = 1;

    /// <summary>Log-probabilities of the tokens chosen and of that many most likely ones; -1 for all tokens, null for none.</summary>
    public int? Logprobs { get; init; }

    /// <summary>The same for the tokens of the prompt.</summary>
    public int? PromptLogprobs { get; init; }

    public bool IsGreedy => Temperature < GreedyBelow;

    internal double EffectiveTemperature => Math.Max(Temperature, LowestTemperature);

    /// <summary>Returns itself when every value is within its range.</summary>
    /// <param name="vocabSize">Ids have to be below it.</param>
    /// <exception cref="RequestException">Names the parameter, its value and its range.</exception>
    public SamplingParameters Checked(int vocabSize)
    {
        Require(nameof(Temperature), Temperature, Temperature is >= 0 and <= 2, "0 to 2", most: 2);
        Require(nameof(TopK), TopK, TopK >= -1, "-1 or more");
        Require(nameof(TopP), TopP, TopP is > 0 and <= 1, "above 0 to 1", most: 1);
        Require(nameof(MinP), MinP, MinP is >= 0 and <= 1, "0 to 1", most: 1);
        Require(nameof(RepetitionPenalty), RepetitionPenalty, RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty), "above 0");
        Require(nameof(PresencePenalty), PresencePenalty, PresencePenalty is >= -2 and <= 2, "-2 to 2", most: 2);
        Require(nameof(FrequencyPenalty), FrequencyPenalty, FrequencyPenalty is >= -2 and <= 2, "-2 to 2", most: 2);
        Require(nameof(MaxTokens), MaxTokens ?? 1, MaxTokens is null or >= 1, "1 or more");
        Require(nameof(MinTokens), MinTokens, MinTokens >= 0 && MinTokens <= (MaxTokens ?? int.MaxValue), "0 to max_tokens", most: MaxTokens ?? int.MaxValue);
        Require(nameof(N), N, N is >= 1 and <= MaxN, $"1 to {MaxN}", most: MaxN);
        Require(nameof(N), N, N == 1 || !IsGreedy, "1, since with temperature 0 every continuation is the same", most: 1);
        Require(nameof(Logprobs), Logprobs ?? 0, Logprobs is null || (Logprobs >= -1 && Logprobs <= vocabSize), $"-1 to {vocabSize}", most: vocabSize);
        Require(nameof(PromptLogprobs), PromptLogprobs ?? 0, PromptLogprobs is null || (PromptLogprobs >= -1 && PromptLogprobs <= vocabSize), $"-1 to {vocabSize}", most: vocabSize);
        RequireTexts(nameof(Stop), Stop);
        RequireTexts(nameof(BadWords), BadWords);
        RequireIds(nameof(StopTokenIds), StopTokenIds, vocabSize);
        RequireIds(nameof(LogitBias), LogitBias.Keys, vocabSize);
        RequireIds(nameof(AllowedTokenIds), AllowedTokenIds ?? [], vocabSize);
        if (Reasoning is { } reasoning) RequireIds(nameof(Reasoning), [reasoning.OpenId, reasoning.CloseId, .. reasoning.EndIds], vocabSize);
        Require(nameof(Reasoning), Reasoning?.Tokens ?? 0, Reasoning is not { Tokens: < 0 }, "0 or more");
        if (AllowedTokenIds is { Count: 0 }) throw Error(nameof(AllowedTokenIds), "is empty, so that no token could be chosen");
        foreach ((int id, double bias) in LogitBias)
            if (!double.IsFinite(bias)) throw Error(nameof(LogitBias), $"of token {id} is {Text(bias)}, expected a number");
        return this;
    }

    /// <param name="most">The upper end of the range.</param>
    private static void Require(string name, double value, bool valid, string range, double most = double.PositiveInfinity)
    {
        if (!valid) throw Error(name, $"is {Text(value)}, expected {range}", value > most ? Bound.Maximum : Bound.Minimum);
    }

    private static void RequireTexts(string name, IEnumerable<string> texts)
    {
        if (texts.Any(string.IsNullOrEmpty)) throw Error(name, "holds an empty text; every text needs at least one character");
    }

    private static void RequireIds(string name, IEnumerable<int> ids, int vocabSize)
    {
        foreach (int id in ids)
            if (id < 0 || id >= vocabSize) throw Error(name, $"holds token id {id}, which is outside the vocabulary, 0 to {vocabSize - 1}");
    }

    private static ParameterException Error(string name, string fault, Bound? exceeded = null)
    {
        string parameter = string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));
        return new ParameterException(parameter, $"{parameter} {fault}") { Exceeded = exceeded };
    }

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
