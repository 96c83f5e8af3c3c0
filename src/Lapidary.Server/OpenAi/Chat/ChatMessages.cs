using System.Text;
using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.Requests;
using Lapidary.Templates;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>The messages of a chat request, checked, in the form templates are written for.</summary>
internal sealed class ChatMessages(ChatTemplate template)
{
    private readonly HashSet<string> calls = new(StringComparer.Ordinal);

    public static TemplateValue Read(Fields body, ChatTemplate template)
    {
        IReadOnlyList<Fields> messages = body.Objects("messages") ?? throw body.Missing("messages", "an array of messages");
        if (messages.Count == 0) throw ApiException.Invalid("messages", "messages is empty, expected at least one message");
        ChatMessages reader = new(template);
        return TemplateValue.FromList([.. messages.Select(reader.Message)]);
    }

    private TemplateValue Message(Fields message)
    {
        string role = message.Text("role") ?? throw message.Missing("role", "system, developer, user, assistant or tool");
        string? name = Name(message);
        TemplateValue value = role switch
        {
            "system" or "developer" or "user" => TemplateMessages.Of(TemplateMessages.InstructionRole(template, role), RequiredContent(message), name),
            "assistant" => Assistant(message, name),
            "tool" => TemplateMessages.Tool(CallId(message), RequiredContent(message), name),
            "function" => throw message.Unsupported("role", "role function is the older form of role tool; send tool messages"),
            _ => throw ApiException.Invalid(message.At("role"), $"{message.At("role")} is {MessageText.Quote(role)}, expected system, developer, user, assistant or tool"),
        };
        message.Done();
        return value;
    }

    private string CallId(Fields message)
    {
        string id = message.RequiredText("tool_call_id");
        if (calls.Contains(id)) return id;
        throw ApiException.Invalid(message.At("tool_call_id"), $"{message.At("tool_call_id")} is {MessageText.Quote(id)}, and no assistant message before it made that call");
    }

    private static string? Name(Fields message)
    {
        if (message.Text("name") is not { } name) return null;
        if (name.Length is > 0 and <= 64 && name.All(c => !char.IsWhiteSpace(c) && !char.IsControl(c) && c is not ('<' or '>' or '|' or '\\' or '/'))) return name;
        throw ApiException.Invalid(message.At("name"), $"{message.At("name")} is {MessageText.Quote(name)}, expected 1 to 64 characters without white space and < > | \\ /");
    }

    private TemplateValue Assistant(Fields message, string? name)
    {
        message.Refuse("audio", "this model writes text only");
        message.Refuse("function_call", "it is the older form of tool_calls; send those");
        message.Accept("annotations", "parsed"); // of an answer that is sent back
        TemplateValue? content = Content(message);
        string? refusal = message.Text("refusal"), newer = message.Text("reasoning"), reasoning = message.Text("reasoning_content") ?? newer;
        TemplateValue[] made = [.. (message.Objects("tool_calls") ?? []).Select(ToolCall)]; // some servers answer with an empty list, which then comes back
        if (content is null && made.Length == 0 && refusal is null && reasoning is null)
            throw message.Missing("content", "a string or an array of parts, unless there are tool_calls");
        return TemplateMessages.Assistant(content ?? TemplateValue.From(refusal ?? ""), reasoning, made, name);
    }

    private TemplateValue ToolCall(Fields call)
    {
        ChatTools.RequireFunction(call);
        string id = call.RequiredText("id");
        calls.Add(id);
        call.Accept("index"); // of a streamed answer that is sent back
        Fields function = call.Object("function") ?? throw call.Missing("function", "an object with name and arguments");
        string name = function.RequiredText("name"), arguments = function.RequiredText("arguments");
        RequireArguments(arguments, function.At("arguments"));
        function.Accept("parsed_arguments"); // openai-node's own
        function.Done();
        call.Done();
        return TemplateMessages.Call(id, name, arguments);
    }

    public static void RequireArguments(string arguments, string path)
    {
        if (string.IsNullOrWhiteSpace(arguments)) return;
        try
        {
            using JsonDocument json = JsonDocument.Parse(Encoding.UTF8.GetBytes(arguments), new JsonDocumentOptions { MaxDepth = JsonBody.MaxDepth - 8 });
            if (json.RootElement.ValueKind == JsonValueKind.Object) return;
        }
        catch (JsonException)
        {
            // told below
        }
        throw ApiException.Invalid(path, $"{path} must be the text of a JSON object");
    }

    private TemplateValue RequiredContent(Fields message) => Content(message) ?? throw message.Missing("content", "a string or an array of parts");

    /// <summary>Text, or a list of text parts; null when absent.</summary>
    private TemplateValue? Content(Fields message)
    {
        if (message.Take("content") is not { } content) return null;
        string path = message.At("content");
        if (content.ValueKind == JsonValueKind.String) return TemplateValue.From(JsonValues.Text(content, path));
        if (content.ValueKind != JsonValueKind.Array) throw JsonValues.Wrong(content, path, "a string or an array of parts");
        IReadOnlyList<Fields> parts = message.Objects("content")!;
        if (parts.Count == 0) throw ApiException.Invalid(path, $"{path} is empty, expected at least one part");
        return TemplateMessages.Texts(template, [.. parts.Select(TextParts.Read)]);
    }
}
