using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Requests;
using Lapidary.Templates;
using Lapidary.Tools;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>The functions a request lets the model call.</summary>
/// <param name="ForTemplate">In OpenAI's form, as templates are written for; null when the model is to know of none.</param>
internal sealed record ChatTools(TemplateValue? ForTemplate, IReadOnlyList<ToolDefinition> Definitions, int MaxCalls)
{
    private const int MaxTools = 128, LongestName = 64;

    public static ChatTools None { get; } = new(null, [], int.MaxValue);

    /// <summary>tools, tool_choice and parallel_tool_calls of a chat request.</summary>
    public static ChatTools Read(Fields body)
    {
        IReadOnlyList<Fields>? tools = body.Objects("tools");
        List<FunctionTool> functions = [];
        foreach (Fields tool in tools ?? [])
        {
            RequireFunction(tool);
            Fields function = tool.Object("function") ?? throw tool.Missing("function", "an object with name, description and parameters");
            functions.Add(FunctionTool.Read(function, "parameters"));
            function.Done();
            tool.Done();
        }
        if (tools is { Count: 0 }) throw ApiException.Invalid("tools", "tools is empty; leave it out when there are none");
        bool parallel = body.Flag("parallel_tool_calls") ?? true;
        ToolChoice choice = ToolChoices.Read(body, functions);
        return Of(functions, choice, parallel ? int.MaxValue : 1);
    }

    public static ChatTools Of(IReadOnlyList<FunctionTool> functions, ToolChoice choice, int maxCalls)
    {
        if (functions.Count > MaxTools) throw ApiException.Invalid("tools", $"tools has {functions.Count} elements, more than the {MaxTools} allowed");
        if (functions.GroupBy(f => f.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw ApiException.Invalid("tools", $"tools has several functions named {MessageText.Quote(twice.Key)}");
        if (functions.Count == 0 || choice == ToolChoice.None) return None;
        return new ChatTools(TemplateValue.FromList(functions.Select(f => f.ForTemplate())), [.. functions.Select(f => new ToolDefinition(f.Name, f.Parameters))], maxCalls);
    }

    public static void RequireFunction(Fields tool)
    {
        string type = tool.RequiredText("type");
        if (type != "function") throw tool.Unsupported("type", $"found {MessageText.Quote(type)}, only tools of type function can be called");
    }

    /// <summary>OpenAI's bounds, with dots, which Gemma's grammar knows.</summary>
    public static bool IsName(string name) => name.Length is > 0 and <= LongestName && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.');
}

/// <summary>One function.</summary>
/// <param name="Parameters">JSON schema of the arguments; null for none.</param>
internal sealed record FunctionTool(string Name, string? Description, JsonElement? Parameters)
{
    /// <param name="schema">The member that holds the schema: parameters, or Anthropic's input_schema.</param>
    public static FunctionTool Read(Fields function, string schema)
    {
        string name = function.RequiredText("name");
        if (!ChatTools.IsName(name))
            throw ApiException.Invalid(function.At("name"), $"{function.At("name")} is {MessageText.Quote(name)}, expected 1 to 64 letters, digits, \"_\", \"-\" and \".\"");
        string? description = function.Text("description");
        JsonElement? parameters = function.Take(schema);
        if (parameters is { } given)
        {
            if (given.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(given, function.At(schema), "a JSON schema of an object");
            ToolSchema.Check(given, function.At(schema));
            if (given.TryGetProperty("type", out JsonElement type) && !(type.ValueKind == JsonValueKind.String && type.ValueEquals("object")))
                throw ApiException.Invalid($"{function.At(schema)}.type", $"{function.At(schema)}.type is {type.GetRawText()}, expected \"object\": arguments are an object");
        }
        _ = function.Flag("strict"); // arguments are not constrained to the schema yet, whatever it says (docs/api.md)
        return new FunctionTool(name, description, parameters);
    }

    public TemplateValue ForTemplate()
    {
        List<KeyValuePair<string, TemplateValue>> function = [new("name", TemplateValue.From(Name))];
        if (Description is not null) function.Add(new("description", TemplateValue.From(Description)));
        if (Parameters is { } parameters) function.Add(new("parameters", TemplateValue.FromJson(parameters)));
        return TemplateValue.FromObject([new("type", TemplateValue.From("function")), new("function", TemplateValue.FromObject(function))]);
    }
}
