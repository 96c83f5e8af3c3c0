namespace Lapidary.Templates.Syntax;

/// <summary>What a name holds when its frame is entered.</summary>
internal enum SlotStart
{
    /// <summary>Set by the frame's owner (loop target, macro argument).</summary>
    Parameter,

    /// <summary>Looked up among the request's variables and the globals.</summary>
    Resolve,

    /// <summary>Copied from an outer frame.</summary>
    Outer,

    /// <summary>Not set yet.</summary>
    Missing,
}

/// <summary>A name bound to a frame: how many frames outwards, and which slot there.</summary>
internal readonly record struct Reference(int Hops, int Slot);

/// <param name="Outer">Where the value comes from when <paramref name="Start"/> is <see cref="SlotStart.Outer"/>.</param>
internal readonly record struct Slot(string Name, SlotStart Start, Reference Outer);

/// <summary>
/// Names of one frame (template, loop body, macro body, set block …), decided before rendering, as Jinja does. The
/// rules are Jinja's own and templates depend on them: a name stored anywhere in a frame belongs to that frame from its
/// start; inner frames see it, also before the store; a frame's stores vanish with it.
/// </summary>
internal sealed class Symbols
{
    private readonly Symbols? _parent;
    // What a branch was taken from; it holds only what it adds, for copying all names at every "if" would take time
    // that grows with the square of the template.
    private readonly Symbols? _trunk;
    private readonly Dictionary<string, SlotStart> _names = [];
    private readonly HashSet<string> _stores = [];
    private readonly Dictionary<string, int> _slots = new(StringComparer.Ordinal);
    private Slot[]? _layout;

    public Symbols(Symbols? parent) => _parent = parent;

    private Symbols(Symbols? parent, Symbols trunk) => (_parent, _trunk) = (parent, trunk);

    public void Load(string name)
    {
        if (!Knows(name)) _names[name] = SlotStart.Resolve;
    }

    public void Store(string name)
    {
        _stores.Add(name);
        if (KnowsHere(name)) return;
        _names[name] = _parent?.Knows(name) == true ? SlotStart.Outer : SlotStart.Missing;
    }

    public void Parameter(string name)
    {
        _stores.Add(name);
        _names[name] = SlotStart.Parameter;
    }

    /// <summary>For one branch of an "if": takes note of names apart, to be joined by <see cref="Join"/>.</summary>
    public Symbols Branch() => new(_parent, trunk: this);

    /// <summary>After an "if": a name that only some branches store starts with its value from outside.</summary>
    public void Join(Symbols[] branches)
    {
        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        foreach (Symbols branch in branches)
            foreach (string name in branch._stores)
                if (!StoresHere(name)) counts[name] = counts.GetValueOrDefault(name) + 1;
        foreach (Symbols branch in branches)
        {
            foreach (var (name, start) in branch._names) _names[name] = start;
            _stores.UnionWith(branch._stores);
        }
        foreach (var (name, count) in counts)
            if (count < branches.Length) _names[name] = _parent?.Knows(name) == true ? SlotStart.Outer : SlotStart.Resolve;
    }

    private bool Knows(string name)
    {
        for (Symbols? scope = this; scope is not null; scope = scope._parent)
            if (scope.KnowsHere(name)) return true;
        return false;
    }

    private bool KnowsHere(string name)
    {
        for (Symbols? branch = this; branch is not null; branch = branch._trunk)
            if (branch._names.ContainsKey(name)) return true;
        return false;
    }

    private bool StoresHere(string name)
    {
        for (Symbols? branch = this; branch is not null; branch = branch._trunk)
            if (branch._stores.Contains(name)) return true;
        return false;
    }

    /// <summary>The slots of this frame; after this no name may be added.</summary>
    public Slot[] Layout()
    {
        if (_layout is not null) return _layout;
        List<Slot> slots = new(_names.Count);
        foreach (var (name, start) in _names)
        {
            _slots[name] = slots.Count;
            // One hop: from this frame to its parent.
            slots.Add(new Slot(name, start, start == SlotStart.Outer ? _parent!.Find(name, hops: 1) : default));
        }
        return _layout = [.. slots];
    }

    public Reference Find(string name) => Find(name, hops: 0);

    private Reference Find(string name, int hops)
    {
        for (Symbols? scope = this; scope is not null; scope = scope._parent, hops++)
            if (scope._slots.TryGetValue(name, out int slot)) return new Reference(hops, slot);
        throw new InvalidOperationException($"the name \"{name}\" was not declared before it was bound");
    }
}
