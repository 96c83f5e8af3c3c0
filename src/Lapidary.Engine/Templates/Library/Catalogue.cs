using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Library;

/// <summary>Named operations: all filters, or all tests.</summary>
internal sealed class Catalogue
{
    private readonly string _kind;
    private readonly Dictionary<string, Builtin> _known = new(StringComparer.Ordinal);

    public Catalogue(string kind, params IEnumerable<Builtin>[] groups)
    {
        _kind = kind;
        foreach (IEnumerable<Builtin> group in groups)
            foreach (Builtin builtin in group) _known.Add(builtin.Name, builtin);
    }

    public Builtin? Find(string name) => _known.GetValueOrDefault(name);

    public Builtin Get(string name) => Find(name) ?? throw new TemplateFault(Unknown(name));

    public string Unknown(string name)
        => $"unknown {_kind} \"{name}\" (known: {string.Join(", ", _known.Keys.Order(StringComparer.Ordinal))})";
}
