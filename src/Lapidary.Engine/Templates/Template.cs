using Lapidary.Templates.Rendering;
using Lapidary.Templates.Syntax;

namespace Lapidary.Templates;

/// <summary>
/// A Jinja2 template, rendered as transformers renders chat templates: ImmutableSandboxedEnvironment with trim_blocks and
/// lstrip_blocks, the loopcontrols extension, the generation tag, tojson without HTML escapes, raise_exception and
/// strftime_now. One template may be rendered by many threads at once. include, import, extends and block are refused.
/// </summary>
public sealed class Template
{
    private readonly string _name;
    private readonly Body _body;
    private readonly Slot[] _layout;

    private Template(string name, string source, Body body, Slot[] layout)
    {
        _name = name;
        Source = source;
        _body = body;
        _layout = layout;
    }

    public string Source { get; }

    /// <param name="name">Stands in error messages, with the line.</param>
    /// <exception cref="TemplateException">The template is not well formed or uses a filter or test that does not exist.</exception>
    public static Template Parse(string source, string name = "template")
    {
        ArgumentNullException.ThrowIfNull(source);
        try
        {
            Body body = TemplateParser.Parse(source, name);
            Symbols symbols = new(null);
            body.Declare(symbols);
            Slot[] layout = symbols.Layout();
            body.Bind(symbols, NameCheck.AtCompileTime);
            return new Template(name, source, body, layout);
        }
        catch (UnknownNameException exception)
        {
            throw TemplateError.At(name, exception.Line, exception.Message, exception);
        }
    }

    /// <summary>A template can write half a surrogate pair ("\ud800"), which no tokenizer can take.</summary>
    private static string WellFormed(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsSurrogatePair(text, i)) throw new TemplateFault("the rendered text holds half a surrogate pair");
            i++;
        }
        return text;
    }

    /// <param name="clock">For strftime_now; the system's when null.</param>
    /// <exception cref="TemplateException">The template failed, refused its input, or went beyond its limits.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellation"/> was requested.</exception>
    public string Render(
        IReadOnlyDictionary<string, TemplateValue> variables, TemplateLimits? limits = null, TimeProvider? clock = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(variables);
        RenderContext context = new(variables, limits ?? TemplateLimits.Default, clock ?? TimeProvider.System, cancellation);
        try
        {
            Frame frame = new(context, _layout, parent: null);
            frame.Enter();
            OutputBuffer output = new(context);
            _body.Execute(frame, output);
            return WellFormed(output.ToString());
        }
        catch (TemplateFault fault)
        {
            throw TemplateError.At(_name, context.Line, fault.Message, fault);
        }
        catch (UnknownNameException exception)
        {
            throw TemplateError.At(_name, exception.Line, exception.Message, exception);
        }
    }
}
