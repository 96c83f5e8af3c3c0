using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Functions every template can call: Jinja's, and transformers' raise_exception and strftime_now.</summary>
internal static class Globals
{
    private static readonly Dictionary<string, TemplateValue> Functions = new Builtin[]
    {
        new("range", ["start", "stop?", "step?"], Range) { PositionalOnly = true },
        new("dict", [], Dict) { AnyArguments = true },
        new("namespace", [], Namespace) { AnyArguments = true },
        new("cycler", [], Cycler) { AnyArguments = true },
        new("joiner", ["sep?"], (_, _, arguments) => new JoinerValue(arguments[0] ?? new StringValue(", "))),
        new("raise_exception", ["message"], Raise),
        new("strftime_now", ["format"], (context, _, arguments) => context.Text(Strftime.Format(context.Clock.GetLocalNow(), arguments.Text(0)))),
        new("lipsum", [], (_, _, _) => throw new TemplateFault("lipsum is refused: its result would differ from run to run")) { AnyArguments = true },
    }.ToDictionary(builtin => builtin.Name, builtin => (TemplateValue)new BuiltinValue(builtin, NoneValue.Instance), StringComparer.Ordinal);

    public static TemplateValue? Find(string name) => Functions.GetValueOrDefault(name);

    private static RangeValue Range(RenderContext context, TemplateValue subject, BoundArguments arguments)
    {
        long first = Bound(arguments[0]!);
        if (arguments[1] is null) return new RangeValue(0, first, 1);
        long step = arguments[2] is { } given ? Bound(given) : 1;
        if (step == 0) throw new TemplateFault("the step of range() cannot be zero");
        return new RangeValue(first, Bound(arguments[1]!), step);
    }

    private static long Bound(TemplateValue value) => value switch
    {
        { Integer: { } integer } when integer >= int.MinValue && integer <= int.MaxValue => (long)integer,
        { Integer: not null } => throw new TemplateFault("a bound of range() is beyond 2^31"),
        UndefinedValue undefined => throw undefined.Fault(),
        _ => throw new TemplateFault($"the bounds of range() must be integers, not {value.TypeName}"),
    };

    private static TemplateValue Raise(RenderContext context, TemplateValue subject, BoundArguments arguments)
        => throw new TemplateFault(PythonText.Str(arguments[0]!, context));

    private static DictValue Dict(RenderContext context, TemplateValue subject, BoundArguments arguments) => MakeDict(arguments.Call, context);

    private static DictValue MakeDict(Arguments call, RenderContext context)
    {
        DictValue dict = new(context);
        if (call.Positional.Count > 1) throw new TemplateFault("dict() takes at most one positional argument");
        if (call.Positional.Count == 1) AddAll(dict, call.Positional[0], context);
        foreach (var (name, value) in call.Named) dict.Set(new StringValue(name), value);
        context.ChargeElements(dict.Count);
        return dict;
    }

    private static void AddAll(DictValue dict, TemplateValue source, RenderContext context)
    {
        if (source is DictValue other)
        {
            foreach (var (key, value) in other.Members) dict.Set(key, value);
            return;
        }
        foreach (TemplateValue pair in context.Collect(source))
        {
            List<TemplateValue> both = context.Collect(pair);
            if (both.Count != 2) throw new TemplateFault("dict() needs pairs of a key and a value");
            dict.Set(both[0], both[1]);
        }
    }

    private static NamespaceValue Namespace(RenderContext context, TemplateValue subject, BoundArguments arguments)
    {
        NamespaceValue space = new();
        foreach (var (key, value) in MakeDict(arguments.Call, context).Members)
            space.Set(key.AsText ?? throw new TemplateFault("the names in a namespace must be strings"), value, context);
        return space;
    }

    private static CyclerValue Cycler(RenderContext context, TemplateValue subject, BoundArguments arguments)
    {
        if (arguments.Call.Positional.Count == 0 || arguments.Call.Named.Count > 0) throw new TemplateFault("cycler() needs at least one item");
        return new CyclerValue(arguments.Call.Positional);
    }
}
