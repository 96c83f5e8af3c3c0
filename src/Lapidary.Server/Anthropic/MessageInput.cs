using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.Requests;
using Lapidary.Templates;

namespace Lapidary.Server.Anthropic;

/// <summary>system and messages as chat messages. Results of tools, which a user's message carries here, become messages of their own.</summary>
internal sealed class MessageInput(ChatTemplate template)
{
    private readonly List<TemplateValue> messages = [];
    private readonly HashSet<string> calls = new(StringComparer.Ordinal);

    /// <returns>The messages, and whether the model goes on with the last one, which is then the assistant's.</returns>
    public static (TemplateValue Messages, bool Continues) Read(Fields body, ChatTemplate template)
    {
        MessageInput input = new(template);
        IReadOnlyList<Fields> given = body.Objects("messages") ?? throw body.Missing("messages", "an array of messages");
        if (given.Count == 0) throw ApiException.Invalid("messages", "messages is empty, expected at least one message");
        input.System(body, given);
        bool continues = false;
        foreach (Fields message in given)
        {
            string role = message.Word("role", "user", "assistant", "system") ?? throw message.Missing("role", "user or assistant");
            if (role == "system") continue;
            continues = role == "assistant" ? input.Assistant(message) : input.User(message);
            message.Done();
        }
        return (TemplateValue.FromList(input.messages), continues);
    }

    /// <summary>Templates take instructions first and once: as in vLLM, those among the messages join the others.</summary>
    private void System(Fields body, IReadOnlyList<Fields> given)
    {
        List<string> texts = [];
        int others = given.Count;
        if (body.Take("system") is { } system) texts.Add(Texts(system, body, "system"));
        foreach (Fields message in given)
        {
            if (message.Take("role") is not { ValueKind: JsonValueKind.String } role || !role.ValueEquals("system")) continue;
            texts.Add(Texts(Content(message), message, "content"));
            message.Done();
            others--;
        }
        if (others == 0) throw ApiException.Invalid("messages", "messages has only instructions of the system, expected at least one message of the user");
        if (texts.Count > 0) messages.Add(TemplateMessages.Of("system", TemplateValue.From(string.Join('\n', texts))));
    }

    private bool User(Fields message)
    {
        JsonElement content = Content(message);
        if (content.ValueKind == JsonValueKind.String)
        {
            messages.Add(TemplateMessages.Of("user", TemplateValue.From(JsonValues.Text(content, message.At("content")))));
            return false;
        }
        List<string> texts = [];
        foreach (Fields block in message.Objects("content")!)
        {
            if (block.RequiredText("type") == "tool_result") ToolResult(block);
            else texts.Add(TextParts.Read(block));
        }
        if (texts.Count > 0) messages.Add(TemplateMessages.Of("user", TemplateMessages.Texts(template, texts)));
        return false;
    }

    private void ToolResult(Fields block)
    {
        string id = block.RequiredText("tool_use_id");
        if (!calls.Contains(id)) throw ApiException.Invalid(block.At("tool_use_id"), $"{block.At("tool_use_id")} is {MessageText.Quote(id)}, and no assistant message before it has that tool_use");
        string result = block.Take("content") is { } content ? Texts(content, block, "content") : "";
        _ = block.Flag("is_error"); // the text says what went wrong; templates have no word for it
        block.Accept("cache_control");
        block.Done();
        messages.Add(TemplateMessages.Tool(id, TemplateValue.From(result)));
    }

    /// <returns>Whether the message is text only, so that the model can go on with it.</returns>
    private bool Assistant(Fields message)
    {
        JsonElement content = Content(message);
        if (content.ValueKind == JsonValueKind.String)
        {
            messages.Add(TemplateMessages.Assistant(TemplateValue.From(JsonValues.Text(content, message.At("content"))), null, []));
            return true;
        }
        List<string> texts = [], thoughts = [];
        List<TemplateValue> uses = [];
        foreach (Fields block in message.Objects("content")!)
            switch (block.RequiredText("type"))
            {
                case "thinking":
                    thoughts.Add(block.RequiredText("thinking"));
                    block.Accept("signature");
                    block.Done();
                    break;
                case "tool_use":
                    uses.Add(ToolUse(block));
                    break;
                case "redacted_thinking":
                    throw block.Unsupported("type", "reasoning that is encrypted for another server cannot be read");
                default:
                    texts.Add(TextParts.Read(block));
                    break;
            }
        messages.Add(TemplateMessages.Assistant(
            texts.Count == 0 ? TemplateValue.From("") : TemplateMessages.Texts(template, texts), thoughts.Count == 0 ? null : string.Join('\n', thoughts), uses));
        return uses.Count == 0 && texts.Count > 0;
    }

    private TemplateValue ToolUse(Fields block)
    {
        string id = block.RequiredText("id"), name = block.RequiredText("name");
        JsonElement input = block.Take("input") ?? throw block.Missing("input", "an object");
        if (input.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(input, block.At("input"), "an object");
        block.Accept("cache_control", "caller");
        block.Done();
        calls.Add(id);
        return TemplateMessages.Call(id, name, input.GetRawText());
    }

    private static JsonElement Content(Fields message)
    {
        JsonElement content = message.Take("content") ?? throw message.Missing("content", "a string or an array of blocks");
        if (content.ValueKind is not (JsonValueKind.String or JsonValueKind.Array)) throw JsonValues.Wrong(content, message.At("content"), "a string or an array of blocks");
        if (content.ValueKind == JsonValueKind.Array && content.GetArrayLength() == 0)
            throw ApiException.Invalid(message.At("content"), $"{message.At("content")} is empty, expected at least one block");
        return content;
    }

    private static string Texts(JsonElement content, Fields parent, string name)
    {
        if (content.ValueKind == JsonValueKind.String) return JsonValues.Text(content, parent.At(name));
        if (content.ValueKind != JsonValueKind.Array) throw JsonValues.Wrong(content, parent.At(name), "a string or an array of text blocks");
        return string.Join('\n', parent.Objects(name)!.Select(TextParts.Read));
    }
}
