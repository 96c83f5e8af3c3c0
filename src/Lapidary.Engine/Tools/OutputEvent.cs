namespace Lapidary.Tools;

/// <summary>One step of what a model says, as its output is read: text, thought, or part of a tool call.</summary>
public abstract record OutputEvent
{
    private protected OutputEvent() { }
}

/// <summary>More of the answer.</summary>
public sealed record ContentDelta(string Text) : OutputEvent;

/// <summary>More of the reasoning.</summary>
public sealed record ReasoningDelta(string Text) : OutputEvent;

/// <summary>A tool call begins.</summary>
/// <param name="Index">0 for the first call of an output.</param>
/// <param name="Id">Unique to this call.</param>
public sealed record ToolCallStart(int Index, string Id, string Name) : OutputEvent;

/// <summary>More of a call's arguments. All fragments of a call joined are one JSON object, unless the output was cut off.</summary>
public sealed record ToolCallArguments(int Index, string Json) : OutputEvent;

/// <summary>The arguments of a call are complete, or the output was cut off inside them.</summary>
public sealed record ToolCallEnd(int Index) : OutputEvent;
