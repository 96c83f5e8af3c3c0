using System.Text;
using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>
/// The machine of <see cref="Gemma4Format"/>. What models get wrong is forgiven: a call straight from the reasoning, a call
/// without its opening token (of a known tool), <c>:NAME</c> or <c>NAME</c> for <c>call:NAME</c>, "(" for "{", a call closed
/// by the end of the turn or by nothing, superfluous channel tokens, and reasoning that begins without its token.
/// </summary>
internal sealed class Gemma4Grammar : OutputGrammar
{
    public const string ChannelOpen = "<|channel>", ChannelClose = "<channel|>", ToolOpen = "<|tool_call>", Label = "thought\n";
    private const string ToolClose = "<tool_call|>", StringQuote = "<|\"|>", CallWord = "call:";
    private const int LongestHeader = 256;

    /// <summary>The model's turn is over, or it waits for the tool.</summary>
    private static readonly string[] TurnEnds = ["<turn|>", "<|tool_response>"];
    private static readonly string[] NewTurns = [.. TurnEnds, "<|turn>", "<tool_response|>"];
    private static readonly string[] AllMarkers = [ChannelOpen, ChannelClose, ToolOpen, ToolClose, StringQuote, .. TurnEnds];

    private enum State
    {
        Start,        // text that may be the label of a channel without its token
        Content,
        ChannelLabel, // the first line of a channel
        Reasoning,
        BareCall,     // text that may be a call without its token
        Header,       // from the token of a call to its bracket
        Arguments,
        AfterCall,    // until its closing token
    }

    private readonly OutputParserOptions options;
    private readonly StringBuilder held = new();
    private Gemma4Arguments? arguments;
    private State state, outside; // outside: where a bare call stands, in content or reasoning
    private char previous = '\n'; // of the text; a line end after a marker

    public Gemma4Grammar(OutputParserOptions options, OutputWriter output) : base(output)
    {
        this.options = options;
        if (EndsInsideChannel(options.Prompt)) BeginReasoning();
    }

    public override IReadOnlyList<string> Markers => AllMarkers;

    public override bool IsReasoning => state is State.ChannelLabel or State.Reasoning || (state == State.BareCall && outside == State.Reasoning);

    private bool HasTools => options.Tools.Count > 0;

    public override void Take(char c)
    {
        switch (state)
        {
            case State.Start or State.ChannelLabel:
                TakeLabel(c);
                break;
            case State.Content or State.Reasoning:
                TakeText(c);
                break;
            case State.BareCall:
                TakeBareCall(c);
                break;
            case State.Header:
                TakeHeader(c);
                break;
            case State.Arguments:
                arguments!.Take(c);
                if (arguments.IsClosed) EndCall(State.AfterCall);
                break;
            case State.AfterCall when c is not ('}' or ')') && !char.IsWhiteSpace(c):
                state = State.Content;
                Take(c);
                break;
        }
    }

    public override void TakeMarker(string marker)
    {
        if (state == State.Arguments && !EndsArguments(marker)) return;
        if (state == State.Header && !EndsHeader(marker)) return;
        ReleaseHeld(marker);
        previous = '\n';
        switch (marker)
        {
            case ChannelOpen:
                BeginReasoning();
                break;
            case ChannelClose:
                Output.EndStretch();
                state = State.Content;
                break;
            case ToolOpen when HasTools:
                Output.EndStretch();
                state = State.Header;
                break;
            default:
                if (state is State.Start or State.AfterCall) state = State.Content;
                if (options.SpecialText == SpecialText.Keep && !(HasTools && marker == ToolClose)) Text(marker);
                break;
        }
    }

    public override void Finish(OutputEnd end)
    {
        if (state == State.Arguments)
        {
            if (end == OutputEnd.Complete) arguments!.Finish();
            EndCall(State.Content);
        }
        ReleaseHeld(marker: null);
    }

    private void BeginReasoning()
    {
        Output.BeginReasoning();
        state = State.ChannelLabel;
    }

    private void TakeLabel(char c)
    {
        held.Append(c);
        string text = held.ToString();
        if (text != Label && Label.StartsWith(text, StringComparison.Ordinal)) return;
        held.Clear();
        if (text == Label)
        {
            Output.BeginReasoning();
            state = State.Reasoning;
            return;
        }
        state = state == State.Start ? State.Content : State.Reasoning;
        foreach (char read in text) Take(read); // it may still be a bare call
    }

    private void TakeText(char c)
    {
        bool mayBegin = state == State.Content ? char.IsWhiteSpace(previous) : previous == '\n'; // thoughts mention calls within lines
        if (c == CallWord[0] && mayBegin && HasTools)
        {
            outside = state;
            state = State.BareCall;
            held.Append(c);
            return;
        }
        previous = c;
        if (state == State.Content) Output.Content(c);
        else Output.Reasoning(c);
    }

    private void TakeBareCall(char c)
    {
        string text = held.ToString();
        if (c is '{' or '(' && text.Length > CallWord.Length && IsTool(text[CallWord.Length..]))
        {
            held.Clear();
            Output.EndStretch();
            BeginCall(text[CallWord.Length..], c);
            return;
        }
        bool continues = text.Length < CallWord.Length ? c == CallWord[text.Length] : IsNameCharacter(c) && text.Length < LongestHeader;
        if (continues)
        {
            held.Append(c);
            return;
        }
        ReleaseHeld(marker: null);
        Take(c);
    }

    private void TakeHeader(char c)
    {
        if (c is '{' or '(' && HeaderName() is { } name)
        {
            held.Clear();
            BeginCall(name, c);
            return;
        }
        held.Append(c);
        if ((IsNameCharacter(c) || c == ':' || char.IsWhiteSpace(c)) && held.Length < LongestHeader) return;
        ReleaseHeld(marker: null);
    }

    /// <summary>NAME of <c>call:NAME</c>, <c>:call:NAME</c>, <c>:NAME</c> or <c>NAME</c>; null for anything else.</summary>
    private string? HeaderName()
    {
        string name = held.ToString().Trim().TrimStart(':');
        if (name.StartsWith(CallWord, StringComparison.Ordinal)) name = name[CallWord.Length..];
        name = name.Trim();
        return name.Length > 0 && name.All(IsNameCharacter) ? name : null;
    }

    /// <summary>Whether the marker leaves the header; a call without arguments may end here.</summary>
    private bool EndsHeader(string marker)
    {
        if (marker is StringQuote or ChannelClose || (marker == ToolOpen && held.Length == 0)) return false;
        if (marker != ToolClose && !TurnEnds.Contains(marker)) return true;
        if (HeaderName() is not { } name) return true;
        held.Clear();
        BeginCall(name, '{');
        arguments!.Finish();
        EndCall(State.Content);
        return false;
    }

    /// <summary>Whether the marker ends the call; if not it is taken.</summary>
    private bool EndsArguments(string marker)
    {
        if (marker == StringQuote)
        {
            arguments!.TakeQuote();
            return false;
        }
        bool ends = marker == ToolClose || TurnEnds.Contains(marker);
        if (!ends && arguments!.InString)
        {
            foreach (char c in marker) arguments.Take(c);
            return false;
        }
        if (marker == ChannelClose) return false;
        arguments!.Finish();
        EndCall(State.Content);
        return marker != ToolClose;
    }

    private void BeginCall(string name, char bracket)
    {
        Output.BeginCall(name);
        arguments = new Gemma4Arguments(Output.Arguments, ArgumentSchema.Of(options.Tools, name), bracket == '(' ? ')' : '}');
        state = State.Arguments;
    }

    private void EndCall(State next)
    {
        Output.EndCall();
        arguments = null;
        previous = '\n';
        state = next;
    }

    /// <summary>Gives out text that did not become what it was held for.</summary>
    private void ReleaseHeld(string? marker)
    {
        string text = held.ToString();
        held.Clear();
        switch (state)
        {
            case State.Start or State.ChannelLabel:
                bool isLabel = text == Label.TrimEnd() && (state == State.ChannelLabel || marker == ChannelClose);
                state = state == State.Start ? State.Content : State.Reasoning;
                if (!isLabel) Text(text);
                break;
            case State.BareCall:
                state = outside;
                Text(text);
                break;
            case State.Header:
                state = State.Content;
                if (options.SpecialText == SpecialText.Keep) Text(ToolOpen);
                Text(text);
                break;
        }
    }

    private void Text(string text)
    {
        foreach (char c in text)
        {
            if (state == State.Reasoning) Output.Reasoning(c);
            else Output.Content(c);
            previous = c;
        }
    }

    private bool IsTool(string name) => options.Tools.Any(tool => tool.Name == name);

    private static bool IsNameCharacter(char c) => char.IsLetterOrDigit(c) || c is '_' or '.' or '-';

    /// <summary>Whether the model goes on inside its reasoning: a channel was opened after the last thing that ends one.</summary>
    public static bool EndsInsideChannel(string prompt)
    {
        int open = prompt.LastIndexOf(ChannelOpen, StringComparison.Ordinal);
        return open >= 0 && NewTurns.Append(ChannelClose).Append(ToolOpen).All(end => prompt.LastIndexOf(end, StringComparison.Ordinal) < open);
    }
}
