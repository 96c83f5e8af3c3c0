using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>How a statement ended.</summary>
internal enum Flow { Next, Break, Continue }

internal abstract record Statement(int Line)
{
    /// <summary>Tells the frame the statement stands in which names it loads and stores; frames inside it are left alone.</summary>
    public abstract void Declare(Symbols symbols);

    /// <summary>Binds names to slots and makes the frames inside. All statements of the frame have been declared.</summary>
    public abstract void Bind(Symbols symbols, NameCheck check);

    /// <summary>Looks for loads of special names, everywhere inside.</summary>
    public abstract void Search(UndeclaredSearch search);

    public abstract Flow Execute(Frame frame, OutputBuffer output);
}

/// <summary>Statements one after the other.</summary>
internal sealed class Body(IReadOnlyList<Statement> statements)
{
    public static readonly Body Empty = new([]);

    public void Declare(Symbols symbols)
    {
        foreach (Statement statement in statements) statement.Declare(symbols);
    }

    public void Bind(Symbols symbols, NameCheck check)
    {
        foreach (Statement statement in statements) statement.Bind(symbols, check);
    }

    public void Search(UndeclaredSearch search)
    {
        foreach (Statement statement in statements) statement.Search(search);
    }

    public Flow Execute(Frame frame, OutputBuffer output)
    {
        foreach (Statement statement in statements)
        {
            frame.Context.Charge();
            if (statement.Execute(frame, output) is not Flow.Next and var flow) return flow;
        }
        return Flow.Next;
    }
}

/// <summary>Finds which of the names loop, caller, kwargs and varargs are read before something stores them.</summary>
internal sealed class UndeclaredSearch(params string[] names)
{
    private readonly HashSet<string> _names = [.. names];
    private readonly HashSet<string> _found = [];

    public bool Found(string name) => _found.Contains(name);

    public void Load(Formula formula)
    {
        foreach (NameExpression name in formula.Names)
            if (_names.Contains(name.Name)) _found.Add(name.Name);
    }

    public void Store(string name) => _names.Remove(name);
}

internal sealed record DataStatement(string Text, int Line) : Statement(Line)
{
    public override void Declare(Symbols symbols) { }

    public override void Bind(Symbols symbols, NameCheck check) { }

    public override void Search(UndeclaredSearch search) { }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        output.Append(Text);
        return Flow.Next;
    }
}

internal sealed record OutputStatement(Formula[] Values, int Line) : Statement(Line)
{
    public override void Declare(Symbols symbols) => Array.ForEach(Values, value => value.Declare(symbols));

    public override void Bind(Symbols symbols, NameCheck check) => Array.ForEach(Values, value => value.Bind(symbols, check));

    public override void Search(UndeclaredSearch search) => Array.ForEach(Values, search.Load);

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        foreach (Formula value in Values) output.Append(PythonText.Str(value.Evaluate(frame), frame.Context));
        return Flow.Next;
    }
}

/// <summary>break and continue; the parser allows them only inside a loop.</summary>
internal sealed record JumpStatement(Flow Flow, int Line) : Statement(Line)
{
    public override void Declare(Symbols symbols) { }

    public override void Bind(Symbols symbols, NameCheck check) { }

    public override void Search(UndeclaredSearch search) { }

    public override Flow Execute(Frame frame, OutputBuffer output) => Flow;
}

internal sealed record IfStatement((Formula Test, Body Body)[] Branches, Body Otherwise, int Line) : Statement(Line)
{
    public override void Declare(Symbols symbols)
    {
        Branches[0].Test.Declare(symbols);
        Symbols first = symbols.Branch(), between = symbols.Branch(), last = symbols.Branch();
        Branches[0].Body.Declare(first);
        foreach (var (test, body) in Branches.AsSpan(1))
        {
            test.Declare(between);
            Symbols inside = between.Branch();
            body.Declare(inside);
            between.Join([inside, between.Branch(), between.Branch()]);
        }
        Otherwise.Declare(last);
        // Jinja counts three branches: the first, all "elif" together, and "else".
        symbols.Join([first, between, last]);
    }

    public override void Bind(Symbols symbols, NameCheck check)
    {
        foreach (var (test, body) in Branches)
        {
            test.Bind(symbols, NameCheck.WhenReached);
            body.Bind(symbols, NameCheck.WhenReached);
        }
        Otherwise.Bind(symbols, NameCheck.WhenReached);
    }

    public override void Search(UndeclaredSearch search)
    {
        foreach (var (test, body) in Branches)
        {
            search.Load(test);
            body.Search(search);
        }
        Otherwise.Search(search);
    }

    public override Flow Execute(Frame frame, OutputBuffer output)
    {
        foreach (var (test, body) in Branches)
            if (test.Evaluate(frame).IsTrue) return body.Execute(frame, output);
        return Otherwise.Execute(frame, output);
    }
}
