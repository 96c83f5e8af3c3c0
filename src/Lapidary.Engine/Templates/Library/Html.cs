using System.Buffers;
using System.Net;
using System.Text;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Escaping as MarkupSafe does it.</summary>
internal static class Html
{
    /// <summary>The text with &amp; &lt; &gt; ' and " escaped; markup as it is.</summary>
    public static StringValue Escape(StringValue text, RenderContext context) => text.IsMarkup ? text : StringValue.Markup(Escape(text.Text, context));

    public static string Escape(string text, RenderContext context)
    {
        context.ChargeText(text.Length + 4L * text.AsSpan().CountAny("&><'\""));
        return Escape(text);
    }

    private static string Escape(string text) => text
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal);
}

/// <summary>Filters that make or undo HTML. Chat templates run without automatic escaping.</summary>
internal static class HtmlFilters
{
    public static readonly Builtin[] All =
    [
        new("escape", [], Escape),
        new("e", [], Escape),
        new("forceescape", [], (context, value, _) => Escaped(PythonText.Str(value, context), context)),
        new("safe", [], Safe),
        new("striptags", [], StripTags),
        new("xmlattr", ["autospace?"], XmlAttributes),
        new("urlencode", [], UrlEncode),
    ];

    private static readonly SearchValues<char> NotInNames = SearchValues.Create(" \t\n\r\f\v/>=");

    private static StringValue Escape(RenderContext context, TemplateValue value, BoundArguments arguments)
        => value is StringValue { IsMarkup: true } markup ? markup : Escaped(PythonText.Str(value, context), context);

    private static StringValue Safe(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        string text = PythonText.Str(value, context);
        context.Charge(text.Length >> 4);
        return StringValue.Markup(text);
    }

    private static StringValue Escaped(string text, RenderContext context) => StringValue.Markup(Html.Escape(text, context));

    private static StringValue StripTags(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        string text = PythonText.Str(value, context);
        context.ChargeText(text.Length);
        text = Without(Without(text, "<!--", "-->"), "<", ">");
        return new StringValue(WebUtility.HtmlDecode(string.Join(' ', StringSplitting.OnSpace(text, -1))));
    }

    private static string Without(string text, string open, string close)
    {
        StringBuilder kept = new();
        int from = 0;
        while (text.IndexOf(open, from, StringComparison.Ordinal) is >= 0 and var start && text.IndexOf(close, start, StringComparison.Ordinal) is >= 0 and var end)
        {
            kept.Append(text, from, start - from);
            from = end + close.Length;
        }
        return kept.Append(text, from, text.Length - from).ToString();
    }

    private static StringValue XmlAttributes(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is UndefinedValue undefined) throw undefined.Fault();
        if (value is not DictValue dict) throw new TemplateFault($"xmlattr needs a dict, got {value.TypeName}");
        OutputBuffer attributes = new(context);
        string space = arguments[0]?.IsTrue != false ? " " : "";
        foreach (var (key, member) in dict.Members)
        {
            if (member is NoneValue or UndefinedValue) continue;
            string name = key.AsText ?? throw new TemplateFault("the names of attributes must be strings");
            if (name.AsSpan().IndexOfAny(NotInNames) >= 0) throw new TemplateFault($"\"{name}\" cannot name an attribute");
            string text = member is StringValue { IsMarkup: true } markup ? markup.Text : Escaped(PythonText.Str(member, context), context).Text;
            attributes.Append(space);
            attributes.Append(Escaped(name, context).Text);
            attributes.Append("=\"");
            attributes.Append(text);
            attributes.Append("\"");
            space = " ";
        }
        return new StringValue(attributes.ToString());
    }

    private static StringValue UrlEncode(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is StringValue || !value.IsIterable) return new StringValue(Quote(PythonText.Str(value, context), "/", context));
        TemplateValue pairs = value is DictValue dict ? new DictViewValue(dict, DictView.Items) : value;
        List<string> parts = [];
        foreach (TemplateValue pair in context.Collect(pairs))
        {
            List<TemplateValue> both = context.Collect(pair);
            if (both.Count != 2) throw new TemplateFault("urlencode needs pairs of a name and a value");
            parts.Add(QueryPart(both[0], context) + "=" + QueryPart(both[1], context));
        }
        return context.Text(string.Join('&', parts));
    }

    private static string QueryPart(TemplateValue value, RenderContext context)
        => Quote(PythonText.Str(value, context), "", context).Replace("%20", "+", StringComparison.Ordinal);

    private static string Quote(string text, string safe, RenderContext context)
    {
        context.ChargeText(3L * Encoding.UTF8.GetByteCount(text));
        StringBuilder quoted = new();
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            char c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || safe.Contains(c, StringComparison.Ordinal)) quoted.Append(c);
            else quoted.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return quoted.ToString();
    }
}
