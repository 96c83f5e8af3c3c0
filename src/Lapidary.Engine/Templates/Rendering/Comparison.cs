using System.Numerics;
using Lapidary.Templates.Syntax;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Rendering;

/// <summary>Python's ==, &lt; and "in", and stable sorting with them.</summary>
internal static class Comparison
{
    public static bool Holds(ComparisonOperator comparison, TemplateValue left, TemplateValue right, RenderContext context) => comparison switch
    {
        ComparisonOperator.Equal => AreEqual(left, right, context),
        ComparisonOperator.NotEqual => !AreEqual(left, right, context),
        ComparisonOperator.In => Contains(right, left, context),
        ComparisonOperator.NotIn => !Contains(right, left, context),
        ComparisonOperator.Less => Order(left, right, context) is < 0,
        ComparisonOperator.LessOrEqual => Order(left, right, context) is <= 0,
        ComparisonOperator.Greater => Order(left, right, context) is > 0,
        _ => Order(left, right, context) is >= 0,
    };

    public static bool AreEqual(TemplateValue left, TemplateValue right, RenderContext context)
    {
        context.Charge();
        switch (left, right)
        {
            case (StringValue a, StringValue b):
                context.Charge(Math.Min(a.Text.Length, b.Text.Length) >> 4);
                return a.Text == b.Text;
            case (UndefinedValue, UndefinedValue):
                return true;
            case (DictValue a, DictValue b):
                return ReferenceEquals(a, b) || AreEqual(a, b, context);
            case (RangeValue a, RangeValue b):
                return a.Count == b.Count && (a.Count == 0 || (a.Start == b.Start && (a.Count == 1 || a.Step == b.Step)));
            case (SequenceValue a, SequenceValue b) when a.GetType() == b.GetType():
                return a.Items.Count == b.Items.Count && FirstDifference(a, b, context) < 0;
        }
        if (IsNumber(left) && IsNumber(right)) return Numbers(left, right) == 0;
        return ReferenceEquals(left, right);
    }

    private static bool AreEqual(DictValue a, DictValue b, RenderContext context)
    {
        if (a.Count != b.Count) return false;
        context.Charge(a.Count);
        context.Enter();
        bool equal = true;
        foreach (var (key, value) in a.Members)
            if (equal) equal = b.Find(key) is { } other && (ReferenceEquals(value, other) || AreEqual(value, other, context));
        context.Leave();
        return equal;
    }

    /// <summary>Index of the first pair that differs; -1 when the shorter is the other's beginning.</summary>
    private static int FirstDifference(SequenceValue a, SequenceValue b, RenderContext context)
    {
        int difference = -1, length = Math.Min(a.Items.Count, b.Items.Count);
        context.Enter();
        context.Charge(length >> 3);   // also elements that are the same object have to be walked over
        for (int i = 0; i < length && difference < 0; i++)
            if (!ReferenceEquals(a.Items[i], b.Items[i]) && !AreEqual(a.Items[i], b.Items[i], context)) difference = i;
        context.Leave();
        return difference;
    }

    private static bool IsNumber(TemplateValue value) => value is IntValue or BoolValue or FloatValue;

    /// <summary>Negative, zero or positive; null when one of the numbers is NaN.</summary>
    private static int? Numbers(TemplateValue left, TemplateValue right)
    {
        if (left.Integer is { } a && right.Integer is { } b) return a.CompareTo(b);
        if (left is FloatValue x && right is FloatValue y) return double.IsNaN(x.Value) || double.IsNaN(y.Value) ? null : x.Value.CompareTo(y.Value);
        return left is FloatValue real ? -IntegerWithFloat(right.Integer!.Value, real.Value) : IntegerWithFloat(left.Integer!.Value, ((FloatValue)right).Value);
    }

    // Exact: an integer beyond 2^53 must not be rounded to a float first.
    private static int? IntegerWithFloat(BigInteger integer, double real)
    {
        if (double.IsNaN(real)) return null;
        if (double.IsInfinity(real)) return real > 0 ? -1 : 1;
        double floor = Math.Floor(real);
        int order = integer.CompareTo(new BigInteger(floor));
        return order == 0 && floor < real ? -1 : order;
    }

    /// <summary>Negative, zero or positive; null when unordered (NaN).</summary>
    /// <exception cref="TemplateFault">Python cannot order these types.</exception>
    public static int? Order(TemplateValue left, TemplateValue right, RenderContext context)
    {
        context.Charge();
        if (left is UndefinedValue undefinedLeft) throw undefinedLeft.Fault();
        if (right is UndefinedValue undefinedRight) throw undefinedRight.Fault();
        if (IsNumber(left) && IsNumber(right)) return Numbers(left, right);
        if (left is StringValue a && right is StringValue b) return Strings(a.Text, b.Text, context);
        if (left is SequenceValue x && right is SequenceValue y && x.GetType() == y.GetType())
        {
            int difference = FirstDifference(x, y, context);
            return difference < 0 ? x.Items.Count.CompareTo(y.Items.Count) : Order(x.Items[difference], y.Items[difference], context);
        }
        throw new TemplateFault($"{left.TypeName} and {right.TypeName} cannot be ordered");
    }

    /// <summary>By code points; UTF-16 order differs where surrogates meet U+E000 to U+FFFF.</summary>
    private static int Strings(string a, string b, RenderContext context)
    {
        context.Charge(Math.Min(a.Length, b.Length) >> 4);
        int common = a.AsSpan().CommonPrefixLength(b);
        if (common == a.Length || common == b.Length) return a.Length.CompareTo(b.Length);
        char x = a[common], y = b[common];
        return char.IsSurrogate(x) != char.IsSurrogate(y) ? (char.IsSurrogate(x) ? 1 : -1) : x.CompareTo(y);
    }

    /// <summary>item in container</summary>
    public static bool Contains(TemplateValue container, TemplateValue item, RenderContext context)
    {
        switch (container)
        {
            case StringValue text:
                if (item is not StringValue part) throw new TemplateFault($"only a string can be in a string, not {item.TypeName}");
                context.ChargeSearch(text.Text.Length, part.Text.Length);
                return text.Text.Contains(part.Text, StringComparison.Ordinal);
            case DictValue dict:
                item.Hash();
                return dict.Find(item) is not null;
        }
        IEnumerator<TemplateValue> items = container.Iterator();
        while (items.MoveNext())
            if (ReferenceEquals(items.Current, item) || AreEqual(items.Current, item, context)) return true;
        return false;
    }

    /// <summary>Python's sorted(): stable, also in reverse; compares with "&lt;" only.</summary>
    public static List<TemplateValue> Sort(List<TemplateValue> items, Func<TemplateValue, TemplateValue> key, SortDirection direction, RenderContext context)
    {
        return Sort(items, key, (a, b) => (direction == SortDirection.Ascending ? Order(a, b, context) : Order(b, a, context)) is < 0, context);
    }

    /// <param name="precedes">Whether the element with the first key must stand before the one with the second.</param>
    public static List<TemplateValue> Sort(
        List<TemplateValue> items, Func<TemplateValue, TemplateValue> key, Func<TemplateValue, TemplateValue, bool> precedes, RenderContext context)
    {
        context.ChargeElements(items.Count);
        (TemplateValue Key, TemplateValue Item)[] pairs = [.. items.Select(item => (key(item), item))];
        var spare = new (TemplateValue Key, TemplateValue Item)[pairs.Length];
        MergeSort(pairs, spare, 0, pairs.Length, (a, b) => precedes(a.Key, b.Key));
        return [.. pairs.Select(pair => pair.Item)];
    }

    /// <summary>Whether "&lt;" orders values of these types (tuples may still differ inside).</summary>
    public static bool CanOrder(TemplateValue left, TemplateValue right)
        => (IsNumber(left) && IsNumber(right)) || (left is StringValue && right is StringValue) || (left is SequenceValue && left.GetType() == right.GetType());

    private static void MergeSort<T>(T[] items, T[] spare, int start, int end, Func<T, T, bool> precedes)
    {
        if (end - start < 2) return;
        int middle = (start + end) / 2, left = start, right = middle;
        MergeSort(items, spare, start, middle, precedes);
        MergeSort(items, spare, middle, end, precedes);
        for (int i = start; i < end; i++)
            spare[i] = left < middle && (right >= end || !precedes(items[right], items[left])) ? items[left++] : items[right++];
        Array.Copy(spare, start, items, start, end - start);
    }
}

internal enum SortDirection { Ascending, Descending }
