using System.Text.Json;
using Lapidary.Sampling;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.Requests;
using Lapidary.Tokenizers;

namespace Lapidary.Server.OpenAi.Completions;

/// <summary>A POST to /v1/completions, checked; its prompts are tokens already.</summary>
internal sealed record CompletionRequest
{
    private const int MaxPrompts = 1024, MaxChoices = 2048;

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
        int? maxTokens = body.Integer("max_tokens", echo ? 0 : 1, int.MaxValue), logprobs = body.Integer("logprobs", 0, ChatCompletionRequest.MaxTopLogprobs);
        int? promptLogprobs = body.Integer("prompt_logprobs", 0, ChatCompletionRequest.MaxTopLogprobs);
        if (promptLogprobs is not null && stream.IsStream) throw ApiException.Invalid("prompt_logprobs", "prompt_logprobs cannot be streamed; leave out stream");
        SamplingParameters sampling = SamplingFields.Read(body, model.Defaults) with
        {
            MaxTokens = Math.Max(1, maxTokens ?? DefaultMaxTokens),
            Logprobs = logprobs,
            PromptLogprobs = promptLogprobs ?? (echo ? logprobs : null),
        };
        RefuseOthers(body, sampling.N);
        JsonElement prompt = body.Take("prompt") ?? throw body.Missing("prompt", "a string, an array of strings, an array of token ids, or an array of such arrays");
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
        return request with { Prompts = ReadPrompts(prompt, model, sampling.N, special ? SpecialTokens.Add : SpecialTokens.Omit) };
    }

    private static List<PromptText> ReadPrompts(JsonElement prompt, ServedModel model, int n, SpecialTokens special)
    {
        const string expected = "a string, an array of strings, an array of token ids, or an array of such arrays";
        if (prompt.ValueKind == JsonValueKind.String) return [OfText(prompt, "prompt", model, special)];
        if (prompt.ValueKind != JsonValueKind.Array) throw JsonValues.Wrong(prompt, "prompt", expected);
        if (prompt.GetArrayLength() == 0) throw ApiException.Invalid("prompt", $"prompt is empty, expected {expected}");
        if (prompt[0].ValueKind == JsonValueKind.Number) return [OfIds(prompt, "prompt", model)];
        int count = prompt.GetArrayLength();
        if (count > MaxPrompts || (long)count * n > MaxChoices)
            throw ApiException.Invalid("prompt", $"prompt has {count} prompts in {n} ways each, more than {MaxPrompts} prompts or {MaxChoices} choices");
        JsonValueKind kind = prompt[0].ValueKind; // of all of them: texts and ids do not mix
        if (kind is not (JsonValueKind.String or JsonValueKind.Array)) throw JsonValues.Wrong(prompt[0], "prompt[0]", "a string, an integer or an array of integers");
        List<PromptText> prompts = [];
        foreach ((JsonElement element, string path) in JsonValues.Array(prompt, "prompt"))
        {
            if (element.ValueKind != kind) throw JsonValues.Wrong(element, path, $"{JsonKind.Of(prompt[0])} like the first");
            prompts.Add(kind == JsonValueKind.String ? OfText(element, path, model, special) : OfIds(element, path, model));
        }
        return prompts;
    }

    private static PromptText OfText(JsonElement text, string path, ServedModel model, SpecialTokens special)
    {
        string prompt = JsonValues.Text(text, path);
        if (prompt.Length == 0) throw ApiException.Invalid(path, $"{path} is empty, expected at least one character");
        return PromptText.Encode(model, prompt, special);
    }

    private static PromptText OfIds(JsonElement array, string path, ServedModel model)
    {
        int[] ids = JsonValues.Integers(array, path);
        if (ids.Length == 0) throw ApiException.Invalid(path, $"{path} is empty, expected at least one token id");
        for (int i = 0; i < ids.Length; i++)
            if (ids[i] < 0 || ids[i] >= model.VocabSize)
                throw ApiException.Invalid(path, $"{path}[{i}] is {ids[i]}, which is outside the vocabulary, 0 to {model.VocabSize - 1}");
        return PromptText.OfIds(model, ids);
    }

    private static void RefuseOthers(Fields body, int n)
    {
        _ = body.Text("user");
        body.Refuse("suffix", "text cannot be filled in before a given end");
        if (body.Integer("best_of") is { } best && best != n) throw body.Unsupported("best_of", "only n continuations are made");
        ResponseFormat.RequireText(body, "response_format");
        foreach (string name in (string[])["tools", "messages", "max_completion_tokens"]) body.Refuse(name, "it belongs to /v1/chat/completions");
    }
}
