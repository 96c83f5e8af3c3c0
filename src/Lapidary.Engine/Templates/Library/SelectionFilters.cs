using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>map, select, reject, selectattr and rejectattr: lazy, and applied when their result is read.</summary>
internal static class SelectionFilters
{
    public static readonly Builtin[] All =
    [
        new("map", [], (context, value, a) => Lazy(Map(context, value, a.Call))) { AnyArguments = true },
        new("select", [], (context, value, a) => Lazy(Select(context, value, a.Call, wanted: true, byAttribute: false))) { AnyArguments = true },
        new("reject", [], (context, value, a) => Lazy(Select(context, value, a.Call, wanted: false, byAttribute: false))) { AnyArguments = true },
        new("selectattr", [], (context, value, a) => Lazy(Select(context, value, a.Call, wanted: true, byAttribute: true))) { AnyArguments = true },
        new("rejectattr", [], (context, value, a) => Lazy(Select(context, value, a.Call, wanted: false, byAttribute: true))) { AnyArguments = true },
    ];

    private static GeneratorValue Lazy(IEnumerable<TemplateValue> items) => new("generator", items);

    private static IEnumerable<TemplateValue> Map(RenderContext context, TemplateValue value, Arguments arguments)
    {
        if (!value.IsTrue) yield break;
        Func<TemplateValue, TemplateValue> map = Mapping(context, arguments);
        IEnumerator<TemplateValue> items = value.Iterator();
        while (items.MoveNext())
        {
            context.Charge();
            yield return map(items.Current);
        }
    }

    private static Func<TemplateValue, TemplateValue> Mapping(RenderContext context, Arguments arguments)
    {
        if (arguments.Positional.Count == 0 && arguments.NamedOrNull("attribute") is { } attribute)
        {
            foreach (var (name, _) in arguments.Named)
                if (name is not ("attribute" or "default")) throw new TemplateFault($"map has no argument named \"{name}\"");
            return Attributes.Getter(attribute, context, arguments.NamedOrNull("default"));
        }
        if (arguments.Positional.Count == 0) throw new TemplateFault("map needs the name of a filter or attribute=");
        Builtin filter = Filters.All.Get(NameOf(arguments.Positional[0]));
        Arguments rest = arguments.Skip(1);
        return item => filter.Invoke(context, item, rest);
    }

    private static IEnumerable<TemplateValue> Select(RenderContext context, TemplateValue value, Arguments arguments, bool wanted, bool byAttribute)
    {
        if (!value.IsTrue) yield break;
        Func<TemplateValue, bool> test = Condition(context, arguments, byAttribute);
        IEnumerator<TemplateValue> items = value.Iterator();
        while (items.MoveNext())
        {
            context.Charge();
            if (test(items.Current) == wanted) yield return items.Current;
        }
    }

    private static Func<TemplateValue, bool> Condition(RenderContext context, Arguments arguments, bool byAttribute)
    {
        if (byAttribute && arguments.Positional.Count == 0) throw new TemplateFault("the name of an attribute is missing");
        Func<TemplateValue, TemplateValue> get = Attributes.Getter(byAttribute ? arguments.Positional[0] : null, context);
        Arguments rest = byAttribute ? arguments.Skip(1) : arguments;
        if (rest.Positional.Count == 0) return item => get(item).IsTrue;
        Builtin test = Tests.All.Get(NameOf(rest.Positional[0]));
        Arguments parameters = rest.Skip(1);
        return item => test.Invoke(context, get(item), parameters).IsTrue;
    }

    private static string NameOf(TemplateValue value) => value.AsText ?? throw new TemplateFault($"expected the name of a filter or test, got {value.TypeName}");
}
