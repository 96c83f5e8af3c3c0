using System.Globalization;
using System.Numerics;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>How filters take keys from elements: attribute="a.b.0" and the case folding of sort, unique, min and max.</summary>
internal static class Attributes
{
    /// <summary>A function from an element to the value at a dotted path; null means the element itself.</summary>
    public static Func<TemplateValue, TemplateValue> Getter(TemplateValue? path, RenderContext context, TemplateValue? otherwise = null)
    {
        if (path is null or NoneValue) return element => element;
        TemplateValue[] parts = path is StringValue text ? Parts(text.Text) : [path];
        return element =>
        {
            foreach (TemplateValue part in parts)
            {
                element = Access.Item(element, part, context);
                if (otherwise is not null and not NoneValue && element is UndefinedValue) element = otherwise;
            }
            return element;
        };
    }

    private static TemplateValue[] Parts(string path) => Array.ConvertAll<string, TemplateValue>(path.Split('.'), part =>
        part.Length > 0 && part.All(char.IsAsciiDigit) ? new IntValue(BigInteger.Parse(part, CultureInfo.InvariantCulture)) : new StringValue(part));

    /// <summary>The same, and upper-case letters count as lower-case ones unless told otherwise.</summary>
    public static Func<TemplateValue, TemplateValue> Key(TemplateValue? path, bool caseSensitive, RenderContext context, TemplateValue? otherwise = null)
    {
        Func<TemplateValue, TemplateValue> getter = Getter(path, context, otherwise);
        return caseSensitive ? getter : element => IgnoreCase(getter(element), context);
    }

    public static TemplateValue IgnoreCase(TemplateValue value, RenderContext context)
        => value is StringValue text ? context.Text(Casing.Lower(text.Text)) : value;
}
