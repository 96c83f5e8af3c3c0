using System.Text.Json.Serialization;

namespace Lapidary.Server.OpenAi.Completions;

/// <summary>The answer to POST /v1/completions, or one event of it.</summary>
internal sealed record TextCompletion(string Id, long Created, string Model, IReadOnlyList<TextChoice> Choices)
{
    public string Object { get; } = "text_completion";

    public string SystemFingerprint { get; } = Answers.Fingerprint;

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public UsageBody? Usage { get; init; }
}

/// <param name="FinishReason">Null while it goes on.</param>
/// <param name="StopReason">vLLM's addition: the stop text or token id that ended it, null for the model's own end.</param>
internal sealed record TextChoice(int Index, string Text, TextLogprobs? Logprobs, string? FinishReason, object? StopReason)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<PromptLogprobs?>? PromptLogprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int>? TokenIds { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int>? PromptTokenIds { get; init; }
}

/// <summary>The older form: parallel lists. The first token of a prompt has no log-probability.</summary>
/// <param name="TextOffset">Where each token begins in the text, in characters.</param>
internal sealed record TextLogprobs(
    IReadOnlyList<string> Tokens, IReadOnlyList<float?> TokenLogprobs, IReadOnlyList<IReadOnlyDictionary<string, float>?> TopLogprobs, IReadOnlyList<int> TextOffset);
