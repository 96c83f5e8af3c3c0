using System.Text;
using Lapidary.Server.Generating;
using Lapidary.Tools;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>Gathers a whole answer.</summary>
internal sealed class ChatCollector(ChatExchange exchange)
{
    private readonly Gathered[] gathered = [.. exchange.Choices.Select(_ => new Gathered())];

    public async Task<ChatCompletion> CollectAsync()
    {
        while (await exchange.Running.WaitAsync())
            while (exchange.Running.TryRead(out GeneratedToken token))
            {
                ChoiceReader choice = exchange.Choices[token.Event.Choice];
                choice.Push(token.Event);
                gathered[token.Event.Choice].Add(choice.Events);
                if (token.Event.Logprobs is { } logprobs) gathered[token.Event.Choice].Logprobs.Add(ChatTokenLogprob.Of(logprobs, exchange.Texts));
                if (exchange.Request.ReturnTokenIds && token.Event.TokenId >= 0) gathered[token.Event.Choice].TokenIds.Add(token.Event.TokenId);
            }
        return new ChatCompletion(exchange.Id, exchange.Created, exchange.Request.Model, [.. exchange.Choices.Select((choice, index) => Choice(index, choice, gathered[index]))], exchange.Usage())
        {
            PromptLogprobs = PromptLogprobs.Of(exchange.Running.Handles[0].PromptLogprobs, exchange.Texts),
            PromptTokenIds = exchange.Request.ReturnTokenIds ? [.. exchange.Prompt.Ids] : null,
        };
    }

    private ChatChoice Choice(int index, ChoiceReader reader, Gathered text)
    {
        ToolCall[] calls = [.. text.Calls.Select(call => new ToolCall(call.Id, new CalledFunction(call.Name, call.Arguments.ToString())))];
        ChatAnswer message = new(text.Content.Length == 0 && calls.Length > 0 ? null : text.Content.ToString())
        {
            ReasoningContent = exchange.Request.IncludeReasoning && text.Reasoning.Length > 0 ? text.Reasoning.ToString() : null,
            ToolCalls = calls.Length > 0 ? calls : null,
        };
        return new ChatChoice(index, message, exchange.Request.Sampling.Logprobs is null ? null : new ChatLogprobs(text.Logprobs), reader.FinishReason!,
            Answers.StopReason(reader.Completion!, exchange.Request.Sampling.StopTokenIds))
        {
            TokenIds = exchange.Request.ReturnTokenIds ? text.TokenIds : null,
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
