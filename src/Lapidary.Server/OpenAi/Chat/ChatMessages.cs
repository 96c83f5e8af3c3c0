using System.Text;
using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Requests;
using Lapidary.Templates;

namespace Lapidary.Server.OpenAi.Chat;

/// <summary>The messages of a chat request, checked, in the form templates are written for.</summary>
internal sealed class ChatMessages(ChatTemplate template)
{
    private static readonly string[] OtherParts = ["image_url", "input_audio", "audio_url", "video_url", "file", "image", "input_image", "audio", "video"];

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
        List<KeyValuePair<string, TemplateValue>> members = [];
        switch (role)
        {
            case "system" or "developer" or "user":
                if (role == "developer" && !template.Mentions("developer")) role = "system"; // the older name of the same
                members.Add(new("content", Content(message) ?? throw message.Missing("content", "a string or an array of parts")));
                break;
            case "assistant":
                Assistant(message, members);
                break;
            case "tool":
                string id = message.RequiredText("tool_call_id");
                if (!calls.Contains(id))
                    throw ApiException.Invalid(message.At("tool_call_id"), $"{message.At("tool_call_id")} is {MessageText.Quote(id)}, and no assistant message before it made that call");
                members.Add(new("tool_call_id", TemplateValue.From(id)));
                members.Add(new("content", Content(message) ?? throw message.Missing("content", "a string or an array of parts")));
                break;
            case "function":
                throw message.Unsupported("role", "role function is the older form of role tool; send tool messages");
            default:
                throw ApiException.Invalid(message.At("role"), $"{message.At("role")} is {MessageText.Quote(role)}, expected system, developer, user, assistant or tool");
        }
        if (Name(message) is { } name) members.Add(new("name", TemplateValue.From(name)));
        message.Done();
        return TemplateValue.FromObject([new("role", TemplateValue.From(role)), .. members]);
    }

    private static string? Name(Fields message)
    {
        if (message.Text("name") is not { } name) return null;
        if (name.Length is > 0 and <= 64 && name.All(c => !char.IsWhiteSpace(c) && !char.IsControl(c) && c is not ('<' or '>' or '|' or '\\' or '/'))) return name;
        throw ApiException.Invalid(message.At("name"), $"{message.At("name")} is {MessageText.Quote(name)}, expected 1 to 64 characters without white space and < > | \\ /");
    }

    private void Assistant(Fields message, List<KeyValuePair<string, TemplateValue>> members)
    {
        message.Refuse("audio", "this model writes text only");
        message.Refuse("function_call", "it is the older form of tool_calls; send those");
        message.Accept("annotations"); // of an answer that is sent back
        TemplateValue? content = Content(message);
        string? refusal = message.Text("refusal"), reasoning = message.Text("reasoning_content") ?? message.Text("reasoning");
        message.Accept("reasoning");
        TemplateValue? toolCalls = ToolCalls(message);
        if (content is null && toolCalls is null && refusal is null && reasoning is null)
            throw message.Missing("content", "a string or an array of parts, unless there are tool_calls");
        members.Add(new("content", content ?? TemplateValue.From(refusal ?? "")));
        if (reasoning is not null) members.Add(new("reasoning_content", TemplateValue.From(reasoning)));
        if (toolCalls is not null) members.Add(new("tool_calls", toolCalls));
    }

    private TemplateValue? ToolCalls(Fields message)
    {
        if (message.Objects("tool_calls") is not { Count: > 0 } given) return null; // some servers answer with an empty list, which then comes back
        return TemplateValue.FromList([.. given.Select(ToolCall)]);
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
        function.Done();
        call.Done();
        return OfCall(id, name, arguments);
    }

    /// <summary>A tool call in the form templates are written for.</summary>
    public static TemplateValue OfCall(string id, string name, string arguments) => TemplateValue.FromObject(
    [
        new("id", TemplateValue.From(id)),
        new("type", TemplateValue.From("function")),
        new("function", TemplateValue.FromObject([new("name", TemplateValue.From(name)), new("arguments", TemplateValue.From(arguments))])),
    ]);

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

    /// <summary>Text, or a list of text parts; null when absent.</summary>
    private TemplateValue? Content(Fields message)
    {
        if (message.Take("content") is not { } content) return null;
        string path = message.At("content");
        if (content.ValueKind == JsonValueKind.String) return TemplateValue.From(JsonValues.Text(content, path));
        if (content.ValueKind != JsonValueKind.Array) throw JsonValues.Wrong(content, path, "a string or an array of parts");
        IReadOnlyList<Fields> parts = message.Objects("content")!;
        if (parts.Count == 0) throw ApiException.Invalid(path, $"{path} is empty, expected at least one part");
        return OfTexts([.. parts.Select(PartText)]);
    }

    /// <summary>Text parts as a template wants them: as they are when it reads parts, else joined by line ends, as in vLLM.</summary>
    private TemplateValue OfTexts(IReadOnlyList<string> texts) => template.Mentions("'text'") || template.Mentions("\"text\"") || template.Mentions(".text")
        ? TemplateValue.FromList(texts.Select(text => TemplateValue.FromObject([new("type", TemplateValue.From("text")), new("text", TemplateValue.From(text))])))
        : TemplateValue.From(string.Join('\n', texts));

    private static string PartText(Fields part)
    {
        string type = part.RequiredText("type");
        string? member = type is "text" or "input_text" or "output_text" ? "text" : type == "refusal" ? "refusal" : null;
        if (member is null && OtherParts.Contains(type)) throw part.Unsupported("type", $"this model takes text only, and the part is {type}");
        if (member is null) throw ApiException.Invalid(part.At("type"), $"{part.At("type")} is {MessageText.Quote(type)}, expected text");
        string text = part.RequiredText(member);
        part.Accept("annotations", "cache_control");
        part.Done();
        return text;
    }
}
