namespace Lapidary.Tools;

/// <summary>How an output ended.</summary>
internal enum OutputEnd
{
    /// <summary>The model came to its end: what is open is closed.</summary>
    Complete,

    /// <summary>The output was cut off: nothing is added to it.</summary>
    Cut,
}

/// <summary>
/// The state machine of one format. It sees one character or marker at a time, so what it does cannot depend on how the
/// output was cut into pieces.
/// </summary>
internal abstract class OutputGrammar(OutputWriter output)
{
    protected OutputWriter Output { get; } = output;

    /// <summary>Control tokens that steer the machine. None begins another.</summary>
    public abstract IReadOnlyList<string> Markers { get; }

    /// <summary>Whether what comes next is reasoning.</summary>
    public abstract bool IsReasoning { get; }

    /// <summary>A character outside markers.</summary>
    public abstract void Take(char c);

    /// <summary>The marker with this text.</summary>
    public abstract void TakeMarker(string marker);

    /// <summary>No more comes.</summary>
    public abstract void Finish(OutputEnd end);
}
