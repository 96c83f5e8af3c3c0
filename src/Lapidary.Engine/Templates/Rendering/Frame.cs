using Lapidary.Templates.Syntax;

namespace Lapidary.Templates.Rendering;

/// <summary>The values of one frame's names while it runs. A loop keeps one frame for all its turns.</summary>
internal sealed class Frame
{
    private readonly Slot[] _layout;
    private readonly Frame? _parent;
    private readonly TemplateValue?[] _values;

    public Frame(RenderContext context, Slot[] layout, Frame? parent)
    {
        Context = context;
        _layout = layout;
        _parent = parent;
        _values = new TemplateValue?[layout.Length];
    }

    public RenderContext Context { get; }

    /// <summary>Gives every name its starting value; at the next turn of a loop, names set in the turn before are forgotten. Parameters stay.</summary>
    public void Enter()
    {
        for (int i = 0; i < _layout.Length; i++)
        {
            if (_layout[i].Start == SlotStart.Parameter) continue;
            _values[i] = _layout[i].Start switch
            {
                SlotStart.Resolve => Context.Resolve(_layout[i].Name),
                SlotStart.Outer => _parent![_layout[i].Outer with { Hops = _layout[i].Outer.Hops - 1 }],
                _ => null,
            };
        }
    }

    /// <summary>Null while the name has no value.</summary>
    public TemplateValue? this[Reference reference]
    {
        get => At(reference.Hops)._values[reference.Slot];
        set => At(reference.Hops)._values[reference.Slot] = value;
    }

    private Frame At(int hops)
    {
        Frame frame = this;
        for (; hops > 0; hops--) frame = frame._parent!;
        return frame;
    }
}
