using System.Text;

namespace Lapidary.Tools;

/// <summary>
/// Collects what a grammar finds and gives it out as events, neighbouring text joined. White space around calls and around
/// reasoning is layout, not text.
/// </summary>
internal sealed class OutputWriter(int maxToolCalls)
{
    private enum Kind { None, Content, Reasoning, Arguments }

    private readonly List<OutputEvent> ready = [];
    private readonly StringBuilder text = new(), space = new(); // space: white space that counts only if text follows
    private Kind kind;
    private int calls;
    private bool spaceCounts = true; // at the beginning of an output, and after text; not after a call or reasoning
    private bool hasContent, hasReasoning;

    public void Content(char c) => Append(c, Kind.Content);

    public void Content(ReadOnlySpan<char> chars)
    {
        foreach (char c in chars) Content(c);
    }

    public void BeginReasoning() => Switch(Kind.Reasoning);

    public void Reasoning(char c) => Append(c, Kind.Reasoning);

    /// <summary>Ends a stretch of reasoning, or of text: white space at its end is dropped.</summary>
    public void EndStretch()
    {
        if (kind != Kind.None) Switch(Kind.None);
    }

    public void BeginCall(string name)
    {
        Switch(Kind.Arguments);
        calls++;
        if (calls <= maxToolCalls) ready.Add(new ToolCallStart(calls - 1, $"call_{Guid.NewGuid():N}", name));
    }

    /// <summary>Receives the arguments of the call that has begun.</summary>
    public StringBuilder Arguments => text;

    public void EndCall()
    {
        Switch(Kind.None);
        if (calls <= maxToolCalls) ready.Add(new ToolCallEnd(calls - 1));
    }

    /// <summary>Moves what is ready to <paramref name="events"/>.</summary>
    public void Flush(List<OutputEvent> events)
    {
        Emit();
        events.AddRange(ready);
        ready.Clear();
    }

    /// <summary>The end of the output: its last white space is text if text precedes it.</summary>
    public void Finish(List<OutputEvent> events)
    {
        if (kind == Kind.Content && spaceCounts) text.Append(space);
        space.Clear();
        Flush(events);
    }

    private void Append(char c, Kind wanted)
    {
        if (kind != wanted) Switch(wanted);
        if (char.IsWhiteSpace(c))
        {
            space.Append(c);
            return;
        }
        if (spaceCounts) text.Append(space);
        else if (wanted == Kind.Content ? hasContent : hasReasoning) text.Append('\n'); // keeps parts around a call or thought apart
        space.Clear();
        spaceCounts = true;
        if (wanted == Kind.Content) hasContent = true;
        else hasReasoning = true;
        text.Append(c);
    }

    private void Switch(Kind to)
    {
        Emit();
        if (kind != Kind.None || to != Kind.Content) spaceCounts = false;
        space.Clear();
        kind = to;
    }

    private void Emit()
    {
        if (text.Length == 0) return;
        string part = text.ToString();
        text.Clear();
        switch (kind)
        {
            case Kind.Content:
                ready.Add(new ContentDelta(part));
                break;
            case Kind.Reasoning:
                ready.Add(new ReasoningDelta(part));
                break;
            case Kind.Arguments when calls <= maxToolCalls:
                ready.Add(new ToolCallArguments(calls - 1, part));
                break;
        }
    }
}
