namespace Lapidary.Templates.Values;

/// <summary>
/// A Python iterator, as map, select, items and the like return: elements come on demand and only once, and it has
/// neither a length nor items. Templates depend on all of that ("if x | select" is always true).
/// </summary>
internal sealed class GeneratorValue(string typeName, IEnumerator<TemplateValue> items) : TemplateValue
{
    public GeneratorValue(string typeName, IEnumerable<TemplateValue> items) : this(typeName, items.GetEnumerator()) { }

    internal override string TypeName => typeName;

    internal override bool IsIterable => true;

    internal override IEnumerator<TemplateValue> Iterator() => items;

    // Python prints an address here; no template can rely on it.
    internal override void AppendRepr(ReprWriter writer) => writer.Append($"<{typeName} object>");
}
