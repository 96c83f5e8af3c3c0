using System.Text.Json.Serialization;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>The answer to POST /v1/chat/completions.</summary>
internal sealed record ChatCompletion(string Id, long Created, string Model, IReadOnlyList<ChatChoice> Choices, UsageBody Usage)
{
    public string Object { get; } = "chat.completion";

    public string SystemFingerprint { get; } = Answers.Fingerprint;

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ServiceTier { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<PromptLogprobs?>? PromptLogprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int>? PromptTokenIds { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PromptText { get; init; }
}

/// <param name="StopReason">vLLM's addition: the stop text or token id that ended it, null for the model's own end.</param>
internal sealed record ChatChoice(int Index, ChatAnswer Message, ChatLogprobs? Logprobs, string FinishReason, object? StopReason)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int>? TokenIds { get; init; }
}

internal sealed record ChatAnswer(string? Content)
{
    public string Role { get; } = "assistant";

    public string? Refusal { get; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ReasoningContent { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }
}

internal sealed record ToolCall(string Id, CalledFunction Function)
{
    public string Type { get; } = "function";
}

/// <param name="Arguments">Text of a JSON object.</param>
internal sealed record CalledFunction(string Name, string Arguments);
