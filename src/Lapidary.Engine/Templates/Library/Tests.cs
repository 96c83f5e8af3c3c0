using System.Numerics;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Syntax;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>The tests after "is".</summary>
internal static class Tests
{
    public static readonly Catalogue All = new("test", Types(), Numbers(), Comparisons());

    private static Builtin Is(string name, Func<TemplateValue, bool> test) => new(name, [], (_, value, _) => BoolValue.Of(test(value)));

    private static Builtin[] Types() =>
    [
        Is("defined", value => value is not UndefinedValue),
        Is("undefined", value => value is UndefinedValue),
        Is("none", value => value is NoneValue),
        Is("boolean", value => value is BoolValue),
        Is("true", value => value == BoolValue.True),
        Is("false", value => value == BoolValue.False),
        Is("integer", value => value is IntValue),
        Is("float", value => value is FloatValue),
        Is("number", value => value is IntValue or FloatValue or BoolValue),
        Is("string", value => value is StringValue),
        Is("mapping", value => value is DictValue),
        Is("iterable", value => value.IsIterable),
        // What has a length and items, which in Python a dict and Jinja's Undefined have too.
        Is("sequence", value => value is StringValue or SequenceValue or DictValue or RangeValue or UndefinedValue),
        Is("callable", value => value is CallableValue or UndefinedValue),
        Is("escaped", value => value is StringValue { IsMarkup: true }),
        new("lower", [], (context, value, _) => Cased(context, value, Casing.IsLower)),
        new("upper", [], (context, value, _) => Cased(context, value, Casing.IsUpper)),
        new("filter", [], (_, value, _) => BoolValue.Of(value.AsText is { } name && Filters.All.Find(name) is not null)),
        new("test", [], (_, value, _) => BoolValue.Of(value.AsText is { } name && All!.Find(name) is not null)),
        new("sameas", ["other"], (context, value, arguments) =>
        {
            context.Charge((value.AsText?.Length ?? 0) >> 4);
            return BoolValue.Of(IsSame(value, arguments[0]!));
        }),
    ];

    private static BoolValue Cased(RenderContext context, TemplateValue value, Func<string, bool> test)
    {
        string text = PythonText.Str(value, context);
        context.Charge(text.Length >> 1);
        return BoolValue.Of(test(text));
    }

    /// <summary>Python's "is": the same object. CPython has one object for each small integer and each short literal string.</summary>
    private static bool IsSame(TemplateValue value, TemplateValue other) => (value, other) switch
    {
        (IntValue a, IntValue b) => a.Value == b.Value && a.Value >= -5 && a.Value <= 256,
        (StringValue a, StringValue b) => a.Text == b.Text,
        _ => ReferenceEquals(value, other),
    };

    private static Builtin[] Numbers() =>
    [
        new("odd", [], (context, value, _) => RemainderIs(value, new IntValue(2), 1, context)),
        new("even", [], (context, value, _) => RemainderIs(value, new IntValue(2), 0, context)),
        new("divisibleby", ["num"], (context, value, arguments) => RemainderIs(value, arguments[0]!, 0, context)),
    ];

    private static BoolValue RemainderIs(TemplateValue value, TemplateValue divisor, BigInteger wanted, RenderContext context)
        => BoolValue.Of(Comparison.AreEqual(Arithmetic.Apply(BinaryOperator.Modulo, value, divisor, context), new IntValue(wanted), context));

    private static IEnumerable<Builtin> Comparisons()
    {
        (string Names, ComparisonOperator Operator)[] comparisons =
        [
            ("eq equalto ==", ComparisonOperator.Equal), ("ne !=", ComparisonOperator.NotEqual),
            ("lt lessthan <", ComparisonOperator.Less), ("le <=", ComparisonOperator.LessOrEqual),
            ("gt greaterthan >", ComparisonOperator.Greater), ("ge >=", ComparisonOperator.GreaterOrEqual),
            ("in", ComparisonOperator.In),
        ];
        foreach (var (names, comparison) in comparisons)
            foreach (string name in names.Split(' '))
                yield return new(name, ["other"], (context, value, arguments) => BoolValue.Of(Comparison.Holds(comparison, value, arguments[0]!, context)));
    }
}
