using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Requests;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>Whether the model may call tools.</summary>
internal enum ToolChoice
{
    Auto,
    None,
}

internal static class ToolChoices
{
    private const string NeedsConstraints = "a call cannot be forced without constrained output, which is not implemented; use \"auto\" or \"none\"";

    /// <summary>tool_choice of a chat request.</summary>
    public static ToolChoice Read(Fields body, IReadOnlyList<FunctionTool> functions)
    {
        if (body.Take("tool_choice") is not { } value) return ToolChoice.Auto;
        if (value.ValueKind == JsonValueKind.String) return Word(body, JsonValues.Text(value, "tool_choice"), functions);
        if (value.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(value, "tool_choice", "\"auto\", \"none\", or an object");
        Fields named = new(value, "tool_choice");
        switch (named.RequiredText("type"))
        {
            case "function":
                break;
            case "allowed_tools" or "custom":
                throw body.Unsupported("tool_choice", NeedsConstraints);
            default:
                throw ApiException.Invalid("tool_choice.type", "tool_choice.type is not \"function\"");
        }
        Fields function = named.Object("function") ?? throw named.Missing("function", "an object with the name of a function");
        RequireKnown(function.RequiredText("name"), "tool_choice.function.name", functions);
        throw body.Unsupported("tool_choice", NeedsConstraints);
    }

    public static void RequireKnown(string name, string path, IReadOnlyList<FunctionTool> functions)
    {
        if (functions.All(f => f.Name != name)) throw ApiException.Invalid(path, $"{path} is {MessageText.Quote(name)}, which is none of the tools");
    }

    public static ToolChoice Word(Fields body, string word, IReadOnlyList<FunctionTool> functions)
    {
        if (word == "none") return ToolChoice.None;
        if (word is not ("auto" or "required")) throw ApiException.Invalid("tool_choice", $"tool_choice is {MessageText.Quote(word)}, expected \"auto\" or \"none\"");
        if (functions.Count == 0) throw ApiException.Invalid("tool_choice", "tool_choice needs tools, and there are none");
        return word == "auto" ? ToolChoice.Auto : throw body.Unsupported("tool_choice", NeedsConstraints);
    }
}
