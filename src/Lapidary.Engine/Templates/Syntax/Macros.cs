using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>Parameters and body of a macro, a call block, or a generation block.</summary>
/// <param name="Name">Null for the bodies of blocks.</param>
/// <param name="Defaults">Of the last parameters.</param>
internal sealed record MacroDefinition(string? Name, string[] Parameters, Formula[] Defaults, Body Body, int Line)
{
    private Reference[] _slots = [];

    public Slot[] Layout { get; private set; } = [];

    public Reference? Caller { get; private set; }

    public Reference? NamedRest { get; private set; }

    public Reference? PositionalRest { get; private set; }

    public bool TakesCaller { get; private set; }

    public void Bind(Symbols symbols)
    {
        Symbols inside = new(symbols);
        UndeclaredSearch search = new("caller", "kwargs", "varargs");
        Body.Search(search);
        TakesCaller = search.Found("caller");
        bool ownCaller = TakesCaller && !Parameters.Contains("caller");
        bool namedRest = search.Found("kwargs") && !Parameters.Contains("kwargs");
        bool positionalRest = search.Found("varargs") && !Parameters.Contains("varargs");
        if (TakesCaller && !ownCaller && Array.IndexOf(Parameters, "caller") < Parameters.Length - Defaults.Length)
            throw new UnknownNameException("the special argument \"caller\" must be left out or be given a default", Line);
        foreach (string parameter in Parameters) inside.Parameter(parameter);
        foreach (Formula value in Defaults) value.Declare(inside);
        Body.Declare(inside);
        if (ownCaller) inside.Parameter("caller");
        if (namedRest) inside.Parameter("kwargs");
        if (positionalRest) inside.Parameter("varargs");
        Layout = inside.Layout();
        _slots = Array.ConvertAll(Parameters, inside.Find);
        if (ownCaller) Caller = inside.Find("caller");
        if (namedRest) NamedRest = inside.Find("kwargs");
        if (positionalRest) PositionalRest = inside.Find("varargs");
        foreach (Formula value in Defaults) value.Bind(inside, NameCheck.AtCompileTime);
        Body.Bind(inside, NameCheck.AtCompileTime);
    }

    public void Search(UndeclaredSearch search)
    {
        foreach (string parameter in Parameters) search.Store(parameter);
        foreach (Formula value in Defaults) search.Load(value);
        Body.Search(search);
    }

    /// <summary>Runs the body with these values; null where an argument was not given.</summary>
    public string Run(Frame inside, TemplateValue?[] values)
    {
        for (int i = 0; i < values.Length; i++) inside[_slots[i]] = values[i];
        inside.Enter();
        int firstDefault = Parameters.Length - Defaults.Length;
        for (int i = 0; i < values.Length; i++)
        {
            if (values[i] is not null) continue;
            inside[_slots[i]] = i >= firstDefault ? Defaults[i - firstDefault].Evaluate(inside)
                : new UndefinedValue($"the macro's argument \"{Parameters[i]}\" was not given");
        }
        OutputBuffer text = new(inside.Context);
        Body.Execute(inside, text);
        return text.ToString();
    }
}

/// <summary>A macro with the frame it was defined in.</summary>
internal sealed class MacroValue(MacroDefinition definition, Frame closure) : CallableValue
{
    internal override string TypeName => "Macro";

    public override TemplateValue Call(RenderContext context, Arguments arguments)
    {
        string[] parameters = definition.Parameters;
        var values = new TemplateValue?[parameters.Length];
        int given = Math.Min(arguments.Positional.Count, parameters.Length);
        for (int i = 0; i < given; i++) values[i] = arguments.Positional[i];
        List<KeyValuePair<string, TemplateValue>> named = [.. arguments.Named];
        for (int i = given; i < parameters.Length; i++)
        {
            context.Charge(named.Count);
            values[i] = Take(named, parameters[i]);
        }

        Frame inside = new(context, definition.Layout, closure);
        if (definition.Caller is { } caller) inside[caller] = Take(named, "caller") ?? new UndefinedValue("the macro was not used in a call block");
        if (definition.NamedRest is { } rest) inside[rest] = Rest(named, context);
        else if (named.Count > 0) throw new TemplateFault($"{this} takes no argument named \"{named[0].Key}\"");
        if (definition.PositionalRest is { } more) inside[more] = new TupleValue([.. arguments.Positional.Skip(given)]);
        else if (arguments.Positional.Count > given) throw new TemplateFault($"{this} takes at most {given} arguments, got {arguments.Positional.Count}");

        context.Enter();
        string text = definition.Run(inside, values);
        context.Leave();
        return new StringValue(text);
    }

    private static TemplateValue? Take(List<KeyValuePair<string, TemplateValue>> named, string name)
    {
        int index = named.FindIndex(pair => pair.Key == name);
        if (index < 0) return null;
        TemplateValue value = named[index].Value;
        named.RemoveAt(index);
        return value;
    }

    private static DictValue Rest(List<KeyValuePair<string, TemplateValue>> named, RenderContext context)
    {
        DictValue dict = new(context);
        foreach (var (name, value) in named) dict.Set(new StringValue(name), value);
        return dict;
    }

    internal override TemplateValue? Attribute(string name) => name switch
    {
        "name" => definition.Name is null ? NoneValue.Instance : From(definition.Name),
        "arguments" => new TupleValue(Array.ConvertAll(definition.Parameters, From)),
        "catch_kwargs" => From(definition.NamedRest is not null),
        "catch_varargs" => From(definition.PositionalRest is not null),
        "caller" => From(definition.TakesCaller),
        _ => null,
    };

    internal override void AppendRepr(ReprWriter writer)
    {
        writer.Append("<Macro ");
        if (definition.Name is { } name) PythonText.AppendQuoted(writer, name);
        else writer.Append("anonymous");
        writer.Append(">");
    }

    public override string ToString() => definition.Name is { } name ? $"macro \"{name}\"" : "the block";
}

/// <summary>macro name(…) … endmacro</summary>
internal sealed record MacroStatement(MacroDefinition Macro, int Line) : Statement(Line)
{
    private Reference _reference;

    public override void Declare(Symbols symbols) => symbols.Store(Macro.Name!);

    public override void Bind(Symbols symbols, NameCheck check)
    {
        Macro.Bind(symbols);
        _reference = symbols.Find(Macro.Name!);
    }

    public override void Search(UndeclaredSearch search) => Macro.Search(search);

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        frame[_reference] = new MacroValue(Macro, frame);
        return Flow.Next;
    }
}

/// <summary>call(…) macro(…) … endcall: the macro may call the body as caller(…).</summary>
internal sealed record CallBlockStatement(Formula Call, MacroDefinition Caller, int Line) : Statement(Line)
{
    public override void Declare(Symbols symbols) => Call.Declare(symbols);

    public override void Bind(Symbols symbols, NameCheck check)
    {
        Caller.Bind(symbols);
        Call.Bind(symbols, check);
    }

    public override void Search(UndeclaredSearch search)
    {
        search.Load(Call);
        Caller.Search(search);
    }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        frame.Context.Line = Line;
        TemplateValue text = ((CallExpression)Call.Root).Call(frame, new MacroValue(Caller, frame));
        output.Append(PythonText.Str(text, frame.Context));
        return Flow.Next;
    }
}

/// <summary>
/// generation … endgeneration: transformers' mark around what the model said, for training masks. It prints its body, in
/// a frame of its own.
/// </summary>
internal sealed record GenerationStatement(MacroDefinition Content, int Line) : Statement(Line)
{
    public override void Declare(Symbols symbols) { }

    public override void Bind(Symbols symbols, NameCheck check) => Content.Bind(symbols);

    public override void Search(UndeclaredSearch search) => Content.Search(search);

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        TemplateValue text = new MacroValue(Content, frame).Call(frame.Context, Arguments.None);
        output.Append(text.AsText!);
        return Flow.Next;
    }
}
