using System.Text.Json;
using Lapidary.Generation;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi;
using Lapidary.Server.Operations;
using Lapidary.Server.Requests;
using Lapidary.Server.Streaming;
using Lapidary.Templates;
using Lapidary.Tokenizers;
using Lapidary.Tools;

namespace Lapidary.Server.Anthropic;

/// <summary>POST /v1/messages and POST /v1/messages/count_tokens, as Anthropic's clients send them.</summary>
internal sealed class MessageEndpoint(ApiServices api)
{
    public async Task Handle(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        using Admission.Entry entry = api.Admission.Enter();
        (MessageRequest request, RunningChat started) = await api.Preparation.RunAsync(json, () =>
        {
            MessageRequest request = MessageRequest.Read(json.RootElement, model);
            return (request, RunningChat.Start(context, api, model, request.Model, request.Turn));
        }, context.RequestAborted);
        using RunningChat chat = started;
        MessageWriter writer = new(request, chat);
        if (!request.Stream)
        {
            await context.Response.WriteJsonAsync(await writer.CollectAsync(), ServerJson.Default.MessageBody);
            return;
        }
        chat.EndWaitsAfter(api.Options.KeepAliveInterval);
        using SseWriter sse = new(context, api.Options.WriteTimeout);
        await writer.StreamAsync(sse, RequestId.Of(context), exception => api.Failures.Log(RequestId.Of(context), exception));
    }

    public async Task CountTokens(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        int tokens = await api.Preparation.RunAsync(json, () =>
        {
            Fields body = new(json.RootElement);
            (_, ChatRequest prompt, _, _) = MessageRequest.ReadPrompt(body, model, int.MaxValue);
            body.Done();
            return PromptText.Render(model, prompt, SpecialTokens.Omit, context.RequestAborted).Ids.Length;
        }, context.RequestAborted);
        await context.Response.WriteJsonAsync(new TokenCount(tokens), ServerJson.Default.TokenCount);
    }
}

/// <summary>A message while it is made.</summary>
internal sealed class MessageWriter(MessageRequest request, RunningChat chat)
{
    private static readonly MessageEvent Ping = new("ping");

    private readonly MessageBlocks blocks = new();
    private readonly string id = Answers.NewId("msg_");

    public async Task<MessageBody> CollectAsync()
    {
        while (await chat.WaitAsync())
            while (chat.TryRead(out _, out ChoiceReader choice))
                foreach (MessageEvent _ in Steps(choice)) { }
        return new MessageBody(id, request.Model, blocks.Blocks, StopReason(), chat.Choices[0].Completion!.StopText, Usage());
    }

    /// <summary>What fails before the first event is a plain error, later an error event.</summary>
    public async Task StreamAsync(SseWriter sse, string requestId, Action<Exception> log)
    {
        try
        {
            while (await chat.WaitAsync())
            {
                while (chat.TryRead(out _, out ChoiceReader choice))
                {
                    if (!sse.HasStarted) Begin(sse);
                    foreach (MessageEvent happened in Steps(choice)) Send(sse, happened);
                }
                if (chat.IsSilent && sse.HasStarted) Send(sse, Ping);
                else if (chat.IsSilent) Begin(sse);
                await sse.FlushAsync();
            }
            Send(sse, new MessageEvent("message_delta") { Delta = new MessageDelta(StopReason(), chat.Choices[0].Completion!.StopText), Usage = Usage() });
            Send(sse, new MessageEvent("message_stop"));
        }
        catch (Exception exception) when (sse.HasStarted && exception is not OperationCanceledException)
        {
            log(exception);
            sse.Event("error", ErrorBody.ForAnthropic(ApiException.From(exception), requestId), ServerJson.Default.ErrorBody);
        }
        await sse.FlushAsync();
    }

    /// <summary>With a ping, as at Anthropic.</summary>
    private void Begin(SseWriter sse)
    {
        Send(sse, new MessageEvent("message_start") { Message = new MessageBody(id, request.Model, [], null, null, Usage() with { OutputTokens = 0 }) });
        Send(sse, Ping);
    }

    private static void Send(SseWriter sse, MessageEvent happened) => sse.Event(happened.Type, happened, ServerJson.Default.MessageEvent);

    private IEnumerable<MessageEvent> Steps(ChoiceReader choice)
    {
        foreach (OutputEvent step in choice.Events)
            foreach (MessageEvent happened in blocks.Add(step))
                yield return happened;
        if (choice.Completion is null) yield break;
        foreach (MessageEvent happened in blocks.End()) yield return happened;
    }

    private string StopReason()
    {
        ChoiceReader choice = chat.Choices[0];
        if (choice.Completion!.Reason == FinishReason.Length) return "max_tokens";
        if (choice.Completion.StopText is not null) return "stop_sequence";
        return choice.CalledTools ? "tool_use" : "end_turn";
    }

    /// <summary>Tokens found in the cache are counted apart, as at Anthropic.</summary>
    private MessageUsage Usage() => new(chat.PromptTokens - chat.CachedTokens, chat.CompletionTokens) { CacheReadInputTokens = chat.CachedTokens };
}
