using System.Text.Json;
using Lapidary.Sampling;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.Requests;
using Lapidary.Templates;

namespace Lapidary.Server.OpenAi.Responses;

/// <summary>A POST to /v1/responses, checked. Nothing is kept between requests: whatever refers to an earlier one is refused.</summary>
internal sealed record ResponseRequest
{
    public required string Model { get; init; }
    public required ChatTurn Turn { get; init; }
    public required bool Stream { get; init; }

    /// <summary>What the answer repeats of the request.</summary>
    public required ResponseEcho Echo { get; init; }

    /// <summary>Log-probabilities of the text were asked for by include.</summary>
    public required bool IncludeLogprobs { get; init; }

    public static ResponseRequest Read(JsonElement json, ServedModel model)
    {
        Fields body = new(json);
        string name = model.Resolve(body.Text("model"));
        bool stream = body.Flag("stream") ?? false;
        RefuseStored(body);
        RefuseOthers(body);
        bool logprobs = Include(body);
        int? top = LogprobCounts.Read(body, "top_logprobs", model);
        if (top is not (null or 0) && !logprobs) throw ApiException.Invalid("top_logprobs", "top_logprobs needs \"message.output_text.logprobs\" in include");
        SamplingParameters sampling = SamplingFields.Read(body, model.Defaults) with
        {
            MaxTokens = body.Integer("max_output_tokens", 1, int.MaxValue),
            Logprobs = logprobs ? top ?? 0 : null,
        };
        if (sampling.N != 1) throw body.Unsupported("n", "a response has one output");
        IReadOnlyList<FunctionTool> functions = Tools(body);
        ToolChoice choice = Choice(body, functions);
        bool parallel = body.Flag("parallel_tool_calls") ?? true;
        ChatTools tools = ChatTools.Of(functions, choice, parallel ? int.MaxValue : 1);
        string? instructions = body.Text("instructions");
        string? effort = Effort(body, model.Template, out TemplateValue? arguments);
        TextFormat(body);
        ResponseRequest request = new()
        {
            Model = name,
            Stream = stream,
            IncludeLogprobs = logprobs,
            Turn = new ChatTurn(
                new ChatRequest { Messages = ResponseInput.Read(body, instructions, model.Template), Tools = tools.ForTemplate, TemplateArguments = arguments },
                tools, sampling, RequestScheduling.Read(body))
            { MaxTokensParam = "max_output_tokens", MessagesParam = "input", ThinkingBudget = ThinkingBudget.Read(body) },
            Echo = new ResponseEcho(instructions, sampling, choice, parallel, [.. functions.Select(ResponseTool.Of)], effort, body.Object("metadata") is null ? null : body.Take("metadata")!.Value.Clone(), body.Text("user")),
        };
        OpenAiFields.AcceptBookkeeping(body);
        body.Done();
        sampling.Checked(model.VocabSize);
        return request;
    }

    private static void RefuseStored(Fields body)
    {
        const string stateless = "this server keeps no answers; send the whole conversation as input";
        body.Refuse("previous_response_id", stateless);
        body.Refuse("conversation", stateless);
        body.Refuse("prompt", "this server keeps no prompt templates");
        body.RefuseFlag("background", "this server keeps no answers");
    }

    private static void RefuseOthers(Fields body)
    {
        if (body.Word("truncation", "auto", "disabled") == "auto") throw body.Unsupported("truncation", "a prompt that is too long is refused, never cut");
        body.Refuse("max_tool_calls", "it bounds tools that the server runs, and this server runs none");
        body.Refuse("context_management", "it is not implemented");
        foreach (string name in (string[])["messages", "max_tokens", "max_completion_tokens", "response_format", "logprobs", "functions"]) body.Refuse(name, "it belongs to /v1/chat/completions");
        if (body.Object("stream_options") is not { } options) return;
        options.RefuseFlag("include_obfuscation", "it is not implemented");
        options.Done();
    }

    private static bool Include(Fields body)
    {
        bool logprobs = false;
        foreach (string wanted in body.Texts("include") ?? [])
            switch (wanted)
            {
                case "message.output_text.logprobs":
                    logprobs = true;
                    break;
                case "reasoning.encrypted_content": // reasoning is given in the clear
                    break;
                default:
                    throw body.Unsupported("include", $"{MessageText.Quote(wanted)} is not made by this server");
            }
        return logprobs;
    }

    private static List<FunctionTool> Tools(Fields body)
    {
        List<FunctionTool> functions = [];
        foreach (Fields tool in body.Objects("tools") ?? []) // an empty list is OpenAI's own default here
        {
            ChatTools.RequireFunction(tool);
            functions.Add(FunctionTool.Read(tool, "parameters"));
            tool.Done();
        }
        return functions;
    }

    private static ToolChoice Choice(Fields body, IReadOnlyList<FunctionTool> functions)
    {
        if (body.Take("tool_choice") is not { } value) return ToolChoice.Auto;
        if (value.ValueKind == JsonValueKind.String)
        {
            string word = JsonValues.Text(value, "tool_choice");
            return word == "auto" ? ToolChoice.Auto : ToolChoices.Word(body, word, functions);
        }
        if (value.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(value, "tool_choice", "\"auto\", \"none\", or an object");
        Fields named = new(value, "tool_choice");
        if (named.RequiredText("type") == "function") ToolChoices.RequireKnown(named.RequiredText("name"), "tool_choice.name", functions);
        throw body.Unsupported("tool_choice", "a call cannot be forced without constrained output, which is not implemented; use \"auto\" or \"none\"");
    }

    private static string? Effort(Fields body, ChatTemplate template, out TemplateValue? arguments)
    {
        arguments = null;
        Fields? reasoning = body.Object("reasoning");
        string? effort = reasoning?.Word("effort", ReasoningFields.Efforts);
        if (reasoning?.Word("summary", "auto", "concise", "detailed") is "concise" or "detailed") throw reasoning!.Unsupported("summary", "reasoning is given whole, never summarised");
        reasoning?.Refuse("generate_summary", "reasoning is given whole, never summarised");
        reasoning?.Done();
        List<KeyValuePair<string, TemplateValue>> switches = [];
        if (effort is not null) TemplateArguments.Think(effort != "none", "reasoning.effort", template, switches);
        if (switches.Count > 0) arguments = TemplateValue.FromObject(switches);
        return effort;
    }

    private static void TextFormat(Fields body)
    {
        if (body.Object("text") is not { } text) return;
        ResponseFormat.RequireText(text, "format");
        OpenAiFields.AcceptVerbosity(text);
        text.Done();
    }
}

/// <summary>What a response repeats of its request.</summary>
internal sealed record ResponseEcho(
    string? Instructions, SamplingParameters Sampling, ToolChoice ToolChoice, bool ParallelToolCalls, IReadOnlyList<ResponseTool> Tools, string? Effort, JsonElement? Metadata, string? User);
