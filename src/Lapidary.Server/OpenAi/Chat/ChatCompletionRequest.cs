using System.Text.Json;
using Lapidary.Sampling;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.Requests;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>A POST to /v1/chat/completions, checked.</summary>
internal sealed record ChatCompletionRequest
{
    private const string MaxCompletionTokens = "max_completion_tokens";

    public required string Model { get; init; }
    public required ChatTurn Turn { get; init; }
    public required StreamFields Stream { get; init; }
    public required bool IncludeReasoning { get; init; }
    public required bool TokensAsIds { get; init; }
    public required bool ReturnTokenIds { get; init; }
    public required bool ReturnPromptText { get; init; }
    public required bool NamesServiceTier { get; init; }

    public static ChatCompletionRequest Read(JsonElement json, ServedModel model)
    {
        Fields body = new(json);
        string name = model.Resolve(body.Text("model"));
        StreamFields stream = StreamFields.Read(body);
        SamplingParameters sampling = SamplingFields.Read(body, model.Defaults);
        sampling = sampling with { MaxTokens = MaxTokens(body), Logprobs = Logprobs(body, model), PromptLogprobs = PromptLogprobs(body, stream, model) };
        ResponseFormat.RequireText(body, "response_format");
        ChatTools tools = ChatTools.Read(body);
        ReasoningFields reasoning = ReasoningFields.Read(body);
        ChatCompletionRequest request = new()
        {
            Model = name,
            Turn = new ChatTurn(ReadPrompt(body, model.Template, reasoning) with { Tools = tools.ForTemplate }, tools, sampling, RequestScheduling.Read(body))
            {
                ThinkingBudget = ThinkingBudget.Read(body, reasoning.Budget),
                MaxTokensParam = body.Take(MaxCompletionTokens) is null ? "max_tokens" : MaxCompletionTokens,
                SpecialTokens = body.Flag("add_special_tokens") == true ? SpecialTokens.Add : SpecialTokens.Omit,
            },
            Stream = stream,
            IncludeReasoning = (body.Flag("include_reasoning") ?? true) && !reasoning.IsHidden,
            TokensAsIds = body.Flag("return_tokens_as_token_ids") ?? false,
            ReturnTokenIds = body.Flag("return_token_ids") ?? false,
            ReturnPromptText = body.Flag("return_prompt_text") ?? false,
            NamesServiceTier = body.Take("service_tier") is not null,
        };
        AcceptOrRefuseOthers(body);
        body.Done();
        sampling.Checked(model.VocabSize);
        return request;
    }

    /// <summary>messages and what else shapes the prompt, without the tools.</summary>
    public static ChatRequest ReadPrompt(Fields body, ChatTemplate template, ReasoningFields reasoning)
    {
        bool continues = body.Flag("continue_final_message") ?? false;
        bool? add = body.Flag("add_generation_prompt");
        if (continues && add == true)
            throw ApiException.Invalid("continue_final_message", "continue_final_message and add_generation_prompt exclude each other: one goes on with the last message, the other begins a new one");
        body.Refuse("chat_template", "the server's template is used, a request cannot bring its own");
        TemplateValue? documents = body.Objects("documents") is null ? null : TemplateValue.FromJson(body.Take("documents")!.Value);
        if (documents is not null && !template.MentionsName("documents")) throw body.Unsupported("documents", "the model's chat template does not read documents");
        return new ChatRequest
        {
            Messages = ChatMessages.Read(body, template),
            Documents = documents,
            AddGenerationPrompt = add,
            ContinueFinalMessage = continues,
            TemplateArguments = TemplateArguments.Read(body, template, reasoning),
        };
    }

    private static int? MaxTokens(Fields body)
    {
        int? old = body.Integer("max_tokens", 1, int.MaxValue), current = body.Integer(MaxCompletionTokens, 1, int.MaxValue);
        if (old is not null && current is not null && old != current)
            throw ApiException.Invalid("max_tokens", $"max_tokens is {old} and max_completion_tokens is {current}; they mean the same, so send one of them");
        return current ?? old;
    }

    private static int? Logprobs(Fields body, ServedModel model)
    {
        bool wanted = body.Flag("logprobs") ?? false;
        int? top = LogprobCounts.Read(body, "top_logprobs", model);
        if (top is not (null or 0) && !wanted) throw ApiException.Invalid("top_logprobs", "top_logprobs needs logprobs to be true");
        return wanted ? top ?? 0 : null;
    }

    private static int? PromptLogprobs(Fields body, StreamFields stream, ServedModel model)
    {
        int? top = LogprobCounts.Read(body, "prompt_logprobs", model);
        if (top is not null && stream.IsStream) throw ApiException.Invalid("prompt_logprobs", "prompt_logprobs cannot be streamed; leave out stream");
        return top;
    }

    private static void AcceptOrRefuseOthers(Fields body)
    {
        OpenAiFields.AcceptBookkeeping(body);
        body.RefuseFlag("echo", "only /v1/completions can repeat the prompt");
        body.Refuse("best_of", "use n");
        foreach (string name in (string[])["functions", "function_call"]) body.Refuse(name, "it is the older form of tools and tool_choice; send those");
        foreach (string name in (string[])["audio", "modalities"])
            if (body.Take(name) is { } value && !(name == "modalities" && value.GetRawText().Replace(" ", "", StringComparison.Ordinal) == "[\"text\"]")) throw body.Unsupported(name, "this model writes text only");
        body.Refuse("web_search_options", "this server does not search");
        body.Refuse("prediction", "predicted output is not implemented");
        OpenAiFields.AcceptVerbosity(body);
    }
}
