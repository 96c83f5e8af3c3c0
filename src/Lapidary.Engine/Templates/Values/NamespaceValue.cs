using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>Jinja's namespace(): the one object whose attributes "set" may assign, also from inside loops.</summary>
internal sealed class NamespaceValue : TemplateValue
{
    private readonly OrderedDictionary<string, TemplateValue> _attributes = new(StringComparer.Ordinal);

    internal override string TypeName => "Namespace";

    public void Set(string name, TemplateValue value, RenderContext context)
    {
        if (!_attributes.ContainsKey(name)) context.ChargeElement(_attributes.Count);
        _attributes[name] = value;
    }

    internal override TemplateValue? Attribute(string name) => _attributes.TryGetValue(name, out TemplateValue? value) ? value : null;

    internal override void AppendRepr(ReprWriter writer)
    {
        writer.Append("<Namespace {");
        bool first = true;
        foreach (var (name, value) in _attributes)
        {
            if (!first) writer.Append(", ");
            first = false;
            PythonText.AppendQuoted(writer, name);
            writer.Append(": ");
            writer.AppendValue(value);
        }
        writer.Append("}>");
    }
}
