using System.Text;
using Lapidary.Scheduling;
using Lapidary.Server.Generating;
using Lapidary.Tools;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>Gathers a whole answer.</summary>
internal sealed class ChatCollector(ChatExchange exchange)
{
    private readonly ChatCompletionRequest request = exchange.Request;
    private readonly RunningChat chat = exchange.Chat;
    private readonly Gathered[] gathered = [.. exchange.Chat.Choices.Select(_ => new Gathered())];

    public async Task<ChatCompletion> CollectAsync()
    {
        while (await chat.WaitAsync())
            while (chat.TryRead(out TokenEvent token, out ChoiceReader choice))
            {
                Gathered text = gathered[token.Choice];
                text.Add(choice.Events);
                if (token.Logprobs is { } logprobs) text.Logprobs.Add(ChatTokenLogprob.Of(logprobs, exchange.Texts));
                if (request.ReturnTokenIds && token.TokenId != TokenEvent.NoToken) text.TokenIds.Add(token.TokenId);
            }
        return new ChatCompletion(exchange.Id, exchange.Created, request.Model, [.. chat.Choices.Select((choice, index) => Choice(index, choice, gathered[index]))], exchange.Usage())
        {
            PromptLogprobs = PromptLogprobs.Of(chat.PromptLogprobs, exchange.Texts),
            ServiceTier = exchange.ServiceTier,
            PromptTokenIds = request.ReturnTokenIds ? [.. chat.Prompt.Ids] : null,
            PromptText = request.ReturnPromptText ? chat.Prompt.Text : null,
        };
    }

    private ChatChoice Choice(int index, ChoiceReader reader, Gathered text)
    {
        ToolCall[] calls = [.. text.Calls.Select(call => new ToolCall(call.Id, new CalledFunction(call.Name, call.Arguments.ToString())))];
        ChatAnswer message = new(text.Content.Length == 0 && calls.Length > 0 ? null : text.Content.ToString())
        {
            ReasoningContent = request.IncludeReasoning && text.Reasoning.Length > 0 ? text.Reasoning.ToString() : null,
            ToolCalls = calls.Length > 0 ? calls : null,
        };
        return new ChatChoice(index, message, request.Turn.Sampling.Logprobs is null ? null : new ChatLogprobs(text.Logprobs), reader.FinishReason!,
            Answers.StopReason(reader.Completion!, request.Turn.Sampling.StopTokenIds))
        {
            TokenIds = request.ReturnTokenIds ? text.TokenIds : null,
        };
    }

    private sealed class Gathered
    {
        public StringBuilder Content { get; } = new();
        public StringBuilder Reasoning { get; } = new();
        public List<(string Id, string Name, StringBuilder Arguments)> Calls { get; } = [];
        public List<ChatTokenLogprob> Logprobs { get; } = [];
        public List<int> TokenIds { get; } = [];

        public void Add(IReadOnlyList<OutputEvent> events)
        {
            foreach (OutputEvent told in events)
                switch (told)
                {
                    case ContentDelta content:
                        Content.Append(content.Text);
                        break;
                    case ReasoningDelta reasoning:
                        Reasoning.Append(reasoning.Text);
                        break;
                    case ToolCallStart call:
                        Calls.Add((call.Id, call.Name, new StringBuilder()));
                        break;
                    case ToolCallArguments arguments:
                        Calls[arguments.Index].Arguments.Append(arguments.Json);
                        break;
                }
        }
    }
}
