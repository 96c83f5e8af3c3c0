using Lapidary.Templates.Library;
using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>What lists and tuples share.</summary>
internal abstract class SequenceValue(IReadOnlyList<TemplateValue> items) : TemplateValue
{
    public IReadOnlyList<TemplateValue> Items => items;

    internal override bool IsTrue => items.Count > 0;

    internal override int? Length => items.Count;

    internal override bool IsIterable => true;

    internal override IEnumerator<TemplateValue> Iterator() => items.GetEnumerator();

    internal override TemplateValue? Item(TemplateValue key, RenderContext context)
    {
        if (key.Integer is not { } index) return null;
        if (index < 0) index += items.Count;
        return index < 0 || index >= items.Count ? null : items[(int)index];
    }

    internal override TemplateValue? Attribute(string name) => SequenceMethods.Find(this, name);

    /// <summary>A sequence of the same type with other elements.</summary>
    public abstract SequenceValue With(List<TemplateValue> other);
}

internal sealed class ListValue(List<TemplateValue> items) : SequenceValue(items)
{
    internal override string TypeName => "list";

    public override SequenceValue With(List<TemplateValue> other) => new ListValue(other);

    internal override void AppendRepr(ReprWriter writer)
    {
        writer.Append("[");
        writer.AppendItems(Items);
        writer.Append("]");
    }

    internal override int Hash() => throw new TemplateFault("a list cannot be a key");
}

internal sealed class TupleValue(IReadOnlyList<TemplateValue> items) : SequenceValue(items)
{
    private int? _hash;

    /// <summary>Set on the tuples of the groupby filter, which also answer to .grouper and .list.</summary>
    public bool IsGroup { get; init; }

    internal override string TypeName => "tuple";

    public override SequenceValue With(List<TemplateValue> other) => new TupleValue(other);

    internal override TemplateValue? Attribute(string name) => (IsGroup, name) switch
    {
        (true, "grouper") => Items[0],
        (true, "list") => Items[1],
        _ => base.Attribute(name),
    };

    internal override void AppendRepr(ReprWriter writer)
    {
        writer.Append("(");
        writer.AppendItems(Items);
        writer.Append(Items.Count == 1 ? ",)" : ")");
    }

    internal override int Hash()
    {
        if (_hash is { } known) return known;
        RenderContext.EnsureStack();
        HashCode hash = new();
        foreach (TemplateValue item in Items) hash.Add(item.Hash());
        return (_hash = hash.ToHashCode()).Value;
    }
}

/// <summary>Python's range: computed, not stored.</summary>
internal sealed class RangeValue(long start, long stop, long step) : TemplateValue
{
    public int Count { get; } = CountOf(start, stop, step);

    public long Start => start;

    public long Step => step;

    internal override string TypeName => "range";

    internal override bool IsTrue => Count > 0;

    internal override int? Length => Count;

    internal override bool IsIterable => true;

    private static int CountOf(long start, long stop, long step)
    {
        Int128 span = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        Int128 stride = step > 0 ? step : -(Int128)step;
        Int128 count = span <= 0 ? 0 : (span + stride - 1) / stride;
        return count <= TemplateLimits.RangeElements ? (int)count
            : throw new TemplateFault($"range() of {count} elements is larger than the {TemplateLimits.RangeElements} the sandbox allows");
    }

    public TemplateValue At(int index) => new IntValue(start + index * step);

    internal override IEnumerator<TemplateValue> Iterator()
    {
        for (int i = 0; i < Count; i++) yield return At(i);
    }

    internal override TemplateValue? Item(TemplateValue key, RenderContext context)
    {
        if (key.Integer is not { } index) return null;
        if (index < 0) index += Count;
        return index < 0 || index >= Count ? null : At((int)index);
    }

    internal override TemplateValue? Attribute(string name) => name switch
    {
        "start" => new IntValue(start),
        "stop" => new IntValue(stop),
        "step" => new IntValue(step),
        _ => SequenceMethods.Find(this, name),
    };

    internal override void AppendRepr(ReprWriter writer)
        => writer.Append(step == 1 ? $"range({start}, {stop})" : $"range({start}, {stop}, {step})");

    internal override int Hash() => HashCode.Combine(Count, Count > 0 ? start : 0, Count > 1 ? step : 0);
}
