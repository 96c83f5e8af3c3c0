using Lapidary.Templates.Rendering;

namespace Lapidary.Templates.Values;

/// <summary>Jinja's default Undefined: prints empty, iterates as empty, is false; every other use of it fails with its reason.</summary>
internal sealed class UndefinedValue(string reason) : TemplateValue
{
    public string Reason => reason;

    public static UndefinedValue Variable(string name) => new($"\"{name}\" is undefined");

    public static UndefinedValue Element(TemplateValue owner, string key) => new($"a value of type {owner.TypeName} has no {key}");

    internal override string TypeName => "Undefined";

    internal override bool IsTrue => false;

    internal override int? Length => 0;

    internal override bool IsIterable => true;

    internal override IEnumerator<TemplateValue> Iterator() => Enumerable.Empty<TemplateValue>().GetEnumerator();

    internal override TemplateValue? Item(TemplateValue key, RenderContext context) => throw Fault();

    internal override TemplateValue? Attribute(string name) => throw Fault();

    public TemplateFault Fault() => new(reason);

    internal override void AppendRepr(ReprWriter writer) => writer.Append("Undefined");

    internal override int Hash() => 0;
}
