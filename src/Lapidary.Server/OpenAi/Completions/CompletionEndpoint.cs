using System.Text;
using System.Text.Json;
using Lapidary.Scheduling;
using Lapidary.Server.Generating;
using Lapidary.Server.Operations;
using Lapidary.Server.Requests;
using Lapidary.Server.Streaming;

namespace Lapidary.Server.OpenAi.Completions;

/// <summary>POST /v1/completions.</summary>
internal sealed class CompletionEndpoint(ApiServices api)
{
    public async Task Handle(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        using Admission.Entry entry = api.Admission.Enter();
        (CompletionRequest request, RunningRequest started) = await api.Preparation.RunAsync(json, () => Start(context, model, json.RootElement), context.RequestAborted);
        using RunningRequest running = started;
        CompletionWriter writer = new(model, request, running);
        if (!request.Stream.IsStream)
        {
            await context.Response.WriteJsonAsync(await writer.CollectAsync(), ServerJson.Default.TextCompletion);
            return;
        }
        running.EndWaitsAfter(api.Options.KeepAliveInterval);
        await EventStream.WriteAsync(context, api, writer.StreamAsync);
    }

    private (CompletionRequest, RunningRequest) Start(HttpContext context, ServedModel model, JsonElement json)
    {
        CompletionRequest request = CompletionRequest.Read(json, model);
        foreach (PromptText prompt in request.Prompts) prompt.RequireFits(model.ContextLength, "prompt", request.MaxTokens);

        string id = RequestId.Of(context);
        return (request, RunningRequest.Start(context, api, model, [.. request.Prompts.Select(prompt => new InferenceRequest
        {
            Id = id,
            PromptIds = prompt.Ids,
            Sampling = request.Sampling,
            Priority = request.Scheduling.Priority,
            CacheSalt = request.Scheduling.CacheSalt,
            Adapter = model.AdapterOf(request.Model),
        })], request.Prompts.Count > 1 ? "prompt" : "n"));
    }
}

/// <summary>The choices of a completion, whole or as events. Choice i·n + j is way j of prompt i.</summary>
internal sealed class CompletionWriter
{
    private readonly CompletionRequest request;
    private readonly RunningRequest running;
    private readonly TokenTexts texts;
    private readonly Choice[] choices;
    private readonly string id = Answers.NewId("cmpl-");
    private readonly long created = Answers.Now();

    public CompletionWriter(ServedModel model, CompletionRequest request, RunningRequest running)
    {
        this.request = request;
        this.running = running;
        texts = new TokenTexts(model, request.TokensAsIds);
        choices = [.. request.Prompts.SelectMany((_, prompt) => Enumerable.Range(0, request.Sampling.N).Select(way => new Choice(prompt, prompt * request.Sampling.N + way, new TextLogprobsBuilder(texts))))];
    }

    public async Task<TextCompletion> CollectAsync()
    {
        StringBuilder[] collected = [.. choices.Select(_ => new StringBuilder())];
        List<int>[] ids = [.. choices.Select(_ => new List<int>())];
        while (await running.WaitAsync())
            while (running.TryRead(out GeneratedToken token))
            {
                Choice choice = Push(token);
                if (request.PromptOnly) continue;
                collected[choice.Index].Append(token.Event.Text);
                if (token.Event.TokenId != TokenEvent.NoToken) ids[choice.Index].Add(token.Event.TokenId);
            }
        return Body([.. choices.Select(choice =>
        {
            BeginWith(choice);
            string text = request.Echo ? request.Prompts[choice.Prompt].Text + collected[choice.Index] : collected[choice.Index].ToString();
            return new TextChoice(choice.Index, text, Logprobs(choice), choice.FinishReason, Answers.StopReason(choice.Completion!, request.Sampling.StopTokenIds))
            {
                PromptLogprobs = request.ShowPromptLogprobs ? PromptLogprobs.Of(running.Handles[choice.Prompt].PromptLogprobs, texts) : null,
                TokenIds = request.ReturnTokenIds ? ids[choice.Index] : null,
                PromptTokenIds = request.ReturnTokenIds ? [.. request.Prompts[choice.Prompt].Ids] : null,
            };
        })]) with
        { Usage = Usage() };
    }

    public async Task StreamAsync(SseWriter sse)
    {
        while (await running.WaitAsync())
        {
            while (running.TryRead(out GeneratedToken token)) Write(sse, token.Event, Push(token));
            if (running.IsSilent) sse.KeepAlive();
            await sse.FlushAsync();
        }
        if (request.Stream.IncludeUsage) sse.Event(Body([]) with { Usage = Usage() }, ServerJson.Default.TextCompletion);
        sse.Done();
        await sse.FlushAsync();
    }

    private void Write(SseWriter sse, TokenEvent token, Choice choice)
    {
        string text = request.PromptOnly ? "" : token.Text;
        bool isFirst = !choice.HasBegun;
        if (request.Echo && isFirst) text = request.Prompts[choice.Prompt].Text + text;
        BeginWith(choice);
        TextLogprobs? logprobs = Logprobs(choice);
        if (text.Length == 0 && choice.Completion is null && logprobs is null && !request.ReturnTokenIds) return;
        TextCompletion chunk = Body([new TextChoice(choice.Index, text, logprobs, choice.FinishReason, choice.Completion is null ? null : Answers.StopReason(choice.Completion, request.Sampling.StopTokenIds))
        {
            PromptTokenIds = request.ReturnTokenIds && isFirst ? [.. request.Prompts[choice.Prompt].Ids] : null,
            TokenIds = request.ReturnTokenIds && token.TokenId != TokenEvent.NoToken ? [token.TokenId] : null,
        }]);
        sse.Event(request.Stream.ContinuousUsage ? chunk with { Usage = Usage() } : chunk, ServerJson.Default.TextCompletion);
    }

    /// <exception cref="LapidaryException">The choice ended with an error.</exception>
    private Choice Push(GeneratedToken token)
    {
        FinishReasons.ThrowIfFailed(token.Event.Completion);
        Choice choice = choices[token.Prompt * request.Sampling.N + token.Event.Choice];
        choice.Completion = token.Event.Completion ?? choice.Completion;
        if (token.Event.TokenId != TokenEvent.NoToken) choice.Tokens++;
        if (token.Event.Logprobs is { } logprobs && !request.PromptOnly) choice.Pending.Add(logprobs);
        return choice;
    }

    /// <summary>The prompt's log-probabilities come first where it is echoed; they are known with the first token.</summary>
    private void BeginWith(Choice choice)
    {
        if (!choice.HasBegun && request.Echo && request.Sampling.Logprobs is not null)
            choice.Logprobs.AddPrompt(request.Prompts[choice.Prompt].Ids, running.Handles[choice.Prompt].PromptLogprobs);
        choice.HasBegun = true;
    }

    private TextLogprobs? Logprobs(Choice choice)
    {
        if (request.Sampling.Logprobs is null) return null;
        foreach (TokenLogprobs token in choice.Pending) choice.Logprobs.Add(token);
        choice.Pending.Clear();
        return choice.Logprobs.Take();
    }

    private TextCompletion Body(IReadOnlyList<TextChoice> parts) => new(id, created, request.Model, parts);

    private UsageBody Usage() => UsageBody.Of(
        request.Prompts.Sum(prompt => prompt.Ids.Length), request.PromptOnly ? 0 : choices.Sum(choice => choice.Completion?.Usage.CompletionTokens ?? choice.Tokens),
        choices.GroupBy(choice => choice.Prompt).Sum(prompt => prompt.Max(choice => choice.Completion?.Usage.CachedTokens ?? 0)), reasoning: null);

    private sealed class Choice(int prompt, int index, TextLogprobsBuilder logprobs)
    {
        public int Prompt { get; } = prompt;
        public int Index { get; } = index;
        public TextLogprobsBuilder Logprobs { get; } = logprobs;
        public List<TokenLogprobs> Pending { get; } = [];
        public int Tokens { get; set; }
        public bool HasBegun { get; set; }
        public Completion? Completion { get; set; }
        public string? FinishReason => Completion is null ? null : FinishReasons.Word(Completion.Reason);
    }
}
