using Lapidary.Templates.Library;
using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>Python's dict: keys keep the order in which they first came.</summary>
internal sealed class DictValue : TemplateValue
{
    private readonly OrderedDictionary<TemplateValue, TemplateValue> _members;

    /// <summary>A dict of the request: its keys are strings.</summary>
    public DictValue() => _members = new(KeyComparer.Strings);

    /// <summary>A dict made by the template, whose keys may be any hashable value.</summary>
    public DictValue(RenderContext context) => _members = new(new KeyComparer(context));

    public int Count => _members.Count;

    public IEnumerable<KeyValuePair<TemplateValue, TemplateValue>> Members => _members;

    internal override string TypeName => "dict";

    internal override bool IsTrue => _members.Count > 0;

    internal override int? Length => _members.Count;

    internal override bool IsIterable => true;

    public void Set(TemplateValue key, TemplateValue value) => _members[key] = value;

    public TemplateValue? Find(TemplateValue key) => _members.TryGetValue(key, out TemplateValue? value) ? value : null;

    public TemplateValue? Find(string key) => Find(new StringValue(key));

    public KeyValuePair<TemplateValue, TemplateValue> At(int index) => _members.GetAt(index);

    internal override IEnumerator<TemplateValue> Iterator() => _members.Keys.GetEnumerator();

    internal override TemplateValue? Item(TemplateValue key, RenderContext context) => IsHashable(key) ? Find(key) : null;

    private static bool IsHashable(TemplateValue key) => key switch
    {
        ListValue or DictValue => false,
        TupleValue tuple => IsHashableTuple(tuple),
        _ => true,
    };

    private static bool IsHashableTuple(TupleValue tuple)
    {
        try { tuple.Hash(); return true; }
        catch (TemplateFault) { return false; }
    }

    internal override TemplateValue? Attribute(string name) => DictMethods.Find(this, name);

    internal override void AppendRepr(ReprWriter writer)
    {
        writer.Append("{");
        bool first = true;
        foreach (var (key, value) in _members)
        {
            if (!first) writer.Append(", ");
            first = false;
            writer.AppendValue(key);
            writer.Append(": ");
            writer.AppendValue(value);
        }
        writer.Append("}");
    }

    internal override int Hash() => throw new TemplateFault("a dict cannot be a key");
}

/// <summary>Equality of dict keys; with a context, comparing long keys is paid for.</summary>
internal sealed class KeyComparer(RenderContext? context) : IEqualityComparer<TemplateValue>
{
    public static readonly KeyComparer Strings = new(null);

    public bool Equals(TemplateValue? x, TemplateValue? y) => (x, y) switch
    {
        (StringValue a, StringValue b) when context is null => a.Text == b.Text,
        _ => ReferenceEquals(x, y) || (context is not null && Comparison.AreEqual(x!, y!, context)),
    };

    public int GetHashCode(TemplateValue obj) => obj.Hash();
}

/// <summary>dict.keys(), dict.values(), dict.items(): they can be iterated and counted, not indexed.</summary>
internal sealed class DictViewValue(DictValue dict, DictView view) : TemplateValue
{
    internal override string TypeName => view switch { DictView.Keys => "dict_keys", DictView.Values => "dict_values", _ => "dict_items" };

    internal override bool IsTrue => dict.Count > 0;

    internal override int? Length => dict.Count;

    internal override bool IsIterable => true;

    public TemplateValue At(int index)
    {
        var (key, value) = dict.At(index);
        return view switch { DictView.Keys => key, DictView.Values => value, _ => new TupleValue([key, value]) };
    }

    internal override IEnumerator<TemplateValue> Iterator()
    {
        for (int i = 0; i < dict.Count; i++) yield return At(i);
    }

    internal override void AppendRepr(ReprWriter writer)
    {
        writer.Append(TypeName);
        writer.Append("([");
        writer.AppendItems([.. Enumerable.Range(0, dict.Count).Select(At)]);
        writer.Append("])");
    }

    internal override int Hash() => view == DictView.Values ? base.Hash() : throw new TemplateFault($"a {TypeName} cannot be a key");
}

internal enum DictView { Keys, Values, Items }
