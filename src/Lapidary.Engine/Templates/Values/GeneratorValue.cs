using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>
/// A Python iterator, as map, select, items and the like return: elements come on demand and only once, and it has
/// neither a length nor items. Templates depend on all of that ("if x | select" is always true).
/// </summary>
internal sealed class GeneratorValue(string typeName, IEnumerator<TemplateValue> items) : TemplateValue
{
    private IEnumerator<TemplateValue>? _guarded;

    public GeneratorValue(string typeName, IEnumerable<TemplateValue> items) : this(typeName, items.GetEnumerator()) { }

    internal override string TypeName => typeName;

    internal override bool IsIterable => true;

    internal override IEnumerator<TemplateValue> Iterator() => _guarded ??= Guarded();

    /// <summary>A generator may draw on another, that one on a third, and so on beyond the end of the stack.</summary>
    private IEnumerator<TemplateValue> Guarded()
    {
        while (true)
        {
            RenderContext.EnsureStack();
            if (!items.MoveNext()) yield break;
            yield return items.Current;
        }
    }

    // Python prints an address here; no template can rely on it.
    internal override void AppendRepr(ReprWriter writer) => writer.Append($"<{typeName} object>");
}
