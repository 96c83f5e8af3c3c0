using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>set target = value</summary>
internal sealed record SetStatement(Target Target, Formula Value, int Line) : Statement(Line)
{
    public override void Declare(Symbols symbols)
    {
        Value.Declare(symbols);
        Target.Declare(symbols);
    }

    public override void Bind(Symbols symbols, NameCheck check)
    {
        Target.Bind(symbols);
        Value.Bind(symbols, check);
    }

    public override void Search(UndeclaredSearch search)
    {
        Target.Search(search);
        search.Load(Value);
    }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        TemplateValue value = Value.Evaluate(frame);
        frame.Context.Line = Line;
        Target.Assign(frame, value);
        return Flow.Next;
    }
}

/// <summary>set target | filter … endset: the text of the body.</summary>
internal sealed record SetBlockStatement(Target Target, Formula? Filter, Body Body, int Line) : Statement(Line)
{
    private Slot[] _layout = [];

    public override void Declare(Symbols symbols) => Target.Declare(symbols);

    public override void Bind(Symbols symbols, NameCheck check)
    {
        Symbols inside = new(symbols);
        Body.Declare(inside);
        Filter?.Declare(inside);
        _layout = inside.Layout();
        Body.Bind(inside, NameCheck.AtCompileTime);
        Filter?.Bind(inside, NameCheck.AtCompileTime);
        Target.Bind(symbols);
    }

    public override void Search(UndeclaredSearch search)
    {
        Target.Search(search);
        if (Filter is not null) search.Load(Filter);
        Body.Search(search);
    }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        Frame inside = new(frame.Context, _layout, frame);
        inside.Enter();
        OutputBuffer text = new(frame.Context);
        // Leaving the loop from inside leaves the target as it was.
        if (Body.Execute(inside, text) is not Flow.Next and var flow) return flow;
        TemplateValue value = new StringValue(text.ToString());
        if (Filter is not null) value = ((FilterExpression)Filter.Root).Apply(inside, value);
        Target.Assign(frame, value);
        return Flow.Next;
    }
}

/// <summary>filter name … endfilter: the body's text, filtered.</summary>
internal sealed record FilterBlockStatement(Formula Filter, Body Body, int Line) : Statement(Line)
{
    private Slot[] _layout = [];

    public override void Declare(Symbols symbols) => Filter.Declare(symbols);

    public override void Bind(Symbols symbols, NameCheck check)
    {
        Symbols inside = new(symbols);
        Body.Declare(inside);
        Filter.Declare(inside);
        _layout = inside.Layout();
        Body.Bind(inside, NameCheck.AtCompileTime);
        Filter.Bind(inside, NameCheck.AtCompileTime);
    }

    public override void Search(UndeclaredSearch search)
    {
        Body.Search(search);
        search.Load(Filter);
    }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        Frame inside = new(frame.Context, _layout, frame);
        inside.Enter();
        OutputBuffer text = new(frame.Context);
        if (Body.Execute(inside, text) is not Flow.Next and var flow) return flow;
        TemplateValue filtered = ((FilterExpression)Filter.Root).Apply(inside, new StringValue(text.ToString()));
        output.Append(PythonText.Str(filtered, frame.Context));
        return Flow.Next;
    }
}

/// <summary>with a = …, b = … endwith; the values are those of the frame outside.</summary>
internal sealed record WithStatement((Target Target, Formula Value)[] Assignments, Body Body, int Line) : Statement(Line)
{
    private Slot[] _layout = [];

    public override void Declare(Symbols symbols)
    {
        foreach (var (_, value) in Assignments) value.Declare(symbols);
    }

    public override void Bind(Symbols symbols, NameCheck check)
    {
        Symbols inside = new(symbols);
        foreach (var (target, _) in Assignments) target.DeclareParameters(inside);
        Body.Declare(inside);
        _layout = inside.Layout();
        foreach (var (target, value) in Assignments)
        {
            target.Bind(inside);
            value.Bind(symbols, check);
        }
        Body.Bind(inside, NameCheck.AtCompileTime);
    }

    public override void Search(UndeclaredSearch search)
    {
        foreach (var (target, _) in Assignments) target.Search(search);
        foreach (var (_, value) in Assignments) search.Load(value);
        Body.Search(search);
    }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        Frame inside = new(frame.Context, _layout, frame);
        inside.Enter();
        foreach (var (target, value) in Assignments) target.Assign(inside, value.Evaluate(frame));
        return Body.Execute(inside, output);
    }
}
