using Lapidary.Templates.Values;

namespace Lapidary.Templates;

/// <summary>
/// continue_final_message: the final message gets a mark at its end, and the rendered prompt is cut there. The mark is
/// transformers' own, since some templates look for it.
/// </summary>
internal sealed record FinalMessage(TemplateValue Messages, string Text)
{
    private const string Tag = "CONTINUE_FINAL_MESSAGE_TAG ";

    public static FinalMessage Mark(TemplateValue messages, Template template)
    {
        if (messages.AsList is not { Count: > 0 } list || list[^1] is not DictValue last || last.Find("content") is not { } content || content is NoneValue)
            throw new RequestException("continue_final_message is set, but the final message has no content to continue");
        if (!template.Source.Contains("content", StringComparison.Ordinal))
            throw new RequestException("continue_final_message is set, but the chat template does not use the content of messages");
        var (marked, text) = Mark(content);
        return new FinalMessage(TemplateValue.FromList([.. list.SkipLast(1), ToolCallArguments.With(last, "content", marked)]), text);
    }

    private static (TemplateValue Marked, string Text) Mark(TemplateValue content)
    {
        if (content is StringValue text) return (new StringValue(text.Text + Tag), text.Text);
        IReadOnlyList<TemplateValue> parts = content.AsList ?? [];
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            if (parts[i] is not DictValue part || part.Find("text") is not StringValue last) continue;
            DictValue marked = ToolCallArguments.With(part, "text", new StringValue(last.Text + Tag));
            return (TemplateValue.FromList([.. parts.Take(i), marked, .. parts.Skip(i + 1)]), last.Text);
        }
        throw new RequestException("continue_final_message is set, but the final message has no text to continue");
    }

    /// <exception cref="RequestException">The template did not print the final message.</exception>
    public string Cut(string rendered)
    {
        int tag = rendered.LastIndexOf(Tag.TrimEnd(), StringComparison.Ordinal);
        if (tag < 0 || !rendered.Contains(PythonText.Trim(Text), StringComparison.Ordinal))
            throw new RequestException("continue_final_message is set, but the chat template does not print the final message as it was given");
        // A template that trims the message also took the mark's last space, and what was before the mark with it.
        return string.CompareOrdinal(rendered, tag, Tag, 0, Tag.Length) == 0 ? rendered[..tag] : PythonText.TrimEnd(rendered[..tag]);
    }
}
