using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.Requests;
using Lapidary.Templates;

namespace Lapidary.Server.OpenAi.Responses;

/// <summary>
/// The input of a response as chat messages: a text, or items. Reasoning and function calls that follow each other are one
/// turn of the assistant.
/// </summary>
internal sealed class ResponseInput(ChatTemplate template)
{
    private readonly List<TemplateValue> messages = [];
    private readonly HashSet<string> calls = new(StringComparer.Ordinal);

    // The assistant's turn that is being gathered.
    private readonly List<TemplateValue> turnCalls = [];
    private string? turnReasoning;
    private TemplateValue? turnContent;

    public static TemplateValue Read(Fields body, string? instructions, ChatTemplate template)
    {
        ResponseInput input = new(template);
        if (instructions is not null) input.messages.Add(TemplateMessages.Of("system", TemplateValue.From(instructions)));
        JsonElement given = body.Take("input") ?? throw body.Missing("input", "a string or an array of items");
        if (given.ValueKind == JsonValueKind.String)
        {
            input.messages.Add(TemplateMessages.Of("user", TemplateValue.From(JsonValues.Text(given, "input"))));
            return TemplateValue.FromList(input.messages);
        }
        if (given.ValueKind != JsonValueKind.Array) throw JsonValues.Wrong(given, "input", "a string or an array of items");
        IReadOnlyList<Fields> items = body.Objects("input")!;
        if (items.Count == 0) throw ApiException.Invalid("input", "input is empty, expected at least one item");
        foreach (Fields item in items) input.Item(item);
        input.EndTurn();
        return TemplateValue.FromList(input.messages);
    }

    private void Item(Fields item)
    {
        string type = item.Text("type") ?? "message"; // the easy form has role and content only
        item.Accept("id", "status"); // of an output that is sent back
        switch (type)
        {
            case "message":
                Message(item);
                break;
            case "reasoning":
                Reasoning(item);
                break;
            case "function_call":
                string callId = item.RequiredText("call_id"), name = item.RequiredText("name"), arguments = item.RequiredText("arguments");
                ChatMessages.RequireArguments(arguments, item.At("arguments"));
                calls.Add(callId);
                turnCalls.Add(TemplateMessages.Call(callId, name, arguments));
                break;
            case "function_call_output":
                EndTurn();
                messages.Add(TemplateMessages.Tool(KnownCall(item), Content(item, "output")));
                break;
            case "item_reference":
                throw item.Unsupported("type", "this server keeps no items; send them whole");
            default:
                throw ApiException.Invalid(item.At("type"), $"{item.At("type")} is {MessageText.Quote(type)}, expected message, reasoning, function_call or function_call_output");
        }
        item.Done();
    }

    private void Message(Fields item)
    {
        string role = item.Word("role", "system", "developer", "user", "assistant") ?? throw item.Missing("role", "system, developer, user or assistant");
        TemplateValue content = Content(item, "content");
        item.Accept("phase");
        if (role != "assistant")
        {
            EndTurn();
            messages.Add(TemplateMessages.Of(TemplateMessages.InstructionRole(template, role), content));
            return;
        }
        if (turnContent is not null || turnCalls.Count > 0) EndTurn();
        turnContent = content;
    }

    private void Reasoning(Fields item)
    {
        EndTurn();
        IEnumerable<string> texts = (item.Objects("content") ?? []).Select(part =>
        {
            _ = part.Word("type", "reasoning_text", "text");
            return part.RequiredText("text");
        });
        turnReasoning = string.Join('\n', texts);
        item.Accept("summary", "encrypted_content");
    }

    private string KnownCall(Fields item)
    {
        string id = item.RequiredText("call_id");
        return calls.Contains(id) ? id : throw ApiException.Invalid(item.At("call_id"), $"{item.At("call_id")} is {MessageText.Quote(id)}, and no function_call before it has that call_id");
    }

    private TemplateValue Content(Fields item, string name)
    {
        JsonElement content = item.Take(name) ?? throw item.Missing(name, "a string or an array of parts");
        if (content.ValueKind == JsonValueKind.String) return TemplateValue.From(JsonValues.Text(content, item.At(name)));
        if (content.ValueKind != JsonValueKind.Array) throw JsonValues.Wrong(content, item.At(name), "a string or an array of parts");
        return TemplateMessages.Texts(template, [.. item.Objects(name)!.Select(TextParts.Read)]);
    }

    private void EndTurn()
    {
        if (turnContent is not null || turnCalls.Count > 0 || turnReasoning is { Length: > 0 })
            messages.Add(TemplateMessages.Assistant(turnContent ?? TemplateValue.From(""), turnReasoning is { Length: > 0 } ? turnReasoning : null, [.. turnCalls]));
        turnCalls.Clear();
        (turnContent, turnReasoning) = (null, null);
    }
}
