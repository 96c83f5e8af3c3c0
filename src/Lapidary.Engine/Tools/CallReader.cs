using System.Text;

namespace Lapidary.Tools;

/// <summary>What a call has to be for a reader to accept it.</summary>
internal enum CallTrust
{
    /// <summary>A control token announced it: every name is accepted.</summary>
    Announced,

    /// <summary>It stands in the text: only the name of a known tool makes it a call.</summary>
    InText,
}

/// <summary>
/// Reads a list of calls character by character. A call is given out when it is complete, or when a long string in it begins
/// to stream; what turns out not to be a call is given out as text.
/// </summary>
internal abstract class CallReader(IReadOnlyList<ToolDefinition> tools, CallTrust trust, OutputWriter output, string lead)
{
    private readonly StringBuilder raw = new(lead); // all that was read, until the first call is given out

    /// <summary>The calls end here; what follows is text or another list.</summary>
    public bool IsDone { get; protected set; }

    /// <summary>This is no list of calls; what was read has been given out as text.</summary>
    public bool Failed { get; private set; }

    public bool HasCalls { get; private set; }

    /// <summary>The last character broke a call that had gone out; it is text.</summary>
    public bool LastIsText { get; protected set; }

    protected IReadOnlyList<ToolDefinition> Tools => tools;

    protected CallTrust Trust => trust;

    protected OutputWriter Output => output;

    /// <summary>What was read since the last call.</summary>
    protected StringBuilder Source { get; } = new();

    public void Take(char c)
    {
        if (!HasCalls) raw.Append(c);
        Source.Append(c);
        Read(c);
    }

    /// <summary>The calls end here, by their closing token or the end of the output.</summary>
    public abstract void Finish(OutputEnd end);

    protected abstract void Read(char c);

    protected bool IsAccepted(string name) => trust == CallTrust.Announced || tools.Any(tool => tool.Name == name);

    /// <summary>Begins to give out a call; its arguments go to <see cref="OutputWriter.Arguments"/> from here.</summary>
    protected void BeginCall(string name, StringBuilder arguments)
    {
        HasCalls = true;
        raw.Clear();
        output.BeginCall(name);
        output.Arguments.Append(arguments);
    }

    protected void EndCall()
    {
        output.EndCall();
        Source.Clear();
    }

    /// <summary>Gives out as text what was read since the last call, or everything when there was none.</summary>
    protected void Fail()
    {
        output.Content(HasCalls ? Source.ToString().AsSpan().Trim(", \n") : raw.ToString());
        Source.Clear();
        Failed = IsDone = true;
    }
}
