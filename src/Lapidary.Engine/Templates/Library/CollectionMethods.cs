using System.Numerics;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>The methods of list, tuple and range that do not change them; the others are refused, as in Jinja's sandbox.</summary>
internal static class SequenceMethods
{
    private static readonly Builtin Count = new("count", ["value"], (context, sequence, arguments) =>
        new IntValue(context.Collect(sequence).Count(item => Comparison.AreEqual(item, arguments[0]!, context))))
    { PositionalOnly = true };

    private static readonly Builtin Index = new("index", ["value", "start?", "stop?"], IndexOf) { PositionalOnly = true };

    private static readonly Builtin Copy = new("copy", [], (context, list, _) => new ListValue(context.Collect(list))) { PositionalOnly = true };

    public static TemplateValue? Find(TemplateValue sequence, string name) => name switch
    {
        "count" => new BuiltinValue(Count, sequence),
        "index" => new BuiltinValue(Index, sequence),
        "copy" when sequence is ListValue => new BuiltinValue(Copy, sequence),
        "append" or "clear" or "extend" or "insert" or "pop" or "remove" or "reverse" or "sort" when sequence is ListValue
            => new UndefinedValue($"list.{name} is refused: templates cannot change values, use + or a filter"),
        _ => null,
    };

    private static IntValue IndexOf(RenderContext context, TemplateValue sequence, BoundArguments arguments)
    {
        List<TemplateValue> items = context.Collect(sequence);
        int start = Bound(arguments.Integer(1, 0), items.Count), stop = Bound(arguments.Integer(2, items.Count), items.Count);
        for (int i = start; i < stop; i++)
            if (ReferenceEquals(items[i], arguments[0]) || Comparison.AreEqual(items[i], arguments[0]!, context)) return new IntValue(i);
        throw new TemplateFault("index: the value is not in the sequence");
    }

    private static int Bound(int index, int count) => Math.Clamp(index < 0 ? index + count : index, 0, count);
}

/// <summary>The methods of dict that do not change it; the others are refused.</summary>
internal static class DictMethods
{
    private static readonly Builtin Get = new("get", ["key", "default?"], (_, dict, arguments) =>
    {
        arguments[0]!.Hash();
        return ((DictValue)dict).Find(arguments[0]!) ?? arguments[1] ?? NoneValue.Instance;
    })
    { PositionalOnly = true };

    private static readonly Builtin Keys = View("keys", DictView.Keys);
    private static readonly Builtin Values = View("values", DictView.Values);
    private static readonly Builtin Items = View("items", DictView.Items);

    private static readonly Builtin Copy = new("copy", [], (context, dict, _) =>
    {
        DictValue copy = new(context);
        context.ChargeElements(((DictValue)dict).Count);
        foreach (var (key, value) in ((DictValue)dict).Members) copy.Set(key, value);
        return copy;
    })
    { PositionalOnly = true };

    private static Builtin View(string name, DictView view)
        => new(name, [], (_, dict, _) => new DictViewValue((DictValue)dict, view)) { PositionalOnly = true };

    public static TemplateValue? Find(DictValue dict, string name) => name switch
    {
        "get" => new BuiltinValue(Get, dict),
        "keys" => new BuiltinValue(Keys, dict),
        "values" => new BuiltinValue(Values, dict),
        "items" => new BuiltinValue(Items, dict),
        "copy" => new BuiltinValue(Copy, dict),
        "clear" or "pop" or "popitem" or "setdefault" or "update"
            => new UndefinedValue($"dict.{name} is refused: templates cannot change values, use dict(old, key=value)"),
        _ => null,
    };
}

/// <summary>The few attributes of numbers a template might use.</summary>
internal static class NumberMethods
{
    private static readonly Builtin BitLength = new("bit_length", [], (_, number, _) => new IntValue((long)BigInteger.Abs(number.Integer!.Value).GetBitLength()));
    private static readonly Builtin IsInteger = new("is_integer", [], (_, number, _) => BoolValue.Of(double.IsInteger(((FloatValue)number).Value)));

    public static TemplateValue? Find(TemplateValue number, string name) => (name, number.Integer) switch
    {
        ("real" or "numerator", { } integer) => new IntValue(integer),
        ("imag", { }) => new IntValue(0),
        ("denominator", { }) => new IntValue(1),
        ("bit_length", { }) => new BuiltinValue(BitLength, number),
        ("real", null) => number,
        ("imag", null) => new FloatValue(0),
        ("is_integer", null) => new BuiltinValue(IsInteger, number),
        _ => null,
    };
}
