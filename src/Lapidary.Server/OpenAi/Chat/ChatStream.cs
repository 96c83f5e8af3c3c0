using Lapidary.Scheduling;
using Lapidary.Server.Generating;
using Lapidary.Server.Streaming;
using Lapidary.Tools;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>
/// A chat as events: for each choice first its role, then what is new, then why it ended; at last, if wanted, the usage.
/// </summary>
internal sealed class ChatStream(ChatExchange exchange, SseWriter sse)
{
    private readonly ChatCompletionRequest request = exchange.Request;
    private readonly RunningChat chat = exchange.Chat;

    public async Task WriteAsync()
    {
        bool begun = false;
        while (await chat.WaitAsync())
        {
            while (chat.TryRead(out TokenEvent token, out ChoiceReader choice)) // may throw: before the first event that is a plain error
            {
                if (!begun) Begin();
                begun = true;
                Write(token, choice);
            }
            if (chat.IsSilent) sse.KeepAlive();
            await sse.FlushAsync();
        }
        if (request.Stream.IncludeUsage) Send(Chunk([], exchange.Usage()));
        sse.Done();
        await sse.FlushAsync();
    }

    private void Begin()
    {
        UsageBody? none = request.Stream.ContinuousUsage ? UsageBody.Of(chat.PromptTokens, 0, chat.CachedTokens, 0) : null;
        for (int index = 0; index < chat.Choices.Count; index++)
            Send(Chunk([new ChunkChoice(index, new ChatDelta { Role = "assistant", Content = "" })]) with
            {
                PromptTokenIds = request.ReturnTokenIds && index == 0 ? [.. chat.Prompt.Ids] : null,
                PromptText = request.ReturnPromptText && index == 0 ? chat.Prompt.Text : null,
                Usage = none,
            });
    }

    /// <summary>Log-probabilities and ids of a token go with the first text it brings, or with an empty text.</summary>
    private void Write(TokenEvent token, ChoiceReader choice)
    {
        ChatLogprobs? logprobs = token.Logprobs is { } known ? new ChatLogprobs([ChatTokenLogprob.Of(known, exchange.Texts)]) : null;
        IReadOnlyList<int>? ids = request.ReturnTokenIds && token.TokenId != TokenEvent.NoToken ? [token.TokenId] : null;
        foreach (OutputEvent told in choice.Events)
        {
            if (Delta(told) is not { } delta) continue;
            Send(new ChunkChoice(token.Choice, delta) { Logprobs = logprobs, TokenIds = ids });
            (logprobs, ids) = (null, null);
        }
        if (logprobs is not null || ids is not null) Send(new ChunkChoice(token.Choice, new ChatDelta { Content = "" }) { Logprobs = logprobs, TokenIds = ids });
        if (choice.Completion is { } completion)
            Send(new ChunkChoice(token.Choice, new ChatDelta()) { FinishReason = choice.FinishReason, StopReason = Answers.StopReason(completion, request.Turn.Sampling.StopTokenIds) });
    }

    private ChatDelta? Delta(OutputEvent told) => told switch
    {
        ContentDelta content => new ChatDelta { Content = content.Text },
        ReasoningDelta reasoning when request.IncludeReasoning => new ChatDelta { ReasoningContent = reasoning.Text },
        ToolCallStart call => new ChatDelta { ToolCalls = [new ToolCallDelta(call.Index, new FunctionDelta("") { Name = call.Name }) { Id = call.Id, Type = "function" }] },
        ToolCallArguments arguments => new ChatDelta { ToolCalls = [new ToolCallDelta(arguments.Index, new FunctionDelta(arguments.Json))] },
        _ => null,
    };

    private void Send(ChunkChoice choice) => Send(Chunk([choice], request.Stream.ContinuousUsage ? exchange.Usage() : null));

    private void Send(ChatChunk chunk) => sse.Event(chunk, ServerJson.Default.ChatChunk);

    private ChatChunk Chunk(IReadOnlyList<ChunkChoice> choices, UsageBody? usage = null)
        => new(exchange.Id, exchange.Created, request.Model, choices) { Usage = usage, ServiceTier = exchange.ServiceTier };
}
