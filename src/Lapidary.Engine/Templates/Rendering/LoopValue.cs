using System.Collections;
using Lapidary.Templates.Syntax;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Rendering;

/// <summary>The variable "loop". It walks the loop's elements itself, so that it can look one ahead.</summary>
/// <param name="recursion">The loop and its outer frame, when loop(…) may run it again.</param>
internal sealed class LoopValue(
    IEnumerator<TemplateValue> items, int? length, int depth, (ForStatement Loop, Frame Frame)? recursion, RenderContext context)
    : CallableValue, IEnumerator<TemplateValue>
{
    private static readonly Builtin CycleMethod = new("loop.cycle", [], (_, loop, arguments) => ((LoopValue)loop).Cycle(arguments.Call)) { AnyArguments = true };
    private static readonly Builtin ChangedMethod = new("loop.changed", [], (_, loop, arguments) => ((LoopValue)loop).Changed(arguments.Call)) { AnyArguments = true };
    private readonly Queue<TemplateValue> _ahead = new();
    private int? _length = length;
    private int _index0 = -1;
    private TemplateValue? _previous;
    private TemplateValue? _current;
    private TupleValue? _lastChanged;

    public TemplateValue Current => _current!;

    object IEnumerator.Current => Current;

    internal override string TypeName => "LoopContext";

    internal override bool IsTrue => Count() > 0;

    internal override int? Length => Count();

    internal override bool IsIterable => true;

    public bool MoveNext()
    {
        TemplateValue? next = _ahead.Count > 0 ? _ahead.Dequeue() : items.MoveNext() ? items.Current : null;
        if (next is null) return false;
        _index0++;
        _previous = _current;
        _current = next;
        return true;
    }

    public void Reset() => throw new NotSupportedException();

    public void Dispose() => items.Dispose();

    private TemplateValue? Peek()
    {
        if (_ahead.Count == 0 && items.MoveNext()) _ahead.Enqueue(items.Current);
        return _ahead.TryPeek(out TemplateValue? next) ? next : null;
    }

    private int Count()
    {
        if (_length is { } known) return known;
        while (items.MoveNext())
        {
            context.ChargeElement(_ahead.Count);
            _ahead.Enqueue(items.Current);
        }
        return (_length = _index0 + 1 + _ahead.Count).Value;
    }

    internal override TemplateValue? Attribute(string name) => name switch
    {
        "index" => new IntValue(_index0 + 1),
        "index0" => new IntValue(_index0),
        "revindex" => new IntValue(Count() - _index0),
        "revindex0" => new IntValue(Count() - _index0 - 1),
        "first" => BoolValue.Of(_index0 == 0),
        "last" => BoolValue.Of(Peek() is null),
        "length" => new IntValue(Count()),
        "depth" => new IntValue(depth + 1),
        "depth0" => new IntValue(depth),
        "previtem" => _index0 == 0 ? new UndefinedValue("there is no previous item") : _previous,
        "nextitem" => Peek() ?? new UndefinedValue("there is no next item"),
        "cycle" => new BuiltinValue(CycleMethod, this),
        "changed" => new BuiltinValue(ChangedMethod, this),
        _ => null,
    };

    private TemplateValue Cycle(Arguments arguments)
    {
        if (arguments.Positional.Count == 0 || arguments.Named.Count > 0) throw new TemplateFault("loop.cycle needs at least one item");
        return arguments.Positional[_index0 % arguments.Positional.Count];
    }

    private BoolValue Changed(Arguments arguments)
    {
        if (arguments.Named.Count > 0) throw new TemplateFault("loop.changed takes no named arguments");
        TupleValue now = new(arguments.Positional);
        if (_lastChanged is not null && Comparison.AreEqual(_lastChanged, now, context)) return BoolValue.False;
        _lastChanged = now;
        return BoolValue.True;
    }

    public override TemplateValue Call(RenderContext context, Arguments arguments)
    {
        if (recursion is not var (loop, frame)) throw new TemplateFault("loop(…) needs a loop marked \"recursive\"");
        if (arguments.Positional.Count != 1 || arguments.Named.Count > 0) throw new TemplateFault("loop(…) takes one argument, what to loop over");
        return new StringValue(loop.RunNested(frame, arguments.Positional[0], depth + 1));
    }

    internal override void AppendRepr(ReprWriter writer) => writer.Append($"<LoopContext {_index0 + 1}/{Count()}>");
}
