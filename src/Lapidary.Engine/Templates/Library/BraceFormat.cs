using System.Globalization;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Python's str.format: "{}", "{0}", "{name.attribute[key]!r:spec}".</summary>
internal sealed class BraceFormat
{
    private readonly RenderContext _context;
    private readonly Arguments _arguments;
    private readonly TemplateValue? _mapping;
    private int _automatic;
    private bool _numbered;

    private BraceFormat(RenderContext context, Arguments arguments, TemplateValue? mapping)
        => (_context, _arguments, _mapping) = (context, arguments, mapping);

    public static StringValue Format(StringValue format, Arguments arguments, RenderContext context)
        => format.With(new BraceFormat(context, arguments, null).Expand(format.Text, depth: 2));

    public static StringValue FormatMap(StringValue format, TemplateValue mapping, RenderContext context)
        => format.With(new BraceFormat(context, Arguments.None, mapping).Expand(format.Text, depth: 2));

    private string Expand(string format, int depth)
    {
        if (depth == 0) throw new TemplateFault("formats are nested too deeply");
        OutputBuffer text = new(_context);
        for (int i = 0; i < format.Length; i++)
        {
            int brace = format.AsSpan(i).IndexOfAny('{', '}');
            text.Append(brace < 0 ? format[i..] : format[i..(i + brace)]);
            if (brace < 0) break;
            i += brace;
            if (i + 1 < format.Length && format[i + 1] == format[i])
            {
                text.Append(format[i++] == '{' ? "{" : "}");
                continue;
            }
            if (format[i] == '}') throw new TemplateFault("a format has a single \"}\"");
            int end = FieldEnd(format, i + 1);
            text.Append(Field(format[(i + 1)..end], depth));
            i = end;
        }
        return text.ToString();
    }

    private static int FieldEnd(string format, int start)
    {
        int open = 1;
        for (int i = start; i < format.Length; i++)
        {
            if (format[i] == '{') open++;
            else if (format[i] == '}' && --open == 0) return i;
        }
        throw new TemplateFault("a format has a \"{\" without its \"}\"");
    }

    private string Field(string field, int depth)
    {
        int mark = field.AsSpan().IndexOfAny('!', ':');
        // A key in brackets may hold either mark.
        int bracket = field.IndexOf('[', StringComparison.Ordinal);
        if (bracket >= 0 && bracket < mark) mark = field.IndexOf(']', bracket) is >= 0 and var close ? field.AsSpan(close).IndexOfAny('!', ':') is >= 0 and var after ? close + after : -1 : mark;
        string name = mark < 0 ? field : field[..mark], rest = mark < 0 ? "" : field[mark..];
        TemplateValue value = Lookup(name);
        if (rest.StartsWith('!'))
        {
            if (rest.Length < 2 || (rest.Length > 2 && rest[2] != ':')) throw new TemplateFault($"\"{rest}\" is not a conversion");
            value = Convert(value, rest[1]);
            rest = rest[2..];
        }
        string spec = rest.Length > 0 ? Expand(rest[1..], depth - 1) : "";
        return spec.Length == 0 ? PythonText.Str(value, _context) : FormatSpec.Parse(spec).Apply(value, _context);
    }

    private StringValue Convert(TemplateValue value, char conversion) => new(conversion switch
    {
        's' => PythonText.Str(value, _context),
        'r' => PythonText.Repr(value, _context),
        'a' => PrintfFormat.AsciiRepr(value, _context),
        _ => throw new TemplateFault($"\"!{conversion}\" is not a conversion"),
    });

    private TemplateValue Lookup(string name)
    {
        int end = name.AsSpan().IndexOfAny('.', '[');
        if (end == 0) throw new TemplateFault($"\"{name}\" is not a field of a format: an attribute or item needs a number or name before it");
        TemplateValue value = First(end < 0 ? name : name[..end]);
        while (end >= 0 && end < name.Length)
        {
            if (name[end] == '.')
            {
                int next = name.AsSpan(end + 1).IndexOfAny('.', '[');
                int stop = next < 0 ? name.Length : end + 1 + next;
                value = Access.Attribute(value, new StringValue(name[(end + 1)..stop]), _context);
                end = stop;
                continue;
            }
            int close = name[end] == '[' ? name.IndexOf(']', end) : -1;
            if (close < 0) throw new TemplateFault($"\"{name}\" is not a field of a format");
            value = Access.Item(value, Key(name[(end + 1)..close]), _context);
            end = close + 1;
        }
        return value;
    }

    private static TemplateValue Key(string text)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? new IntValue(index) : new StringValue(text);

    private TemplateValue First(string name)
    {
        bool isNumber = int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int index);
        if (!isNumber && name.Length > 0)
        {
            _context.Charge(_arguments.Named.Count);
            return (_mapping is null ? _arguments.NamedOrNull(name) : _mapping.Item(new StringValue(name), _context))
                ?? throw new TemplateFault($"a format names \"{name}\", which was not given");
        }
        if (isNumber ? _automatic > 0 : _numbered) throw new TemplateFault("a format mixes numbered fields with automatic ones");
        if (isNumber) _numbered = true;
        else index = _automatic++;
        return index < _arguments.Positional.Count ? _arguments.Positional[index] : throw new TemplateFault($"a format names argument {index}, which was not given");
    }
}
