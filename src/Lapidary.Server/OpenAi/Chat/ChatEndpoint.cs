using System.Text.Json;
using Lapidary.Server.Generating;
using Lapidary.Server.Operations;
using Lapidary.Server.Requests;
using Lapidary.Server.Streaming;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>POST /v1/chat/completions.</summary>
internal sealed class ChatEndpoint(ApiServices api)
{
    public async Task Handle(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        using Admission.Entry entry = api.Admission.Enter();
        ChatExchange exchange = await api.Preparation.RunAsync(json, () =>
        {
            ChatCompletionRequest request = ChatCompletionRequest.Read(json.RootElement, model);
            return new ChatExchange(model, request, RunningChat.Start(context, api, model, request.Model, request.Turn));
        }, context.RequestAborted);
        (_, ChatCompletionRequest request, RunningChat chat) = exchange;
        using RunningChat running = chat;
        if (!request.Stream.IsStream)
        {
            await context.Response.WriteJsonAsync(await new ChatCollector(exchange).CollectAsync(), ServerJson.Default.ChatCompletion);
            return;
        }
        chat.EndWaitsAfter(api.Options.KeepAliveInterval);
        await EventStream.WriteAsync(context, api, sse => new ChatStream(exchange, sse).WriteAsync());
    }
}

/// <summary>One chat while it is answered.</summary>
internal sealed record ChatExchange(ServedModel Model, ChatCompletionRequest Request, RunningChat Chat)
{
    public string Id { get; } = Answers.NewId("chatcmpl-");

    public long Created { get; } = Answers.Now();

    public TokenTexts Texts { get; } = new(Model, Request.TokensAsIds);

    /// <summary>Told when the request asks for one, as at OpenAI. There is one tier here.</summary>
    public string? ServiceTier => Request.NamesServiceTier ? "default" : null;

    public UsageBody Usage() => UsageBody.Of(Chat.PromptTokens, Chat.CompletionTokens, Chat.CachedTokens, Chat.ReasoningTokens);
}
