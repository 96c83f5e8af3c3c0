using System.Text.Json;
using Lapidary.Generation;
using Lapidary.Scheduling;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.Operations;
using Lapidary.Server.Requests;
using Lapidary.Server.Streaming;

namespace Lapidary.Server.OpenAi.Responses;

/// <summary>POST /v1/responses, without memory of earlier ones.</summary>
internal sealed class ResponseEndpoint(ApiServices api)
{
    public async Task Handle(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        using Admission.Entry entry = api.Admission.Enter();
        (ResponseRequest request, RunningChat started) = await api.Preparation.RunAsync(json, () =>
        {
            ResponseRequest request = ResponseRequest.Read(json.RootElement, model);
            return (request, RunningChat.Start(context, api, model, request.Model, request.Turn));
        }, context.RequestAborted);
        using RunningChat chat = started;
        ResponseWriter writer = new(request, chat, new TokenTexts(model, asIds: false));
        if (!request.Stream)
        {
            await context.Response.WriteJsonAsync(await writer.CollectAsync(), ServerJson.Default.ResponseBody);
            return;
        }
        chat.EndWaitsAfter(api.Options.KeepAliveInterval);
        using SseWriter sse = new(context, api.Options.WriteTimeout);
        await writer.StreamAsync(sse, exception => api.Failures.Log(RequestId.Of(context), exception));
    }
}

/// <summary>A response while it is made.</summary>
internal sealed class ResponseWriter(ResponseRequest request, RunningChat chat, TokenTexts texts)
{
    private static readonly JsonElement NoMetadata = JsonElement.Parse("{}");

    private readonly ResponseItems items = new(request.IncludeLogprobs);
    private readonly string id = Answers.NewId("resp_");
    private readonly long created = Answers.Now();
    private int sequence;

    public async Task<ResponseBody> CollectAsync()
    {
        while (await chat.WaitAsync())
            while (chat.TryRead(out TokenEvent token, out ChoiceReader choice))
                foreach (ResponseEvent _ in Steps(token, choice)) { }
        return Finished();
    }

    /// <summary>What fails before the first event is a plain error; later the response fails.</summary>
    public async Task StreamAsync(SseWriter sse, Action<Exception> log)
    {
        try
        {
            while (await chat.WaitAsync())
            {
                while (chat.TryRead(out TokenEvent token, out ChoiceReader choice))
                {
                    Begin(sse);
                    foreach (ResponseEvent happened in Steps(token, choice)) Send(sse, happened);
                }
                if (chat.IsSilent)
                {
                    Begin(sse);
                    sse.KeepAlive();
                }
                await sse.FlushAsync();
            }
            ResponseBody finished = Finished();
            Send(sse, new ResponseEvent($"response.{finished.Status}") { Response = finished });
        }
        catch (Exception exception) when (sse.HasStarted && exception is not OperationCanceledException)
        {
            log(exception);
            ApiException error = ApiException.From(exception);
            Send(sse, new ResponseEvent("error") { Message = error.Message, Code = error.Code ?? error.Type, Param = error.Param });
            Send(sse, new ResponseEvent("response.failed") { Response = Body("failed") with { Error = ErrorBody.Of(error).Error } });
        }
        await sse.FlushAsync();
    }

    private void Begin(SseWriter sse)
    {
        if (sse.HasStarted) return;
        Send(sse, new ResponseEvent("response.created") { Response = Body("in_progress") });
        Send(sse, new ResponseEvent("response.in_progress") { Response = Body("in_progress") });
    }

    private void Send(SseWriter sse, ResponseEvent happened) => sse.Event(happened.Type, happened with { SequenceNumber = sequence++ }, ServerJson.Default.ResponseEvent);

    private IEnumerable<ResponseEvent> Steps(TokenEvent token, ChoiceReader choice)
    {
        ChatTokenLogprob? logprob = request.IncludeLogprobs && token.Logprobs is { } known ? ChatTokenLogprob.Of(known, texts) : null;
        foreach (ResponseEvent happened in items.Add(choice.Events, logprob)) yield return happened;
        if (choice.Completion is not { } completion) yield break;
        foreach (ResponseEvent happened in items.End(completion.Reason == FinishReason.Length ? "incomplete" : "completed")) yield return happened;
    }

    private ResponseBody Finished()
    {
        ResponseUsage usage = new(chat.PromptTokens, new PromptTokensDetails(chat.CachedTokens), chat.CompletionTokens, new CompletionTokensDetails(chat.ReasoningTokens));
        return chat.Choices[0].Completion!.Reason == FinishReason.Length
            ? Body("incomplete") with { Usage = usage, IncompleteDetails = new IncompleteDetails("max_output_tokens") }
            : Body("completed") with { Usage = usage };
    }

    private ResponseBody Body(string status)
    {
        ResponseEcho echo = request.Echo;
        return new ResponseBody(id, created, request.Model, status, [.. items.Items])
        {
            Instructions = echo.Instructions,
            MaxOutputTokens = echo.Sampling.MaxTokens,
            ParallelToolCalls = echo.ParallelToolCalls,
            Reasoning = new ResponseReasoning(echo.Effort),
            Temperature = echo.Sampling.Temperature,
            TopP = echo.Sampling.TopP,
            TopLogprobs = echo.Sampling.Logprobs ?? 0,
            ToolChoice = echo.ToolChoice == ToolChoice.None ? "none" : "auto",
            Tools = echo.Tools,
            User = echo.User,
            Metadata = echo.Metadata ?? NoMetadata,
        };
    }
}
