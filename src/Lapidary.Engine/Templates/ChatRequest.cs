using Lapidary.Templates.Values;

namespace Lapidary.Templates;

/// <summary>What a chat template renders: the part of an OpenAI-style chat request that shapes the prompt.</summary>
public sealed record ChatRequest
{
    /// <summary>A list of objects with role, content and, where they apply, tool_calls, tool_call_id, name, reasoning_content.</summary>
    public required TemplateValue Messages { get; init; }

    /// <summary>A list of tool definitions; null when the request has none.</summary>
    public TemplateValue? Tools { get; init; }

    /// <summary>A list of objects with title and text, for templates that cite; null when the request has none.</summary>
    public TemplateValue? Documents { get; init; }

    /// <summary>Whether the prompt ends with the opening of the model's turn. Null means yes, unless the final message is continued.</summary>
    public bool? AddGenerationPrompt { get; init; }

    /// <summary>Ends the prompt inside the final message, for the model to go on with it.</summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>chat_template_kwargs: further variables for the template, like enable_thinking. They win over all others.</summary>
    public TemplateValue? TemplateArguments { get; init; }

    /// <summary>Reads messages, tools, documents, add_generation_prompt, continue_final_message and chat_template_kwargs; other members are left alone.</summary>
    /// <exception cref="RequestException">The text is not JSON, or a member has the wrong type.</exception>
    public static ChatRequest Parse(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            return FromValue(TemplateValue.ParseJson(utf8));
        }
        catch (TemplateException exception)
        {
            throw new RequestException($"the request is {exception.Message}", exception);
        }
    }

    /// <inheritdoc cref="Parse"/>
    public static ChatRequest FromValue(TemplateValue request)
    {
        if (request is not DictValue) throw new RequestException($"a chat request is a JSON object, found {request.TypeName}");
        return new ChatRequest
        {
            Messages = List(request, "messages") ?? throw new RequestException("the request has no \"messages\""),
            Tools = List(request, "tools"),
            Documents = List(request, "documents"),
            AddGenerationPrompt = Flag(request, "add_generation_prompt"),
            ContinueFinalMessage = Flag(request, "continue_final_message") ?? false,
            TemplateArguments = Checked<DictValue>(request, "chat_template_kwargs", "an object"),
        };
    }

    private static ListValue? List(TemplateValue request, string name) => Checked<ListValue>(request, name, "a list");

    private static bool? Flag(TemplateValue request, string name) => Checked<BoolValue>(request, name, "true or false")?.IsTrue;

    private static T? Checked<T>(TemplateValue request, string name, string expected) where T : TemplateValue => request.Member(name) switch
    {
        null or NoneValue => null,
        T value => value,
        var other => throw new RequestException($"\"{name}\" must be {expected}, found {other.TypeName}"),
    };
}
