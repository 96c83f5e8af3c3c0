using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Templates;

namespace Lapidary.Server.Requests;

/// <summary>
/// chat_template_kwargs, and whether to think. Only variables that the template mentions may be set, and none of those that
/// carry the request itself: a client must not replace messages or special tokens behind the server's back.
/// </summary>
internal static class TemplateArguments
{
    private const string EnableThinking = "enable_thinking";
    private static readonly string[] Reserved =
        ["messages", "tools", "documents", "add_generation_prompt", "continue_final_message", "chat_template", "tokenize", "tokenizer", "conversation", "truncation", "padding", "max_length", "return_tensors", "return_dict"];

    /// <summary>Null when the request sets none.</summary>
    /// <exception cref="ApiException">A variable may not be set, or the template cannot turn thinking on.</exception>
    public static TemplateValue? Read(Fields body, ChatTemplate template, ReasoningFields reasoning)
    {
        List<KeyValuePair<string, TemplateValue>> arguments = [];
        if (reasoning.Think is { } think) Think(think, reasoning.Param, template, arguments);
        if (body.Take("chat_template_kwargs") is not { } given) return arguments.Count == 0 ? null : TemplateValue.FromObject(arguments);
        if (given.ValueKind != JsonValueKind.Object) throw JsonValues.Wrong(given, "chat_template_kwargs", "an object");
        foreach (JsonProperty argument in given.EnumerateObject())
        {
            string path = $"chat_template_kwargs.{argument.Name}";
            if (Reserved.Contains(argument.Name) || argument.Name.EndsWith("_token", StringComparison.Ordinal) || argument.Name.StartsWith('_'))
                throw ApiException.Invalid(path, $"{MessageText.Quote(path)} is reserved; the request's own parameters say this");
            if (!template.MentionsName(argument.Name)) throw ApiException.Invalid(path, $"{MessageText.Quote(path)} is read by no part of the model's chat template");
            arguments.Add(new(argument.Name, TemplateValue.FromJson(argument.Value)));
        }
        return TemplateValue.FromObject(arguments); // of equal names the last wins: kwargs over the rest
    }

    /// <summary>Turns thinking on or off. Off is what a template without the switch does anyway.</summary>
    public static void Think(bool on, string param, ChatTemplate template, List<KeyValuePair<string, TemplateValue>> arguments)
    {
        if (template.MentionsName(EnableThinking)) arguments.Add(new(EnableThinking, TemplateValue.From(on)));
        else if (on) throw new ApiException(StatusCodes.Status400BadRequest, $"{param} asks the model to think, and its chat template has no switch for that") { Param = param, Code = "unsupported_parameter" };
    }
}
