using System.Text;
using Lapidary.Templates.Values;

namespace Lapidary.Templates;

/// <summary>
/// OpenAI clients send the arguments of a tool call as JSON text; templates are written for the object. As vLLM does,
/// the text is parsed before rendering; empty text means no arguments.
/// </summary>
internal static class ToolCallArguments
{
    public static TemplateValue Decode(TemplateValue messages)
    {
        if (messages is not ListValue list) return messages;
        return new ListValue([.. list.Items.Select((message, index) => InMessage(message, $"messages[{index}]"))]);
    }

    private static TemplateValue InMessage(TemplateValue message, string path)
    {
        if (message is not DictValue dict || dict.Find("tool_calls") is not ListValue calls) return message;
        ListValue decoded = new([.. calls.Items.Select((call, index) => InCall(call, $"{path}.tool_calls[{index}]"))]);
        return With(dict, "tool_calls", decoded);
    }

    private static TemplateValue InCall(TemplateValue call, string path)
    {
        if (call is not DictValue dict || dict.Find("function") is not DictValue function || function.Find("arguments") is not StringValue text) return call;
        return With(dict, "function", With(function, "arguments", Parse(text.Text, $"{path}.function.arguments")));
    }

    private static TemplateValue Parse(string text, string path)
    {
        if (string.IsNullOrWhiteSpace(text)) return new DictValue();
        try
        {
            return TemplateValue.ParseJson(Encoding.UTF8.GetBytes(text));
        }
        catch (TemplateException exception)
        {
            throw new RequestException($"{path} must be JSON: it is {exception.Message}", exception);
        }
    }

    /// <summary>The same object with one member replaced.</summary>
    public static DictValue With(DictValue original, string name, TemplateValue value)
    {
        DictValue copy = new();
        foreach (var (key, member) in original.Members) copy.Set(key, member);
        copy.Set(new StringValue(name), value);
        return copy;
    }
}
