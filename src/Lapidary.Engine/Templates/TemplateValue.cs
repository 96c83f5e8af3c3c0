using System.Numerics;
using System.Text.Json;
using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates;

/// <summary>
/// A value a template can see: Python's None, bool, int, float, str, list, tuple, dict and the few objects Jinja adds.
/// Values are immutable for the template (as in Jinja's immutable sandbox), and none of them reaches into .NET.
/// </summary>
public abstract class TemplateValue
{
    private protected TemplateValue() { }

    public static TemplateValue None => NoneValue.Instance;

    public static TemplateValue From(bool value) => BoolValue.Of(value);

    public static TemplateValue From(long value) => new IntValue(value);

    public static TemplateValue From(double value) => new FloatValue(value);

    public static TemplateValue From(string value) => new StringValue(value);

    public static TemplateValue FromList(IEnumerable<TemplateValue> items) => new ListValue([.. items]);

    /// <summary>An object whose keys keep the order given; of equal keys the last value wins.</summary>
    public static TemplateValue FromObject(IEnumerable<KeyValuePair<string, TemplateValue>> members)
    {
        DictValue dict = new();
        foreach (var (key, value) in members) dict.Set(new StringValue(key), value);
        return dict;
    }

    /// <summary>The value Python's json.loads gives: keys keep their order, 1 stays int, 1.0 and 1e3 stay float.</summary>
    /// <exception cref="TemplateException">A string holds half a surrogate pair.</exception>
    public static TemplateValue FromJson(JsonElement json) => JsonReading.Convert(json);

    /// <summary>Parses JSON text; nesting is limited to 128 levels.</summary>
    /// <exception cref="TemplateException">The text is not JSON.</exception>
    public static TemplateValue ParseJson(ReadOnlyMemory<byte> utf8) => JsonReading.Parse(utf8);

    /// <summary>The string's text; null for every other value.</summary>
    public string? AsText => (this as StringValue)?.Text;

    /// <summary>The list's elements; null for every other value.</summary>
    public IReadOnlyList<TemplateValue>? AsList => (this as SequenceValue)?.Items;

    /// <summary>The object's member of this name; null when it has none or is no object.</summary>
    public TemplateValue? Member(string name) => (this as DictValue)?.Find(name);

    /// <summary>Python's name of the type, for messages.</summary>
    internal abstract string TypeName { get; }

    /// <summary>Python's bool(value).</summary>
    internal virtual bool IsTrue => true;

    /// <summary>Python's len(value) in code points or elements; null when it has no length.</summary>
    internal virtual int? Length => null;

    /// <summary>The value as Python's int, for int and bool; null for others.</summary>
    internal virtual BigInteger? Integer => null;

    /// <summary>True when Python's iter(value) works.</summary>
    internal virtual bool IsIterable => false;

    /// <summary>Python's iter(value).</summary>
    /// <exception cref="TemplateFault">The value cannot be iterated.</exception>
    internal virtual IEnumerator<TemplateValue> Iterator() => throw new TemplateFault($"a value of type {TypeName} cannot be iterated");

    /// <summary>value[key]; null when there is no such item or the type has none.</summary>
    internal virtual TemplateValue? Item(TemplateValue key, RenderContext context) => null;

    /// <summary>value.name among attributes and methods (not items); null when there is none.</summary>
    internal virtual TemplateValue? Attribute(string name) => null;

    /// <summary>Python's repr(value), appended.</summary>
    internal abstract void AppendRepr(ReprWriter writer);

    /// <summary>Python's hash(value); equal values have equal hashes.</summary>
    /// <exception cref="TemplateFault">Lists, dicts and the like cannot be keys.</exception>
    internal virtual int Hash() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}
