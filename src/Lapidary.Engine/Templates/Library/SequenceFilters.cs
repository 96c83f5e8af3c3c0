using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Library;

/// <summary>Filters on lists, dicts and other iterables.</summary>
internal static class SequenceFilters
{
    public static readonly Builtin[] All =
    [
        new("length", [], Length),
        new("count", [], Length),
        new("first", [], First),
        new("last", [], Last),
        new("list", [], (context, value, _) => new ListValue(context.Collect(value))),
        new("items", [], Items),
        new("dictsort", ["case_sensitive?", "by?", "reverse?"], DictSort),
        new("sort", ["reverse?", "case_sensitive?", "attribute?"], Sort),
        new("unique", ["case_sensitive?", "attribute?"], (context, value, a) => new GeneratorValue("generator", Unique(context, value, a))),
        new("groupby", ["attribute", "default?", "case_sensitive?"], GroupBy),
        new("reverse", [], Reverse),
        new("min", ["case_sensitive?", "attribute?"], (context, value, a) => Extreme(context, value, a, SortDirection.Ascending)),
        new("max", ["case_sensitive?", "attribute?"], (context, value, a) => Extreme(context, value, a, SortDirection.Descending)),
        new("sum", ["attribute?", "start?"], Sum),
        new("join", ["d?", "attribute?"], Join),
        new("batch", ["linecount", "fill_with?"], (context, value, a) => new GeneratorValue("generator", Batch(context, value, a))),
        new("slice", ["slices", "fill_with?"], (context, value, a) => new GeneratorValue("generator", Slice(context, value, a))),
    ];

    public static IntValue Length(RenderContext context, TemplateValue value, BoundArguments arguments)
        => new(value.Length ?? throw new TemplateFault($"a value of type {value.TypeName} has no length"));

    private static TemplateValue First(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        IEnumerator<TemplateValue> items = value.Iterator();
        return items.MoveNext() ? items.Current : new UndefinedValue("there is no first item: the sequence is empty");
    }

    private static TemplateValue Last(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        IEnumerator<TemplateValue> items = Backwards(value, context) ?? throw new TemplateFault($"a value of type {value.TypeName} has no last item");
        return items.MoveNext() ? items.Current : new UndefinedValue("there is no last item: the sequence is empty");
    }

    /// <summary>Python's reversed(value); null for what cannot be reversed without collecting it first.</summary>
    private static IEnumerator<TemplateValue>? Backwards(TemplateValue value, RenderContext context) => value switch
    {
        StringValue text => Backwards(text.Length!.Value, i => text.With(text.CodePoint(i))),
        SequenceValue sequence => Backwards(sequence.Items.Count, i => sequence.Items[i]),
        RangeValue range => Backwards(range.Count, range.At),
        DictValue dict => Backwards(dict.Count, i => dict.At(i).Key),
        DictViewValue view => Backwards(view.Length!.Value, view.At),
        UndefinedValue => value.Iterator(),
        _ => null,
    };

    private static IEnumerator<TemplateValue> Backwards(int count, Func<int, TemplateValue> at)
    {
        for (int i = count - 1; i >= 0; i--) yield return at(i);
    }

    private static TemplateValue Reverse(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is StringValue text)
        {
            context.ChargeText(text.Text.Length);
            return text.With(string.Concat(Enumerable.Range(0, text.Length!.Value).Reverse().Select(text.CodePoint)));
        }
        if (Backwards(value, context) is { } items) return new GeneratorValue("reverse_iterator", items);
        List<TemplateValue> collected = context.Collect(value);
        collected.Reverse();
        return new ListValue(collected);
    }

    private static GeneratorValue Items(RenderContext context, TemplateValue value, BoundArguments arguments) => value switch
    {
        UndefinedValue => new GeneratorValue("generator", []),
        DictValue dict => new GeneratorValue("generator", new DictViewValue(dict, DictView.Items).Iterator()),
        // Like Jinja's generator, it complains when it is read.
        _ => new GeneratorValue("generator", Fail($"items needs a dict, got {value.TypeName}")),
    };

    private static IEnumerable<TemplateValue> Fail(string message)
    {
        if (message.Length > 0) throw new TemplateFault(message);
        yield break;
    }

    private static ListValue DictSort(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        if (value is UndefinedValue undefined) throw undefined.Fault();
        if (value is not DictValue dict) throw new TemplateFault($"dictsort needs a dict, got {value.TypeName}");
        int position = (arguments.TextOrNull(1) ?? "key") switch
        {
            "key" => 0,
            "value" => 1,
            var other => throw new TemplateFault($"dictsort sorts by \"key\" or \"value\", not by \"{other}\""),
        };
        bool caseSensitive = arguments.IsTrue(0);
        List<TemplateValue> pairs = context.Collect(new DictViewValue(dict, DictView.Items));
        return new ListValue(Comparison.Sort(pairs, pair =>
        {
            TemplateValue key = ((TupleValue)pair).Items[position];
            return caseSensitive ? key : Attributes.IgnoreCase(key, context);
        }, arguments.Flag(2) ? SortDirection.Descending : SortDirection.Ascending, context));
    }

    private static ListValue Sort(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        Func<TemplateValue, TemplateValue> key = Attributes.Key(arguments[2], arguments.IsTrue(1), context);
        if (arguments[2] is StringValue paths && paths.Text.Contains(',', StringComparison.Ordinal))
        {
            var keys = Array.ConvertAll(paths.Text.Split(','), path => Attributes.Key(new StringValue(path), arguments.IsTrue(1), context));
            key = element => new TupleValue(Array.ConvertAll(keys, part => part(element)));
        }
        SortDirection direction = arguments.Flag(0) ? SortDirection.Descending : SortDirection.Ascending;
        return new ListValue(Comparison.Sort(context.Collect(value), key, direction, context));
    }

    private static IEnumerable<TemplateValue> Unique(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        Func<TemplateValue, TemplateValue> key = Attributes.Key(arguments[1], arguments.IsTrue(0), context);
        HashSet<TemplateValue> seen = new(new KeyComparer(context));
        IEnumerator<TemplateValue> items = value.Iterator();
        while (items.MoveNext())
        {
            context.Charge();
            if (seen.Add(key(items.Current))) yield return items.Current;
        }
    }

    private static ListValue GroupBy(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        bool caseSensitive = arguments.IsTrue(2);
        Func<TemplateValue, TemplateValue> key = Attributes.Key(arguments[0], caseSensitive, context, arguments[1]);
        Func<TemplateValue, TemplateValue> name = Attributes.Getter(arguments[0], context, arguments[1]);
        List<TemplateValue> groups = [], members = [];
        foreach (TemplateValue item in Comparison.Sort(context.Collect(value), key, SortDirection.Ascending, context))
        {
            if (members.Count == 0 || !Comparison.AreEqual(key(members[0]), key(item), context))
            {
                members = [];
                groups.Add(new TupleValue([caseSensitive ? key(item) : name(item), new ListValue(members)]) { IsGroup = true });
            }
            members.Add(item);
        }
        return new ListValue(groups);
    }

    private static TemplateValue Extreme(RenderContext context, TemplateValue value, BoundArguments arguments, SortDirection direction)
    {
        Func<TemplateValue, TemplateValue> key = Attributes.Key(arguments[1], arguments.IsTrue(0), context);
        IEnumerator<TemplateValue> items = value.Iterator();
        if (!items.MoveNext()) return new UndefinedValue("there is no smallest or largest item: the sequence is empty");
        TemplateValue best = items.Current, bestKey = key(best);
        while (items.MoveNext())
        {
            TemplateValue candidate = key(items.Current);
            int? order = Comparison.Order(candidate, bestKey, context);
            if (direction == SortDirection.Ascending ? order is < 0 : order is > 0) (best, bestKey) = (items.Current, candidate);
        }
        return best;
    }

    private static TemplateValue Sum(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        Func<TemplateValue, TemplateValue> get = Attributes.Getter(arguments[0], context);
        TemplateValue sum = arguments[1] ?? new IntValue(0);
        if (sum is StringValue) throw new TemplateFault("sum cannot add strings: use join");
        foreach (TemplateValue item in context.Collect(value)) sum = Arithmetic.Apply(Syntax.BinaryOperator.Add, sum, get(item), context);
        return sum;
    }

    private static StringValue Join(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        Func<TemplateValue, TemplateValue> get = Attributes.Getter(arguments[1], context);
        string separator = arguments[0] is { } given ? PythonText.Str(given, context) : "";
        return context.Text(string.Join(separator, Texts(context.Collect(value), get, separator.Length, context)));
    }

    private static List<string> Texts(List<TemplateValue> items, Func<TemplateValue, TemplateValue> get, int separator, RenderContext context)
    {
        List<string> texts = new(items.Count);
        long characters = 0;
        foreach (TemplateValue item in items)
        {
            texts.Add(PythonText.Str(get(item), context));
            characters += texts[^1].Length + separator;
            if (characters > context.Limits.TextCharacters) context.ChargeText(characters);
        }
        return texts;
    }

    private static IEnumerable<TemplateValue> Batch(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        int size = arguments.Integer(0, 0);
        List<TemplateValue> batch = [];
        IEnumerator<TemplateValue> items = value.Iterator();
        while (items.MoveNext())
        {
            context.Charge();
            if (batch.Count == size)
            {
                yield return new ListValue(batch);
                batch = [];
            }
            batch.Add(items.Current);
        }
        if (batch.Count == 0) yield break;
        if (!arguments.IsNone(1) && batch.Count < size)
        {
            context.ChargeElements(size);
            batch.AddRange(Enumerable.Repeat(arguments[1]!, size - batch.Count));
        }
        yield return new ListValue(batch);
    }

    private static IEnumerable<TemplateValue> Slice(RenderContext context, TemplateValue value, BoundArguments arguments)
    {
        List<TemplateValue> items = context.Collect(value);
        int slices = arguments.Integer(0, 0);
        if (slices == 0) throw new TemplateFault("slice needs at least one slice");
        int size = slices < 0 ? 0 : items.Count / slices, larger = slices < 0 ? 0 : items.Count % slices, start = 0;
        for (int i = 0; i < slices; i++)
        {
            int count = size + (i < larger ? 1 : 0);
            context.ChargeElements(count);
            List<TemplateValue> slice = items.GetRange(start, count);
            start += count;
            if (!arguments.IsNone(1) && i >= larger) slice.Add(arguments[1]!);
            yield return new ListValue(slice);
        }
    }
}
