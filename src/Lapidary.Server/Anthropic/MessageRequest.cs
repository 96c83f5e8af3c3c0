using System.Globalization;
using System.Text.Json;
using Lapidary.Sampling;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.Requests;
using Lapidary.Templates;

namespace Lapidary.Server.Anthropic;

/// <summary>A POST to Anthropic's /v1/messages or /v1/messages/count_tokens, checked and turned into a chat.</summary>
internal sealed record MessageRequest
{
    public required string Model { get; init; }
    public required ChatTurn Turn { get; init; }
    public required bool Stream { get; init; }

    public static MessageRequest Read(JsonElement json, ServedModel model)
    {
        Fields body = new(json);
        int maxTokens = body.Integer("max_tokens", 1, int.MaxValue) ?? throw body.Missing("max_tokens", "an integer");
        bool stream = body.Flag("stream") ?? false;
        double? temperature = body.Number("temperature");
        if (temperature is < 0 or > 1)
            throw ApiException.OutOfRange("temperature", $"temperature is {temperature.Value.ToString(CultureInfo.InvariantCulture)}, expected 0 to 1", NumberKind.Decimal, temperature < 0 ? Bound.Minimum : Bound.Maximum);
        SamplingParameters sampling = model.Defaults with
        {
            MaxTokens = maxTokens,
            Temperature = temperature ?? model.Defaults.Temperature,
            TopP = body.Number("top_p") ?? model.Defaults.TopP,
            TopK = body.Integer("top_k", 0, int.MaxValue) ?? model.Defaults.TopK,
            Stop = body.Texts("stop_sequences") ?? [],
        };
        if (sampling.Stop.Any(string.IsNullOrEmpty)) throw ApiException.Invalid("stop_sequences", "stop_sequences holds an empty text; every text needs at least one character");
        Bookkeeping(body);
        (string name, ChatRequest prompt, ChatTools tools, int? thinking) = ReadPrompt(body, model, maxTokens);
        body.Done();
        sampling.Checked(model.VocabSize);
        return new MessageRequest { Model = name, Stream = stream, Turn = new ChatTurn(prompt, tools, sampling, new RequestScheduling(0, null)) { ThinkingBudget = thinking, ThinkingParam = "thinking.budget_tokens" } };
    }

    /// <summary>The members that count_tokens takes as well.</summary>
    public static (string Model, ChatRequest Prompt, ChatTools Tools, int? ThinkingBudget) ReadPrompt(Fields body, ServedModel model, int maxTokens)
    {
        string name = model.Resolve(body.Text("model") ?? throw body.Missing("model", "a string"));
        body.Accept("cache_control"); // every prompt is cached
        ChatTools tools = Tools(body);
        List<KeyValuePair<string, TemplateValue>> arguments = [];
        int? thinking = Thinking(body, model.Template, maxTokens, arguments);
        foreach (string other in (string[])["container", "mcp_servers", "output_format"]) body.Refuse(other, "it is not implemented");
        OutputConfig(body);
        ContextManagement(body);
        (TemplateValue messages, bool continues) = MessageInput.Read(body, model.Template);
        return (name, new ChatRequest
        {
            Messages = messages,
            Tools = tools.ForTemplate,
            ContinueFinalMessage = continues,
            TemplateArguments = arguments.Count == 0 ? null : TemplateValue.FromObject(arguments),
        }, tools, thinking);
    }

    /// <summary>effort is a wish, which no model here was trained to read: checked, without effect (docs/api.md).</summary>
    private static void OutputConfig(Fields body)
    {
        if (body.Object("output_config") is not { } config) return;
        _ = config.Word("effort", "low", "medium", "high", "xhigh", "max");
        config.Refuse("format", "constrained output is not implemented; ask for the form in a message");
        config.Done();
    }

    /// <summary>Only edits that leave everything as it is: clients that think send "keep all thinking" with each request.</summary>
    private static void ContextManagement(Fields body)
    {
        if (body.Object("context_management") is not { } management) return;
        foreach (Fields edit in management.Objects("edits") ?? [])
        {
            if (!edit.RequiredText("type").StartsWith("clear_thinking_", StringComparison.Ordinal) || edit.Take("keep") is not { ValueKind: JsonValueKind.String } keep || !keep.ValueEquals("all"))
                throw body.Unsupported("context_management", "nothing is cut from a conversation here; send what the model is to see");
            edit.Done();
        }
        management.Done();
    }

    private static void Bookkeeping(Fields body)
    {
        _ = body.Word("service_tier", "auto", "standard_only");
        if (body.Object("metadata") is not { } metadata) return;
        _ = metadata.Text("user_id");
        metadata.Done();
    }

    private static ChatTools Tools(Fields body)
    {
        List<FunctionTool> functions = [];
        foreach (Fields tool in body.Objects("tools") ?? [])
        {
            if (tool.Text("type") is { } type and not "custom") throw tool.Unsupported("type", $"found {MessageText.Quote(type)}, only tools of the client can be called");
            tool.Accept("cache_control");
            _ = tool.Flag("eager_input_streaming"); // arguments always stream as they are written
            tool.RefuseFlag("defer_loading", "every tool is told to the model");
            foreach (string other in (string[])["input_examples", "allowed_callers"]) tool.Refuse(other, "it is not implemented");
            if (tool.Take("input_schema") is null) throw tool.Missing("input_schema", "a JSON schema of an object");
            functions.Add(FunctionTool.Read(tool, "input_schema"));
            tool.Done();
        }
        if (body.Object("tool_choice") is not { } choice) return ChatTools.Of(functions, ToolChoice.Auto, int.MaxValue);
        string wanted = choice.Word("type", "auto", "any", "tool", "none") ?? throw choice.Missing("type", "auto or none");
        bool single = choice.Flag("disable_parallel_tool_use") ?? false;
        if (wanted == "tool") ToolChoices.RequireKnown(choice.RequiredText("name"), "tool_choice.name", functions);
        if (wanted is "any" or "tool") throw body.Unsupported("tool_choice", "a call cannot be forced without constrained output, which is not implemented; use auto or none");
        choice.Done();
        if (functions.Count == 0 && wanted == "auto") throw ApiException.Invalid("tool_choice", "tool_choice needs tools, and there are none");
        return ChatTools.Of(functions, wanted == "none" ? ToolChoice.None : ToolChoice.Auto, single ? 1 : int.MaxValue);
    }

    /// <returns>The budget, if thinking is on with one.</returns>
    private static int? Thinking(Fields body, ChatTemplate template, int maxTokens, List<KeyValuePair<string, TemplateValue>> arguments)
    {
        if (body.Object("thinking") is not { } thinking) return null;
        string type = thinking.Word("type", "enabled", "disabled", "adaptive") ?? throw thinking.Missing("type", "enabled, disabled or adaptive");
        int? budget = thinking.Integer("budget_tokens", 1024, int.MaxValue);
        thinking.Accept("display");
        thinking.Done();
        if (type == "enabled" && budget is null) throw thinking.Missing("budget_tokens", "an integer of at least 1024");
        if (budget >= maxTokens) throw ApiException.Invalid("thinking.budget_tokens", $"thinking.budget_tokens is {budget}, expected less than max_tokens, {maxTokens}");
        TemplateArguments.Think(type != "disabled", "thinking", template, arguments);
        return type == "disabled" ? null : budget;
    }
}
