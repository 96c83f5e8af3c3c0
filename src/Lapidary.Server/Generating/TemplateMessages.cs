using Lapidary.Templates;

namespace Lapidary.Server.Generating;

/// <summary>Messages in the form chat templates are written for, whichever API they came from.</summary>
internal static class TemplateMessages
{
    /// <summary>A system, developer or user message.</summary>
    public static TemplateValue Of(string role, TemplateValue content, string? name = null)
        => Message(role, content, name is null ? [] : [new("name", TemplateValue.From(name))]);

    public static TemplateValue Assistant(TemplateValue content, string? reasoning, IReadOnlyCollection<TemplateValue> calls, string? name = null)
    {
        List<KeyValuePair<string, TemplateValue>> members = [];
        if (reasoning is not null) members.Add(new("reasoning_content", TemplateValue.From(reasoning)));
        if (calls.Count > 0) members.Add(new("tool_calls", TemplateValue.FromList(calls)));
        if (name is not null) members.Add(new("name", TemplateValue.From(name)));
        return Message("assistant", content, members);
    }

    /// <summary>What a tool answered.</summary>
    public static TemplateValue Tool(string callId, TemplateValue content, string? name = null)
        => Message("tool", content, name is null ? [new("tool_call_id", TemplateValue.From(callId))] : [new("tool_call_id", TemplateValue.From(callId)), new("name", TemplateValue.From(name))]);

    /// <param name="arguments">Text of a JSON object.</param>
    public static TemplateValue Call(string id, string name, string arguments) => TemplateValue.FromObject(
    [
        new("id", TemplateValue.From(id)),
        new("type", TemplateValue.From("function")),
        new("function", TemplateValue.FromObject([new("name", TemplateValue.From(name)), new("arguments", TemplateValue.From(arguments))])),
    ]);

    /// <summary>The role under which a template takes instructions: developer is the newer name of system.</summary>
    public static string InstructionRole(ChatTemplate template, string role) => role == "developer" && !template.Mentions("developer") ? "system" : role;

    /// <summary>Parts of text as a template wants them: as they are when it reads parts, else joined by line ends, as in vLLM.</summary>
    public static TemplateValue Texts(ChatTemplate template, IReadOnlyList<string> texts) => template.Mentions("'text'") || template.Mentions("\"text\"") || template.Mentions(".text")
        ? TemplateValue.FromList(texts.Select(text => TemplateValue.FromObject([new("type", TemplateValue.From("text")), new("text", TemplateValue.From(text))])))
        : TemplateValue.From(string.Join('\n', texts));

    private static TemplateValue Message(string role, TemplateValue content, IEnumerable<KeyValuePair<string, TemplateValue>> members)
        => TemplateValue.FromObject([new("role", TemplateValue.From(role)), new("content", content), .. members]);
}
