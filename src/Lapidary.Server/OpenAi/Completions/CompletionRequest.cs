using System.Text.Json;
using Lapidary.Sampling;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.Requests;
using Lapidary.Tokenizers;

namespace Lapidary.Server.OpenAi.Completions;

/// <summary>A POST to /v1/completions, checked; its prompts are tokens already.</summary>
internal sealed record CompletionRequest
{
    /// <summary>OpenAI's.</summary>
    private const int DefaultMaxTokens = 16;

    public required string Model { get; init; }
    public required IReadOnlyList<PromptText> Prompts { get; init; }
    public required SamplingParameters Sampling { get; init; }
    public required RequestScheduling Scheduling { get; init; }
    public required StreamFields Stream { get; init; }

    /// <summary>As the request says; without it the context may end the output earlier.</summary>
    public required int? MaxTokens { get; init; }

    /// <summary>The prompt stands before the output.</summary>
    public required bool Echo { get; init; }

    /// <summary>max_tokens 0 with echo: only the prompt and its log-probabilities. The engine's one token is dropped.</summary>
    public required bool PromptOnly { get; init; }

    /// <summary>Log-probabilities of the prompt were asked for by themselves, not only for the echo.</summary>
    public required bool ShowPromptLogprobs { get; init; }

    public required bool TokensAsIds { get; init; }
    public required bool ReturnTokenIds { get; init; }

    public static CompletionRequest Read(JsonElement json, ServedModel model)
    {
        Fields body = new(json);
        string name = model.Resolve(body.Text("model"));
        StreamFields stream = StreamFields.Read(body);
        bool echo = body.Flag("echo") ?? false;
        int? maxTokens = body.Integer("max_tokens", echo ? 0 : 1, int.MaxValue), logprobs = LogprobCounts.Read(body, "logprobs", model);
        int? promptLogprobs = LogprobCounts.Read(body, "prompt_logprobs", model);
        if (promptLogprobs is not null && stream.IsStream) throw ApiException.Invalid("prompt_logprobs", "prompt_logprobs cannot be streamed; leave out stream");
        SamplingParameters sampling = SamplingFields.Read(body, model.Defaults) with
        {
            MaxTokens = Math.Max(1, maxTokens ?? DefaultMaxTokens),
            Logprobs = logprobs,
            PromptLogprobs = promptLogprobs ?? (echo ? logprobs : null),
        };
        RefuseOthers(body, sampling.N);
        JsonElement prompt = body.Take("prompt") ?? throw body.Missing("prompt", Completions.Prompts.Expected);
        bool special = body.Flag("add_special_tokens") ?? true;
        CompletionRequest request = new()
        {
            Model = name,
            Prompts = [],
            Sampling = sampling,
            Scheduling = RequestScheduling.Read(body),
            Stream = stream,
            MaxTokens = maxTokens,
            Echo = echo,
            PromptOnly = maxTokens == 0,
            ShowPromptLogprobs = promptLogprobs is not null,
            TokensAsIds = body.Flag("return_tokens_as_token_ids") ?? false,
            ReturnTokenIds = body.Flag("return_token_ids") ?? false,
        };
        body.Done();
        sampling.Checked(model.VocabSize);
        return request with { Prompts = Completions.Prompts.Read(prompt, "prompt", model, sampling.N, special ? SpecialTokens.Add : SpecialTokens.Omit) };
    }

    private static void RefuseOthers(Fields body, int n)
    {
        OpenAiFields.AcceptBookkeeping(body);
        if (body.Text("suffix") is { Length: > 0 }) throw body.Unsupported("suffix", "text cannot be filled in before a given end");
        if (body.Integer("best_of") is { } best && best != n) throw body.Unsupported("best_of", "only n continuations are made");
        ResponseFormat.RequireText(body, "response_format");
        foreach (string name in (string[])["tools", "tool_choice", "messages", "max_completion_tokens", "reasoning_effort", "thinking_token_budget", "thinking_budget", "chat_template_kwargs"]) body.Refuse(name, "it belongs to /v1/chat/completions");
    }
}
