using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Syntax;

/// <summary>for target in values if test recursive … else … endfor</summary>
internal sealed record ForStatement(
    Target Target, Formula Values, Formula? Test, Body Body, Body? Otherwise, LoopKind Kind, int Line) : Statement(Line)
{
    private Slot[] _layout = [];
    private Slot[] _testLayout = [];
    private Slot[] _elseLayout = [];
    private Target? _testTarget;
    private Reference? _loop;

    public override void Declare(Symbols symbols) => Values.Declare(symbols);

    public override void Bind(Symbols symbols, NameCheck check)
    {
        Values.Bind(symbols, check);
        BindTest(symbols);
        Symbols inside = new(symbols);
        UndeclaredSearch search = new("loop");
        Body.Search(search);
        bool usesLoop = Kind == LoopKind.Recursive || search.Found("loop");
        if (usesLoop) inside.Parameter("loop");
        Target.DeclareParameters(inside);
        Body.Declare(inside);
        _layout = inside.Layout();
        Target.Bind(inside);
        if (usesLoop) _loop = inside.Find("loop");
        Body.Bind(inside, NameCheck.AtCompileTime);

        if (Otherwise is null) return;
        Symbols otherwise = new(symbols);
        Otherwise.Declare(otherwise);
        _elseLayout = otherwise.Layout();
        Otherwise.Bind(otherwise, NameCheck.AtCompileTime);
    }

    private void BindTest(Symbols symbols)
    {
        if (Test is null) return;
        Symbols inside = new(symbols);
        _testTarget = Target.Copy();
        _testTarget.DeclareParameters(inside);
        Test.Declare(inside);
        _testLayout = inside.Layout();
        _testTarget.Bind(inside);
        Test.Bind(inside, NameCheck.AtCompileTime);
    }

    public override void Search(UndeclaredSearch search)
    {
        Target.Search(search);
        search.Load(Values);
        Body.Search(search);
        Otherwise?.Search(search);
        if (Test is not null) search.Load(Test);
    }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        TemplateValue values = Values.Evaluate(frame);
        if (Kind == LoopKind.Plain) return Run(frame, values, output, depth: 0);
        output.Append(RunNested(frame, values, depth: 0));
        return Flow.Next;
    }

    /// <summary>A recursive loop's text; loop(values) in its body comes here again.</summary>
    public string RunNested(Frame frame, TemplateValue values, int depth)
    {
        OutputBuffer text = new(frame.Context);
        frame.Context.Enter();
        Run(frame, values, text, depth);
        frame.Context.Leave();
        return text.ToString();
    }

    private Flow Run(Frame frame, TemplateValue values, OutputBuffer output, int depth)
    {
        IEnumerator<TemplateValue> items = values.Iterator();
        int? length = values.Length;
        if (Test is not null)
        {
            items = Passing(frame, items);
            length = null;
        }
        Frame inside = new(frame.Context, _layout, frame);
        LoopValue? loop = null;
        if (_loop is { } reference)
        {
            loop = new LoopValue(items, length, depth, Kind == LoopKind.Recursive ? (this, frame) : null, frame.Context);
            inside[reference] = loop;
            items = loop;
        }
        bool completedTurn = false;
        while (items.MoveNext())
        {
            frame.Context.Line = Line;
            frame.Context.Charge();
            Target.Assign(inside, items.Current);
            inside.Enter();
            Flow flow = Body.Execute(inside, output);
            if (flow == Flow.Break) break;
            completedTurn |= flow == Flow.Next;
        }
        // As in Jinja, a loop whose every turn ended in "continue" or "break" counts as empty.
        return completedTurn || Otherwise is null ? Flow.Next : RunElse(frame, output);
    }

    private Flow RunElse(Frame frame, OutputBuffer output)
    {
        Frame inside = new(frame.Context, _elseLayout, frame);
        inside.Enter();
        return Otherwise!.Execute(inside, output);
    }

    /// <summary>The elements that pass the test, found one by one as the loop goes on.</summary>
    private IEnumerator<TemplateValue> Passing(Frame frame, IEnumerator<TemplateValue> items)
    {
        Frame inside = new(frame.Context, _testLayout, frame);
        inside.Enter();
        while (items.MoveNext())
        {
            frame.Context.Charge();
            _testTarget!.Assign(inside, items.Current);
            if (Test!.Evaluate(inside).IsTrue) yield return _testTarget.Current(inside);
        }
    }
}

internal enum LoopKind { Plain, Recursive }
