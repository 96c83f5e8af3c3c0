using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>The pprint filter: Python's pprint at width 80, except that it does not break long strings.</summary>
internal sealed class PrettyPrinting(RenderContext context)
{
    private const int Width = 80;
    private readonly ReprWriter _writer = new(context);

    public static StringValue PrettyPrint(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        PrettyPrinting printer = new(context);
        printer.Write(value, indent: 0, closing: 0);
        return new StringValue(printer._writer.ToString());
    }

    /// <param name="indent">Column the value starts in.</param>
    /// <param name="closing">Characters that must follow on the value's last line.</param>
    private void Write(TemplateValue value, int indent, int closing)
    {
        context.Charge();
        context.Enter();
        string flat = Flat(value);
        if (flat.Length <= Width - indent - closing) _writer.Append(flat);
        else if (value is DictValue { Count: > 0 } dict) WriteDict(dict, indent, closing);
        else if (value is SequenceValue { Items.Count: > 0 } sequence) WriteSequence(sequence, indent, closing);
        else _writer.Append(flat);
        context.Leave();
    }

    private void WriteSequence(SequenceValue sequence, int indent, int closing)
    {
        (string open, string close) = sequence is ListValue ? ("[", "]") : ("(", sequence.Items.Count == 1 ? ",)" : ")");
        _writer.Append(open);
        for (int i = 0; i < sequence.Items.Count; i++)
        {
            if (i > 0) NextLine(indent);
            Write(sequence.Items[i], indent + 1, i == sequence.Items.Count - 1 ? closing + close.Length : 1);
        }
        _writer.Append(close);
    }

    private void WriteDict(DictValue dict, int indent, int closing)
    {
        List<TemplateValue> members = SortedMembers(dict);
        _writer.Append("{");
        for (int i = 0; i < members.Count; i++)
        {
            if (i > 0) NextLine(indent);
            var member = ((TupleValue)members[i]).Items;
            string key = Flat(member[0]);
            _writer.Append(key + ": ");
            Write(member[1], indent + 1 + key.Length + 2, i == members.Count - 1 ? closing + 1 : 1);
        }
        _writer.Append("}");
    }

    private void NextLine(int indent) => _writer.Append(",\n" + new string(' ', indent + 1));

    private List<TemplateValue> SortedMembers(DictValue dict) => Comparison.Sort(
        context.Collect(new DictViewValue(dict, DictView.Items)), member => ((TupleValue)member).Items[0], Precedes, context);

    /// <summary>Where "&lt;" fails, pprint orders by the types' names.</summary>
    private bool Precedes(TemplateValue a, TemplateValue b) => Comparison.CanOrder(a, b) || a is UndefinedValue || b is UndefinedValue
        ? Comparison.Order(a, b, context) is < 0
        : string.CompareOrdinal($"<class '{a.TypeName}'>", $"<class '{b.TypeName}'>") < 0;

    /// <summary>The value on one line, the keys of dicts sorted.</summary>
    private string Flat(TemplateValue value)
    {
        context.Charge();
        context.Enter();
        string flat = value switch
        {
            DictValue dict => "{" + string.Join(", ", SortedMembers(dict).ConvertAll(member =>
                Flat(((TupleValue)member).Items[0]) + ": " + Flat(((TupleValue)member).Items[1]))) + "}",
            ListValue list => "[" + string.Join(", ", list.Items.Select(Flat)) + "]",
            TupleValue tuple => "(" + string.Join(", ", tuple.Items.Select(Flat)) + (tuple.Items.Count == 1 ? ",)" : ")"),
            _ => PythonText.Repr(value, context),
        };
        context.ChargeText(flat.Length);
        context.Leave();
        return flat;
    }
}
