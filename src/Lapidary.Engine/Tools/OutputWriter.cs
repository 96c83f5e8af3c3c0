using System.Text;

namespace Lapidary.Tools;

/// <summary>
/// Collects what a grammar finds and gives it out as events, neighbouring text joined. White space around calls and around
/// reasoning is layout, not text; a surrogate pair is never torn.
/// </summary>
internal sealed class OutputWriter(int maxToolCalls)
{
    private enum Kind { None, Content, Reasoning, Arguments }

    private readonly List<OutputEvent> ready = [];
    private readonly StringBuilder text = new(), space = new(); // space: white space that counts only if text follows
    private Kind kind;
    private int calls;
    private bool textSinceLayout = true; // leading white space of an output is text, after a call or reasoning it is layout

    /// <summary>The number of calls begun, dropped ones included.</summary>
    public int Calls => calls;

    public void Content(char c) => Append(c, Kind.Content);

    public void Content(ReadOnlySpan<char> chars)
    {
        foreach (char c in chars) Content(c);
    }

    public void BeginReasoning() => Switch(Kind.Reasoning);

    public void Reasoning(char c) => Append(c, Kind.Reasoning);

    /// <summary>Ends the reasoning: white space at its end is dropped.</summary>
    public void EndReasoning()
    {
        if (kind == Kind.Reasoning) Switch(Kind.None);
    }

    public void BeginCall(string name)
    {
        Switch(Kind.Arguments);
        calls++;
        if (calls <= maxToolCalls) ready.Add(new ToolCallStart(calls - 1, $"call_{Guid.NewGuid():N}", name));
    }

    public void Arguments(char c) => text.Append(c);

    public void Arguments(string json) => text.Append(json);

    public void EndCall()
    {
        Switch(Kind.None);
        if (calls <= maxToolCalls) ready.Add(new ToolCallEnd(calls - 1));
    }

    /// <summary>Moves what is ready to <paramref name="events"/>.</summary>
    public void Flush(List<OutputEvent> events)
    {
        Emit(keep: text.Length > 0 && char.IsHighSurrogate(text[^1]) ? 1 : 0);
        events.AddRange(ready);
        ready.Clear();
    }

    /// <summary>The end of the output: its last white space is text if text precedes it.</summary>
    public void Finish(List<OutputEvent> events)
    {
        if (kind == Kind.Content && textSinceLayout) text.Append(space);
        space.Clear();
        Emit(keep: 0);
        events.AddRange(ready);
        ready.Clear();
    }

    private void Append(char c, Kind wanted)
    {
        if (kind != wanted) Switch(wanted);
        if (char.IsWhiteSpace(c))
        {
            space.Append(c);
            return;
        }
        if (textSinceLayout) text.Append(space);
        space.Clear();
        textSinceLayout = true;
        text.Append(c);
    }

    private void Switch(Kind to)
    {
        Emit(keep: 0);
        if (kind != Kind.None || to != Kind.Content) textSinceLayout = false;
        space.Clear();
        kind = to;
    }

    private void Emit(int keep)
    {
        if (text.Length - keep <= 0) return;
        string part = text.ToString(0, text.Length - keep);
        text.Remove(0, text.Length - keep);
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
