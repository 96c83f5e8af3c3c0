using Lapidary.Templates.Rendering;
using Lapidary.Templates.Values;

namespace Lapidary.Templates.Syntax;

/// <summary>What "set", "for" and "with" assign to.</summary>
internal abstract record Target(int Line)
{
    /// <summary>The names are stored by a statement of this frame.</summary>
    public abstract void Declare(Symbols symbols);

    /// <summary>The names are given to the frame from outside.</summary>
    public virtual void DeclareParameters(Symbols symbols) => Declare(symbols);

    public abstract void Bind(Symbols symbols);

    public abstract void Search(UndeclaredSearch search);

    public abstract void Assign(Frame frame, TemplateValue value);

    /// <summary>The target's present value: the element a filtered loop passes on.</summary>
    public abstract TemplateValue Current(Frame frame);

    /// <summary>The same target, to be bound to another frame.</summary>
    public abstract Target Copy();
}

internal sealed record NameTarget(string Name, int Line) : Target(Line)
{
    private Reference _reference;

    public override void Declare(Symbols symbols) => symbols.Store(Name);

    public override void DeclareParameters(Symbols symbols) => symbols.Parameter(Name);

    public override void Bind(Symbols symbols) => _reference = symbols.Find(Name);

    public override void Search(UndeclaredSearch search) => search.Store(Name);

    public override void Assign(Frame frame, TemplateValue value) => frame[_reference] = value;

    public override TemplateValue Current(Frame frame) => frame[_reference]!;

    public override Target Copy() => this with { };
}

internal sealed record TupleTarget(Target[] Items, int Line) : Target(Line)
{
    public override void Declare(Symbols symbols) => Array.ForEach(Items, item => item.Declare(symbols));

    public override void DeclareParameters(Symbols symbols) => Array.ForEach(Items, item => item.DeclareParameters(symbols));

    public override void Bind(Symbols symbols) => Array.ForEach(Items, item => item.Bind(symbols));

    public override void Search(UndeclaredSearch search) => Array.ForEach(Items, item => item.Search(search));

    public override void Assign(Frame frame, TemplateValue value)
    {
        IEnumerator<TemplateValue> values = value.Iterator();
        List<TemplateValue> taken = new(Items.Length);
        // One more than fits, to see that there are too many.
        while (taken.Count <= Items.Length && values.MoveNext()) taken.Add(values.Current);
        if (taken.Count != Items.Length)
        {
            string found = taken.Count > Items.Length ? "more" : $"{taken.Count}";
            throw new TemplateFault($"{Items.Length} names are assigned but the {value.TypeName} has {found} elements");
        }
        for (int i = 0; i < Items.Length; i++) Items[i].Assign(frame, taken[i]);
    }

    public override TemplateValue Current(Frame frame) => new TupleValue(Array.ConvertAll(Items, item => item.Current(frame)));

    public override Target Copy() => this with { Items = Array.ConvertAll(Items, item => item.Copy()) };
}

/// <summary>set ns.name = …, for objects made by namespace().</summary>
internal sealed record NamespaceTarget(string Name, string Attribute, int Line) : Target(Line)
{
    private Reference _reference;

    public override void Declare(Symbols symbols) => symbols.Load(Name);

    public override void Bind(Symbols symbols) => _reference = symbols.Find(Name);

    public override void Search(UndeclaredSearch search) { }

    public override void Assign(Frame frame, TemplateValue value)
    {
        if (frame[_reference] is not NamespaceValue space)
            throw new TemplateFault($"cannot set \"{Name}.{Attribute}\": \"{Name}\" was not made by namespace()");
        space.Set(Attribute, value, frame.Context);
    }

    public override TemplateValue Current(Frame frame) => throw new InvalidOperationException("loops do not assign to namespaces");

    public override Target Copy() => this with { };
}
