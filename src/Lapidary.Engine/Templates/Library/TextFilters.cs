using System.Text;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Filters on text. Those that Jinja applies to str(value) accept any value; the others need a string.</summary>
internal static class TextFilters
{
    public static readonly Builtin[] All =
    [
        new("string", [], (context, value, _) => AsString(value, context)),
        new("upper", [], (context, value, _) => Change(value, context, Casing.Upper)),
        new("lower", [], (context, value, _) => Change(value, context, Casing.Lower)),
        new("capitalize", [], (context, value, _) => Change(value, context, Casing.Capitalize)),
        new("title", [], (context, value, _) => Change(value, context, Casing.TitleFilter)),
        new("trim", ["chars?"], (context, value, a) => StringMethods.Stripped(context, AsString(value, context), a, Sides.Both)),
        new("replace", ["old", "new", "count?"], Replace),
        new("center", ["width?"], (context, value, a) => StringMethods.Pad(AsString(value, context), a.Integer(0, 80), " ", Sides.Both, context)),
        new("indent", ["width?", "first?", "blank?"], Indent),
        new("truncate", ["length?", "killwords?", "end?", "leeway?"], Truncate),
        new("wordcount", [], WordCount),
        new("wordwrap", ["width?", "break_long_words?", "wrapstring?", "break_on_hyphens?"], WordWrap.Wrap),
        new("format", [], Format) { AnyArguments = true },
    ];

    public static StringValue AsString(TemplateValue value, RenderContext context)
        => value as StringValue ?? new StringValue(PythonText.Str(value, context));

    private static StringValue Change(TemplateValue value, RenderContext context, Func<string, string> change)
    {
        StringValue text = AsString(value, context);
        context.ChargeText(text.Text.Length);
        return text.With(change(text.Text));
    }

    private static StringValue Replace(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        string text = PythonText.Str(value, context), old = PythonText.Str(arguments[0]!, context), with = PythonText.Str(arguments[1]!, context);
        int count = arguments.IsNone(2) ? -1 : arguments.Integer(2, -1);
        return new StringValue(StringMethods.Replace(new StringValue(text), old, with, count, context));
    }

    private static StringValue Indent(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is not StringValue text) throw new TemplateFault($"indent needs a string, got {value.TypeName}");
        string indent = arguments[0] switch
        {
            StringValue given => given.Text,
            _ => Spaces(arguments.Integer(0, 4), context),
        };
        context.ChargeText(text.Text.Length);
        List<string> lines = PythonText.Lines(text.Text + "\n");
        context.ChargeText(text.Text.Length + (long)indent.Length * lines.Count);
        StringBuilder indented = new();
        for (int i = 0; i < lines.Count; i++)
        {
            if (i > 0) indented.Append('\n');
            bool isIndented = i == 0 ? arguments.IsTrue(1) : arguments.IsTrue(2) || lines[i].Length > 0;
            if (isIndented) indented.Append(indent);
            indented.Append(lines[i]);
        }
        return text.With(indented.ToString());
    }

    private static string Spaces(int count, RenderContext context)
    {
        context.ChargeText(Math.Max(count, 0));
        return new string(' ', Math.Max(count, 0));
    }

    private static TemplateValue Truncate(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        int length = arguments.Integer(0, 255), leeway = arguments.IsNone(3) ? 5 : arguments.Integer(3, 5);
        StringValue end = arguments[2] switch
        {
            null => new StringValue("..."),
            StringValue given => given,
            _ => throw new TemplateFault("truncate needs a string for its end"),
        };
        int kept = length - end.Length!.Value;
        if (kept < 0) throw new TemplateFault($"truncate to {length} characters leaves no room for its end \"{end.Text}\"");
        if (leeway < 0) throw new TemplateFault("truncate needs a leeway of at least 0");
        if (SequenceFilters.Length(context, value, default).Value <= length + leeway) return value;
        if (value is not StringValue text) throw new TemplateFault($"truncate needs a string, got {value.TypeName}");
        context.ChargeText(kept);
        string start = text.Substring(0, kept);
        int space = arguments.IsTrue(1) ? -1 : start.LastIndexOf(' ');
        return context.Text((space < 0 ? start : start[..space]) + end.Text);
    }

    private static IntValue WordCount(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        int words = 0;
        bool inWord = false;
        string text = PythonText.Str(value, context);
        context.Charge(text.Length >> 2);
        for (int i = 0; i < text.Length; i++)
        {
            bool isWord = WordWrap.IsWord(text, i);
            if (isWord && !inWord) words++;
            inWord = isWord;
        }
        return new IntValue(words);
    }

    private static StringValue Format(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        Arguments call = arguments.Call;
        if (call.Positional.Count > 0 && call.Named.Count > 0) throw new TemplateFault("format takes positional or named arguments, not both");
        if (call.Named.Count == 0) return PrintfFormat.Format(AsString(value, context), new TupleValue(call.Positional), context);
        DictValue named = new(context);
        foreach (var (name, argument) in call.Named) named.Set(new StringValue(name), argument);
        return PrintfFormat.Format(AsString(value, context), named, context);
    }
}
