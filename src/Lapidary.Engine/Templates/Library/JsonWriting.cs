using System.Globalization;
using System.Text;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>transformers' tojson: Python's json.dumps with ensure_ascii off, without escaping HTML.</summary>
internal sealed class JsonWriting
{
    private readonly RenderContext _context;
    private readonly ReprWriter _writer;
    private readonly bool _ensureAscii;
    private readonly bool _sortKeys;
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;
    private int _level;

    private JsonWriting(RenderContext context, BoundArguments arguments)
    {
        _context = context;
        _writer = new ReprWriter(context);
        _ensureAscii = arguments.IsTrue(0);
        _indent = arguments[1] switch
        {
            null or NoneValue => null,
            StringValue text => text.Text,
            _ => new string(' ', Math.Clamp(arguments.Integer(1, 0), 0, 1 << 16)),
        };
        _sortKeys = arguments.IsTrue(3);
        (_itemSeparator, _keySeparator) = _indent is null ? (", ", ": ") : (",", ": ");
        if (arguments.IsNone(2)) return;
        List<TemplateValue> separators = context.Collect(arguments[2]!);
        if (separators.Count != 2 || separators[0].AsText is not { } item || separators[1].AsText is not { } key)
            throw new TemplateFault("tojson needs two strings as separators, like (\",\", \":\")");
        (_itemSeparator, _keySeparator) = (item, key);
    }

    public static StringValue ToJson(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        JsonWriting json = new(context, arguments);
        json.Write(value);
        return new StringValue(json._writer.ToString());
    }

    private void Write(TemplateValue value)
    {
        _context.Charge();
        switch (value)
        {
            case NoneValue: _writer.Append("null"); break;
            case BoolValue: _writer.Append(value.IsTrue ? "true" : "false"); break;
            case IntValue: _writer.Append(PythonText.Repr(value, _context)); break;
            case FloatValue real: _writer.Append(Float(real.Value)); break;
            case StringValue text: WriteText(text.Text); break;
            case SequenceValue sequence: WriteList(sequence); break;
            case DictValue dict: WriteDict(dict); break;
            case UndefinedValue undefined: throw new TemplateFault($"tojson cannot write an undefined value: {undefined.Reason}");
            default: throw new TemplateFault($"tojson cannot write a value of type {value.TypeName}");
        }
    }

    private static string Float(double value) => value switch
    {
        double.NaN => "NaN",
        double.PositiveInfinity => "Infinity",
        double.NegativeInfinity => "-Infinity",
        _ => PythonFloat.Repr(value),
    };

    private void WriteList(SequenceValue list)
    {
        if (list.Items.Count == 0) { _writer.Append("[]"); return; }
        Open("[");
        for (int i = 0; i < list.Items.Count; i++)
        {
            if (i > 0) NextItem();
            Write(list.Items[i]);
        }
        Close("]");
    }

    private void WriteDict(DictValue dict)
    {
        if (dict.Count == 0) { _writer.Append("{}"); return; }
        List<TemplateValue> members = _context.Collect(new DictViewValue(dict, DictView.Items));
        if (_sortKeys) members = Comparison.Sort(members, member => member, SortDirection.Ascending, _context);
        Open("{");
        for (int i = 0; i < members.Count; i++)
        {
            if (i > 0) NextItem();
            var member = ((TupleValue)members[i]).Items;
            WriteText(Key(member[0]));
            _writer.Append(_keySeparator);
            Write(member[1]);
        }
        Close("}");
    }

    private string Key(TemplateValue key) => key switch
    {
        StringValue text => text.Text,
        NoneValue => "null",
        BoolValue => key.IsTrue ? "true" : "false",
        IntValue => PythonText.Repr(key, _context),
        FloatValue real => Float(real.Value),
        _ => throw new TemplateFault($"tojson cannot write a {key.TypeName} as a key"),
    };

    private void Open(string bracket)
    {
        _context.Enter();
        _level++;
        _writer.Append(bracket);
        NewLine();
    }

    private void NextItem()
    {
        _writer.Append(_itemSeparator);
        NewLine();
    }

    private void Close(string bracket)
    {
        _level--;
        NewLine();
        _writer.Append(bracket);
        _context.Leave();
    }

    private void NewLine()
    {
        if (_indent is null) return;
        _writer.Append("\n");
        for (int i = 0; i < _level; i++) _writer.Append(_indent);
    }

    private void WriteText(string text)
    {
        StringBuilder json = new(text.Length + 2);
        json.Append('"');
        foreach (char c in text)
        {
            int known = "\"\\\n\r\t\b\f".IndexOf(c, StringComparison.Ordinal);
            if (known >= 0) json.Append('\\').Append("\"\\nrtbf"[known]);
            else if (c < ' ' || (_ensureAscii && c > '~')) json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else json.Append(c);
        }
        _writer.Append(json.Append('"').ToString());
    }
}
