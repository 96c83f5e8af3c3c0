using Lapidary.Templates.Library;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>The arguments of a call as written: positional, named, *list and **dict.</summary>
internal sealed record CallArguments(
    Expression[] Positional, KeyValuePair<string, Expression>[] Named, Expression? List = null, Expression? Dict = null)
{
    public static readonly CallArguments None = new([], []);

    public Arguments Evaluate(Frame frame)
    {
        if (Positional.Length + Named.Length == 0 && List is null && Dict is null) return Arguments.None;
        List<TemplateValue> positional = ListExpression.EvaluateAll(Positional, frame);
        List<KeyValuePair<string, TemplateValue>> named = new(Named.Length);
        if (List is not null) positional.AddRange(frame.Context.Collect(List.Evaluate(frame)));
        foreach (var (name, value) in Named) named.Add(new(name, value.Evaluate(frame)));
        if (Dict is not null) AddMembers(named, Dict.Evaluate(frame), frame.Context);
        return new Arguments(positional, named);
    }

    private static void AddMembers(List<KeyValuePair<string, TemplateValue>> named, TemplateValue value, RenderContext context)
    {
        if (value is not DictValue dict) throw new TemplateFault($"** needs a dict, got {value.TypeName}");
        context.ChargeElements(dict.Count);
        HashSet<string> names = [.. named.Select(pair => pair.Key)];
        foreach (var (key, member) in dict.Members)
        {
            string name = key.AsText ?? throw new TemplateFault("the keys of a dict after ** must be strings");
            if (!names.Add(name)) throw new TemplateFault($"two values for the argument \"{name}\"");
            named.Add(new(name, member));
        }
    }
}

internal sealed record CallExpression(Expression Function, CallArguments Arguments, int Line) : Expression(Line)
{
    protected override TemplateValue Compute(Frame frame) => Call(frame, caller: null);

    /// <param name="caller">The body of a call block, handed over as the argument named "caller".</param>
    public TemplateValue Call(Frame frame, TemplateValue? caller)
    {
        TemplateValue function = Function.Evaluate(frame);
        Arguments arguments = Arguments.Evaluate(frame);
        if (caller is not null) arguments = arguments with { Named = [.. arguments.Named, new("caller", caller)] };
        frame.Context.Line = Line;
        TemplateValue result = Access.Call(function, arguments, frame.Context);
        frame.Context.Line = Line;
        return result;
    }
}

/// <summary>A filter or test named in an expression. Known names are looked up once, at binding.</summary>
internal abstract record NamedUse(string Name, int Line) : Expression(Line)
{
    private Builtin? _builtin;

    /// <summary>Stands in an inline "if": an unknown name is reported only when it is reached.</summary>
    public bool IsConditional { get; set; }

    protected abstract Catalogue Known { get; }

    /// <exception cref="TemplateFault">There is no such filter or test.</exception>
    public Builtin Resolve()
    {
        if (_builtin is not null) return _builtin;
        return _builtin = Known.Find(Name) ?? throw new UnknownNameException(Known.Unknown(Name), Line);
    }
}

/// <summary>subject | name(arguments); the subject is null in a filter block, which supplies its text.</summary>
internal sealed record FilterExpression(Expression? Subject, string Name, CallArguments Arguments, int Line) : NamedUse(Name, Line)
{
    protected override Catalogue Known => Filters.All;

    protected override TemplateValue Compute(Frame frame) => Apply(frame, blockText: null);

    public TemplateValue Apply(Frame frame, TemplateValue? blockText)
    {
        frame.Context.Charge();
        RenderContext.EnsureStack();
        TemplateValue subject = Subject switch
        {
            null => blockText!,
            FilterExpression inner => inner.Apply(frame, blockText),
            _ => Subject.Evaluate(frame),
        };
        Arguments arguments = Arguments.Evaluate(frame);
        frame.Context.Line = Line;
        return Resolve().Invoke(frame.Context, subject, arguments);
    }
}

/// <summary>subject is name(arguments).</summary>
internal sealed record TestExpression(Expression Subject, string Name, CallArguments Arguments, int Line) : NamedUse(Name, Line)
{
    protected override Catalogue Known => Tests.All;

    protected override TemplateValue Compute(Frame frame)
    {
        TemplateValue subject = Subject.Evaluate(frame);
        Arguments arguments = Arguments.Evaluate(frame);
        frame.Context.Line = Line;
        return Resolve().Invoke(frame.Context, subject, arguments);
    }
}

/// <summary>A filter or test that does not exist, with the line that names it.</summary>
internal sealed class UnknownNameException(string message, int line) : Exception(message)
{
    public int Line => line;
}
