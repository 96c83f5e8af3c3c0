using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Server.Errors;
using Lapidary.Server.Operations;
using Lapidary.Tokenizers;
using Lapidary.Tools;

namespace Lapidary.Server.Generating;

/// <summary>A chat that the engine answers, each choice read into answer, reasoning and tool calls.</summary>
internal sealed class RunningChat : IDisposable
{
    private readonly RunningRequest running;

    private RunningChat(PromptText prompt, RunningRequest running, ChoiceReader[] choices) => (Prompt, this.running, Choices) = (prompt, running, choices);

    public PromptText Prompt { get; }

    public IReadOnlyList<ChoiceReader> Choices { get; }

    /// <summary>Null unless the request asked for them.</summary>
    public IReadOnlyList<TokenLogprobs?>? PromptLogprobs => running.Handles[0].PromptLogprobs;

    public int PromptTokens => Prompt.Ids.Length;

    /// <summary>Of all choices, so far.</summary>
    public int CompletionTokens => Choices.Sum(choice => choice.Completion?.Usage.CompletionTokens ?? choice.Tokens);

    public int CachedTokens => Choices.Max(choice => choice.Completion?.Usage.CachedTokens ?? 0);

    public int ReasoningTokens => Choices.Sum(choice => choice.ReasoningTokens);

    /// <param name="name">The model's, or an adapter's.</param>
    /// <exception cref="LapidaryException">The prompt cannot be rendered or is too long, or the engine refuses it.</exception>
    public static RunningChat Start(HttpContext context, ApiServices api, ServedModel model, string name, ChatTurn turn)
    {
        PromptText prompt = PromptText.Render(model, turn.Prompt, turn.SpecialTokens, context.RequestAborted);
        prompt.RequireFits(model.ContextLength, turn.MessagesParam, turn.Sampling.MaxTokens, turn.MaxTokensParam);
        OutputParserOptions options = new()
        {
            Tools = turn.Tools.Definitions,
            MaxToolCalls = turn.Tools.MaxCalls,
            Prompt = prompt.Text,
            SpecialText = turn.Sampling.SkipSpecialTokens ? SpecialText.Skip : SpecialText.Keep,
        };
        RunningRequest running = RunningRequest.Start(context, api, model, [new InferenceRequest
        {
            Id = RequestId.Of(context),
            PromptIds = prompt.Ids,
            // The parser tells markers from text by their tokens, and hides what skip_special_tokens hides.
            Sampling = turn.Sampling with { SkipSpecialTokens = false, Reasoning = Budget(model, turn, options) },
            Priority = turn.Scheduling.Priority,
            CacheSalt = turn.Scheduling.CacheSalt,
            Adapter = model.AdapterOf(name),
        }], "n");
        return new RunningChat(prompt, running, [.. Enumerable.Range(0, turn.Sampling.N).Select(_ => new ChoiceReader(model.Format.CreateParser(model.Tokenizer, options)))]);
    }

    /// <inheritdoc cref="RunningRequest.IsSilent"/>
    public bool IsSilent => running.IsSilent;

    /// <inheritdoc cref="RunningRequest.EndWaitsAfter"/>
    public void EndWaitsAfter(TimeSpan time) => running.EndWaitsAfter(time);

    /// <inheritdoc cref="RunningRequest.WaitAsync"/>
    public ValueTask<bool> WaitAsync() => running.WaitAsync();

    /// <summary>Reads the next token that is there into its choice.</summary>
    /// <exception cref="LapidaryException">A choice ended with an error.</exception>
    public bool TryRead(out TokenEvent token, out ChoiceReader choice)
    {
        bool read = running.TryRead(out GeneratedToken next);
        token = next.Event;
        choice = Choices[read ? token.Choice : 0];
        if (read) choice.Push(token);
        return read;
    }

    public void Dispose() => running.Dispose();

    private static ReasoningBudget? Budget(ServedModel model, ChatTurn turn, OutputParserOptions options)
    {
        if (turn.ThinkingBudget is not { } tokens) return null;
        return model.Format.Budget(model.Tokenizer, tokens, options) ?? throw new ApiException(StatusCodes.Status400BadRequest,
            $"{turn.ThinkingParam} is not supported: the model's output format, {model.Format.Name}, has no tokens that mark reasoning")
        {
            Param = turn.ThinkingParam,
            Code = "unsupported_parameter",
        };
    }
}
