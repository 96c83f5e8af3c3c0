using System.Text;
using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>How a format writes its calls.</summary>
/// <param name="Open">The marker before a list of calls; null when there is none.</param>
/// <param name="Close">The marker after it; null when there is none.</param>
/// <param name="Begins">Characters with which a list of calls without markers may begin.</param>
/// <param name="Markers">Whether the markers are control tokens, which do not show in text, or text as well.</param>
/// <param name="NewReader">Makes what reads the list; the text is put before what turns out to be no list of calls.</param>
internal sealed record CallBlock(string? Open, string? Close, string Begins, SpecialText Markers, Func<CallTrust, string, CallReader> NewReader);

/// <summary>
/// Calls in blocks between markers, or without them at the beginning of a line if they call known tools; reasoning between
/// <c>&lt;think&gt;</c> and <c>&lt;/think&gt;</c>. A list that is repeated after its block, closing marker and all, is dropped.
/// </summary>
internal sealed class BlockGrammar : OutputGrammar
{
    private const string ThinkOpen = "<think>", ThinkClose = "</think>";

    private enum State { Content, Reasoning, Block, TextBlock, BareBlock, AfterBareBlock, Echo }

    private readonly OutputParserOptions options;
    private readonly CallBlock block;
    private readonly StringBuilder body = new(), echo = new(); // of the last block, and what may repeat it
    private CallReader? reader;
    private State state;
    private bool hasBlocks;
    private char previous = '\n'; // of the text, spaces at the beginning of a line left out

    public BlockGrammar(OutputParserOptions options, OutputWriter output, CallBlock block) : base(output)
    {
        this.options = options;
        this.block = block;
        Markers = [ThinkOpen, ThinkClose, .. block.Open is { } open ? [open] : (string[])[], .. block.Close is { } close ? [close] : (string[])[]];
        if (EndsInsideThought(options.Prompt)) BeginReasoning();
    }

    /// <summary>Reasoning of every format with such blocks.</summary>
    /// <param name="call">The marker before a list of calls; null when there is none.</param>
    public static ReasoningMarkers Reasoning(string? call) => new(ThinkOpen, ThinkClose, call, EndsInsideThought);

    public override IReadOnlyList<string> Markers { get; }

    public override bool IsReasoning => state == State.Reasoning;

    private bool HasTools => options.Tools.Count > 0;

    public override void Take(char c)
    {
        switch (state)
        {
            case State.Content:
                TakeContent(c);
                break;
            case State.Reasoning:
                Output.Reasoning(c);
                break;
            case State.TextBlock:
                Output.Content(c);
                break;
            case State.Block:
                TakeInBlock(c);
                break;
            case State.BareBlock:
                reader!.Take(c);
                if (reader.IsDone) EndBareBlock(c);
                break;
            case State.AfterBareBlock when c is not (';' or ','):
                state = State.Content;
                Take(c);
                break;
            case State.Echo:
                TakeEcho(c);
                break;
        }
    }

    public override void TakeMarker(string marker)
    {
        if (state == State.Echo) EndEcho(isRepeated: marker == block.Close);
        if (state is State.Block or State.BareBlock && marker is ThinkOpen or ThinkClose)
        {
            foreach (char c in marker) Take(c);
            return;
        }
        if (state == State.BareBlock) EndReader();
        if (marker == ThinkOpen) BeginReasoning();
        else if (marker == ThinkClose)
        {
            Output.EndStretch();
            BeginContent();
        }
        else if (!HasTools) Stray(marker);
        else if (marker == block.Open) BeginBlock(marker);
        else EndBlock(marker);
    }

    public override void Finish(OutputEnd end)
    {
        if (state == State.Echo) EndEcho(isRepeated: echo.ToString() == body.ToString().TrimStart());
        reader?.Finish(end);
        reader = null;
    }

    private void BeginReasoning()
    {
        Output.BeginReasoning();
        state = State.Reasoning;
    }

    private void BeginContent()
    {
        previous = '\n';
        state = State.Content;
    }

    private void TakeContent(char c)
    {
        if (HasTools && !hasBlocks && previous == '\n' && block.Begins.Contains(c, StringComparison.Ordinal))
        {
            reader = block.NewReader(CallTrust.InText, "");
            state = State.BareBlock;
            Take(c);
            return;
        }
        if (previous != '\n' || c is not (' ' or '\t')) previous = c;
        Output.Content(c);
    }

    private void EndBareBlock(char last)
    {
        (bool failed, bool lastIsText) = (reader!.Failed, reader.LastIsText);
        reader = null;
        BeginContent();
        if (failed) previous = last;
        else state = State.AfterBareBlock;
        if (lastIsText && !char.IsLowSurrogate(last)) Take(last); // whose first half was part of the call
    }

    private void BeginBlock(string marker)
    {
        EndReader();
        Output.EndStretch();
        hasBlocks = true;
        body.Clear();
        reader = block.NewReader(CallTrust.Announced, Shown(marker));
        state = State.Block;
    }

    private void TakeInBlock(char c)
    {
        body.Append(c);
        if (reader is null)
        {
            if (char.IsWhiteSpace(c) || c is ';' or ',') return;
            reader = block.NewReader(CallTrust.Announced, "");
        }
        reader.Take(c);
        if (!reader.IsDone) return;
        if (reader.Failed) state = State.TextBlock;
        reader = null;
    }

    private void EndBlock(string marker)
    {
        if (state == State.Reasoning) return;
        bool isStray = state == State.Content, wasBlock = state == State.Block;
        EndReader();
        isStray |= state == State.TextBlock;
        BeginContent();
        if (isStray) Stray(marker);
        else if (wasBlock) state = State.Echo;
    }

    private void EndReader()
    {
        reader?.Finish(OutputEnd.Complete);
        if (reader?.Failed == true) state = State.TextBlock;
        reader = null;
    }

    /// <summary>After a block comes text, or the block's body once more.</summary>
    private void TakeEcho(char c)
    {
        if (echo.Length == 0 && char.IsWhiteSpace(c))
        {
            Output.Content(c);
            return;
        }
        echo.Append(c);
        if (!Repeats(echo.ToString())) EndEcho(isRepeated: false);
    }

    private bool Repeats(string text) => body.ToString().AsSpan().TrimStart().StartsWith(text, StringComparison.Ordinal);

    private void EndEcho(bool isRepeated)
    {
        string text = echo.ToString();
        echo.Clear();
        state = State.Content;
        if (isRepeated) return;
        foreach (char c in text) Take(c);
    }

    private static bool EndsInsideThought(string prompt) => prompt.TrimEnd().EndsWith(ThinkOpen, StringComparison.Ordinal);

    private void Stray(string marker) => Output.Content(Shown(marker));

    /// <summary>What a marker without a part to play shows as text: nothing if the tokenizer calls it special.</summary>
    private string Shown(string marker) => block.Markers == SpecialText.Skip && options.SpecialText == SpecialText.Skip ? "" : marker;
}
