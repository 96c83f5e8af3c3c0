using Lapidary.Sampling;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.Requests;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Server.Generating;

/// <summary>What the model is to answer, whichever API asked.</summary>
internal sealed record ChatTurn(ChatRequest Prompt, ChatTools Tools, SamplingParameters Sampling, RequestScheduling Scheduling)
{
    /// <summary>Templates write them themselves.</summary>
    public SpecialTokens SpecialTokens { get; init; } = SpecialTokens.Omit;

    /// <summary>Most tokens of reasoning; null for no bound.</summary>
    public int? ThinkingBudget { get; init; }

    /// <summary>The API's name of that bound.</summary>
    public string ThinkingParam { get; init; } = "thinking_token_budget";

    /// <summary>The API's name of the most tokens of output.</summary>
    public string MaxTokensParam { get; init; } = "max_tokens";

    /// <summary>The API's name of the messages.</summary>
    public string MessagesParam { get; init; } = "messages";
}
