using System.Text.Json.Serialization;

namespace Lapidary.Server.OpenAi;

/// <summary>Tokens of a request, in OpenAI's form. Completion tokens are those of all choices.</summary>
internal sealed record UsageBody(int PromptTokens, int CompletionTokens, PromptTokensDetails PromptTokensDetails, CompletionTokensDetails? CompletionTokensDetails)
{
    public int TotalTokens { get; } = PromptTokens + CompletionTokens;

    public static UsageBody Of(int prompt, int completion, int cached, int? reasoning)
        => new(prompt, completion, new PromptTokensDetails(cached), reasoning is { } tokens ? new CompletionTokensDetails(tokens) : null);

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CompletionTokensDetails? CompletionTokensDetails { get; } = CompletionTokensDetails;
}

internal sealed record PromptTokensDetails(int CachedTokens);

internal sealed record CompletionTokensDetails(int ReasoningTokens);
