using System.Text.Json;
using Lapidary.Scheduling;
using Lapidary.Server.Generating;
using Lapidary.Server.Operations;
using Lapidary.Server.Requests;
using Lapidary.Server.Streaming;
using Lapidary.Tokenizers;
using Lapidary.Tools;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>POST /v1/chat/completions.</summary>
internal sealed class ChatEndpoint(ApiServices api)
{
    public async Task Handle(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        ChatCompletionRequest request = ChatCompletionRequest.Read(json.RootElement, model);
        using Admission.Entry entry = api.Admission.Enter();
        PromptText prompt = PromptText.Render(model, request.Prompt, request.AddSpecialTokens ? SpecialTokens.Add : SpecialTokens.Omit, context.RequestAborted);
        prompt.RequireFits(model.ContextLength, "messages", request.Sampling.MaxTokens);

        using RunningRequest running = RunningRequest.Start(context, api, model, [new InferenceRequest
        {
            Id = RequestId.Of(context),
            PromptIds = prompt.Ids,
            // The parser tells markers from text by their tokens, and hides what skip_special_tokens hides.
            Sampling = request.Sampling with { SkipSpecialTokens = false },
            Priority = request.Scheduling.Priority,
            CacheSalt = request.Scheduling.CacheSalt,
        }]);
        ChoiceReader[] choices = [.. Enumerable.Range(0, request.Sampling.N).Select(_ => new ChoiceReader(Parser(model, request, prompt)))];
        ChatExchange exchange = new(model, request, prompt, running, choices);
        if (request.Stream.IsStream) await EventStream.WriteAsync(context, api, sse => new ChatStream(exchange, sse).WriteAsync());
        else await context.Response.WriteJsonAsync(await new ChatCollector(exchange).CollectAsync(), ServerJson.Default.ChatCompletion);
    }

    private static OutputParser Parser(ServedModel model, ChatCompletionRequest request, PromptText prompt) => model.Format.CreateParser(model.Tokenizer, new OutputParserOptions
    {
        Tools = request.Tools.Definitions,
        MaxToolCalls = request.Tools.MaxCalls,
        Prompt = prompt.Text,
        SpecialText = request.Sampling.SkipSpecialTokens ? SpecialText.Skip : SpecialText.Keep,
    });
}

/// <summary>One chat while it is answered.</summary>
internal sealed record ChatExchange(ServedModel Model, ChatCompletionRequest Request, PromptText Prompt, RunningRequest Running, ChoiceReader[] Choices)
{
    public string Id { get; } = Answers.NewId("chatcmpl");

    public long Created { get; } = Answers.Now();

    public TokenTexts Texts { get; } = new(Model, Request.TokensAsIds);

    public UsageBody Usage() => UsageBody.Of(
        Prompt.Ids.Length, Choices.Sum(choice => choice.Completion?.Usage.CompletionTokens ?? choice.Tokens), Choices.Max(choice => choice.Completion?.Usage.CachedTokens ?? 0),
        Choices.Sum(choice => choice.ReasoningTokens));
}
