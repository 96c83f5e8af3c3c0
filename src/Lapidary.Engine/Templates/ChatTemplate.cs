using Lapidary.Templates.Values;

namespace Lapidary.Templates;

/// <summary>
/// The chat template of a checkpoint: turns messages and tools into the prompt, as transformers' apply_chat_template and
/// vLLM do. Safe for many threads at once.
/// </summary>
public sealed class ChatTemplate
{
    private const string ToolUse = "tool_use";
    private readonly Template _default;
    private readonly Lazy<Template>? _toolUse;
    private readonly IReadOnlyDictionary<string, TemplateValue> _specialTokens;

    private ChatTemplate(Template @default, Lazy<Template>? toolUse, IReadOnlyDictionary<string, TemplateValue> specialTokens)
        => (_default, _toolUse, _specialTokens) = (@default, toolUse, specialTokens);

    /// <summary>
    /// Takes chat_template.jinja, else chat_template.json, else "chat_template" of tokenizer_config.json (one template, or
    /// named ones of which "tool_use" serves requests with tools). Special tokens (bos_token, …) come from
    /// tokenizer_config.json.
    /// </summary>
    /// <param name="path">A model folder, or a template file beside which a tokenizer_config.json may lie.</param>
    /// <exception cref="TemplateException">There is no template, or it cannot be read or parsed.</exception>
    public static ChatTemplate Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ChatTemplateFiles files = ChatTemplateFiles.Read(path);
        Lazy<Template>? toolUse = files.Sources.TryGetValue(ToolUse, out string? source)
            ? new Lazy<Template>(() => Template.Parse(source, $"{files.Name} ({ToolUse})"))
            : null;
        if (!files.Sources.TryGetValue("default", out string? main))
            throw new TemplateException($"{files.Name} has templates named {string.Join(", ", files.Sources.Keys)}, but none named default");
        return new ChatTemplate(Template.Parse(main, files.Name), toolUse, files.SpecialTokens);
    }

    /// <param name="specialTokens">Variables like bos_token and eos_token.</param>
    /// <exception cref="TemplateException">The template cannot be parsed.</exception>
    public static ChatTemplate Parse(string source, IReadOnlyDictionary<string, TemplateValue> specialTokens, string name = "chat template")
        => new(Template.Parse(source, name), toolUse: null, specialTokens);

    /// <summary>Whether the template's source holds this text, e.g. the name of a variable it may read.</summary>
    public bool Mentions(string text)
        => _default.Source.Contains(text, StringComparison.Ordinal) || _toolUse?.Value.Source.Contains(text, StringComparison.Ordinal) == true;

    /// <summary>Whether the template's source holds this word by itself, as the name of a variable would be.</summary>
    public bool MentionsName(string name)
        => HasWord(_default.Source, name) || (_toolUse is not null && HasWord(_toolUse.Value.Source, name));

    /// <summary>The prompt's text, with special tokens written out.</summary>
    /// <exception cref="RequestException">The request cannot be rendered by any template.</exception>
    /// <exception cref="TemplateException">The template refuses the request or fails.</exception>
    public string Render(ChatRequest request, TemplateLimits? limits = null, TimeProvider? clock = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request is { ContinueFinalMessage: true, AddGenerationPrompt: true })
            throw new RequestException("continue_final_message and add_generation_prompt exclude each other: one goes on with the last message, the other begins a new one");
        Template template = request.Tools is not null && _toolUse is not null ? _toolUse.Value : _default;
        TemplateValue messages = ToolCallArguments.Decode(request.Messages);
        if (!request.ContinueFinalMessage) return template.Render(Variables(request, messages), limits, clock, cancellation);
        FinalMessage final = FinalMessage.Mark(messages, template);
        return final.Cut(template.Render(Variables(request, final.Messages), limits, clock, cancellation));
    }

    private static bool HasWord(string source, string word)
    {
        static bool IsPart(char c) => char.IsLetterOrDigit(c) || c == '_';
        for (int at = source.IndexOf(word, StringComparison.Ordinal); at >= 0 && word.Length > 0; at = source.IndexOf(word, at + 1, StringComparison.Ordinal))
            if ((at == 0 || !IsPart(source[at - 1])) && (at + word.Length == source.Length || !IsPart(source[at + word.Length]))) return true;
        return false;
    }

    private Dictionary<string, TemplateValue> Variables(ChatRequest request, TemplateValue messages)
    {
        Dictionary<string, TemplateValue> variables = new(_specialTokens, StringComparer.Ordinal)
        {
            ["messages"] = messages,
            ["tools"] = request.Tools ?? NoneValue.Instance,
            ["documents"] = request.Documents ?? NoneValue.Instance,
            ["add_generation_prompt"] = BoolValue.Of(request.AddGenerationPrompt ?? !request.ContinueFinalMessage),
        };
        if (request.TemplateArguments is DictValue arguments)
            foreach (var (name, value) in arguments.Members) variables[name.AsText!] = value;
        return variables;
    }
}
