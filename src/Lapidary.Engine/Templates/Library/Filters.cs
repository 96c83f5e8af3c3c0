using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>The filters templates can use: Jinja's own, with transformers' tojson.</summary>
internal static class Filters
{
    public static readonly Catalogue All = new("filter", TextFilters.All, SequenceFilters.All, SelectionFilters.All, NumberFilters.All, HtmlFilters.All,
    [
        new("default", ["default_value?", "boolean?"], Default),
        new("d", ["default_value?", "boolean?"], Default),
        new("attr", ["name"], Attribute),
        new("tojson", ["ensure_ascii?", "indent?", "separators?", "sort_keys?"], JsonWriting.ToJson),
        new("pprint", [], PrettyPrinting.PrettyPrint),
        Refused("random", "its result would differ from run to run"),
        Refused("urlize", "it makes HTML links"),
    ]);

    private static Builtin Refused(string name, string why)
        => new(name, [], (_, _, _) => throw new TemplateFault($"the filter \"{name}\" is refused: {why}")) { AnyArguments = true };

    private static TemplateValue Default(RenderContext context, TemplateValue value, BoundArguments arguments)
        => value is UndefinedValue || (arguments.IsTrue(1) && !value.IsTrue) ? arguments[0] ?? StringValue.Empty : value;

    private static TemplateValue Attribute(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        string name = arguments.Text(0);
        if (value is UndefinedValue undefined) throw undefined.Fault();
        return value.Attribute(name) ?? UndefinedValue.Element(value, $"attribute \"{name}\"");
    }
}
