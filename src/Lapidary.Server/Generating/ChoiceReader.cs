using Lapidary.Generation;
using Lapidary.Scheduling;
using Lapidary.Server.Errors;
using Lapidary.Tools;

namespace Lapidary.Server.Generating;

/// <summary>Reads the tokens of one choice into answer, reasoning and tool calls.</summary>
internal sealed class ChoiceReader(OutputParser parser)
{
    private readonly List<OutputEvent> events = [];

    /// <summary>What the last token told.</summary>
    public IReadOnlyList<OutputEvent> Events => events;

    public int Tokens { get; private set; }
    public int ReasoningTokens { get; private set; }
    public bool CalledTools { get; private set; }

    /// <summary>Set by the last token.</summary>
    public Completion? Completion { get; private set; }

    /// <summary>In OpenAI's words, once complete.</summary>
    public string? FinishReason => Completion is null ? null : CalledTools && Completion.Reason == Lapidary.Generation.FinishReason.Stop ? "tool_calls" : FinishReasons.Word(Completion.Reason);

    /// <exception cref="LapidaryException">The choice ended with an error.</exception>
    public void Push(TokenEvent token)
    {
        FinishReasons.ThrowIfFailed(token.Completion);
        events.Clear();
        bool wasReasoning = parser.IsReasoning;
        if (token.TokenId == TokenEvent.NoToken)
        {
            parser.Push(token.Text, events);
        }
        else
        {
            Tokens++;
            parser.Push(token.TokenId, token.Text, events);
        }
        bool isReasoning = parser.IsReasoning;
        if (token.Completion is { } completion)
        {
            Completion = completion;
            parser.Finish(completion.Reason, events);
        }
        foreach (OutputEvent told in events) CalledTools |= told is ToolCallStart;
        // Not the tokens around it: they open and close it.
        if (wasReasoning && isReasoning && token.TokenId != TokenEvent.NoToken) ReasoningTokens++;
    }
}

/// <summary>Why a text ended, in OpenAI's words.</summary>
internal static class FinishReasons
{
    public static string Word(FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.Abort => "abort",
        _ => "error",
    };

    /// <exception cref="LapidaryException">The choice did not come to an end of its own.</exception>
    public static void ThrowIfFailed(Completion? completion)
    {
        if (completion?.Reason is not (FinishReason.Error or FinishReason.Abort)) return;
        throw completion.Error ?? ApiException.Unavailable("aborted", "The request was aborted before the answer was complete.", TimeSpan.FromSeconds(5));
    }
}
