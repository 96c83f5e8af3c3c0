namespace Lapidary.Tools;

internal enum PythonBracket
{
    /// <summary>The list of calls.</summary>
    List,
    Call,

    /// <summary>A list, tuple or set.</summary>
    Array,
    Object,

    /// <summary>Braces whose first item has yet to tell whether they are a dict or a set.</summary>
    Braces,
}

/// <summary>An open bracket.</summary>
internal sealed class PythonContainer(PythonBracket kind, char closer, ArgumentSchema? schema)
{
    public PythonBracket Kind { get; set; } = kind;
    public char Closer { get; } = closer;
    public ArgumentSchema? Schema { get; } = schema;
    public bool HasItems { get; set; }

    /// <summary>The key of an object's next value has been read.</summary>
    public bool AfterColon { get; set; }
}
