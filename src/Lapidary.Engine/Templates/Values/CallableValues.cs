using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>A value that can be called: macros, methods, global functions, loop, joiner.</summary>
internal abstract class CallableValue : TemplateValue
{
    public abstract TemplateValue Call(RenderContext context, Arguments arguments);
}

/// <summary>A global function, or a method together with the value it was taken from.</summary>
internal sealed class BuiltinValue(Builtin builtin, TemplateValue subject) : CallableValue
{
    internal override string TypeName => "builtin_function_or_method";

    public override TemplateValue Call(RenderContext context, Arguments arguments) => builtin.Invoke(context, subject, arguments);

    // Python prints an address here; no template can rely on it.
    internal override void AppendRepr(ReprWriter writer) => writer.Append($"<built-in {builtin.Name}>");
}

/// <summary>cycler(a, b, …): next() gives the items in turn, for ever.</summary>
internal sealed class CyclerValue(IReadOnlyList<TemplateValue> items) : TemplateValue
{
    private static readonly Builtin Next = new("cycler.next", [], (_, subject, _) => ((CyclerValue)subject).Advance());
    private static readonly Builtin Reset = new("cycler.reset", [], (_, subject, _) => ((CyclerValue)subject).Restart());
    private int _position;

    internal override string TypeName => "Cycler";

    internal override TemplateValue? Attribute(string name) => name switch
    {
        "current" => items[_position],
        "pos" => From(_position),
        "items" => new TupleValue(items),
        "next" => new BuiltinValue(Next, this),
        "reset" => new BuiltinValue(Reset, this),
        _ => null,
    };

    private TemplateValue Advance()
    {
        TemplateValue current = items[_position];
        _position = (_position + 1) % items.Count;
        return current;
    }

    private NoneValue Restart()
    {
        _position = 0;
        return NoneValue.Instance;
    }

    internal override void AppendRepr(ReprWriter writer) => writer.Append("<Cycler>");
}

/// <summary>joiner(separator): empty at the first call, the separator at every later one.</summary>
internal sealed class JoinerValue(TemplateValue separator) : CallableValue
{
    private bool _used;

    internal override string TypeName => "Joiner";

    public override TemplateValue Call(RenderContext context, Arguments arguments)
    {
        if (arguments.Positional.Count + arguments.Named.Count > 0) throw new TemplateFault("a joiner takes no arguments");
        if (_used) return separator;
        _used = true;
        return StringValue.Empty;
    }

    internal override TemplateValue? Attribute(string name) => name switch { "sep" => separator, "used" => From(_used), _ => null };

    internal override void AppendRepr(ReprWriter writer) => writer.Append("<Joiner>");
}
