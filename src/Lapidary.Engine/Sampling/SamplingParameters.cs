using System.Globalization;

namespace Lapidary.Sampling;

/// <summary>How tokens are chosen and when a text ends. Names, ranges and defaults as in vLLM's SamplingParams.</summary>
public sealed record SamplingParameters
{
    /// <summary>Below this a temperature means greedy.</summary>
    private const double GreedyBelow = 1e-5;

    /// <summary>0 to 2; 0 always takes the most likely token.</summary>
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

    /// <summary>Added to the logits of single tokens, -100 to 100.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = new Dictionary<int, double>();

    /// <summary>Fixes the random numbers; null for others every time.</summary>
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

    public bool IsGreedy => Temperature < GreedyBelow;

    /// <summary>Returns itself when every value is within its range.</summary>
    /// <param name="vocabSize">Ids have to be below it.</param>
    /// <exception cref="RequestException">Names the parameter, its value and its range.</exception>
    public SamplingParameters Checked(int vocabSize)
    {
        Require(nameof(Temperature), Temperature, Temperature is >= 0 and <= 2, "0 to 2");
        Require(nameof(TopK), TopK, TopK >= -1, "-1 or more");
        Require(nameof(TopP), TopP, TopP is > 0 and <= 1, "above 0 to 1");
        Require(nameof(MinP), MinP, MinP is >= 0 and <= 1, "0 to 1");
        Require(nameof(RepetitionPenalty), RepetitionPenalty, RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty), "above 0");
        Require(nameof(PresencePenalty), PresencePenalty, PresencePenalty is >= -2 and <= 2, "-2 to 2");
        Require(nameof(FrequencyPenalty), FrequencyPenalty, FrequencyPenalty is >= -2 and <= 2, "-2 to 2");
        Require(nameof(MaxTokens), MaxTokens ?? 1, MaxTokens is null or >= 1, "1 or more");
        Require(nameof(MinTokens), MinTokens, MinTokens >= 0 && MinTokens <= (MaxTokens ?? int.MaxValue), "0 to max_tokens");
        foreach (string stop in Stop)
            if (stop.Length == 0) throw new RequestException("stop holds an empty text; every stop text needs at least one character");
        foreach (int id in StopTokenIds.Concat(LogitBias.Keys))
            if (id < 0 || id >= vocabSize) throw new RequestException($"token id {id} is outside the vocabulary, 0 to {vocabSize - 1}");
        foreach ((int id, double bias) in LogitBias)
            if (!(bias is >= -100 and <= 100)) throw new RequestException($"logit_bias of token {id} is {Text(bias)}, expected -100 to 100");
        return this;
    }

    private static void Require(string name, double value, bool valid, string range)
    {
        if (valid) return;
        string snake = string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));
        throw new RequestException($"{snake} is {Text(value)}, expected {range}");
    }

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
