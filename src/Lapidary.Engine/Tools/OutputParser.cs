using Lapidary.Generation;
using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>
/// Reads one output as it comes and tells answer, reasoning and tool calls apart. The events, neighbouring deltas joined, do
/// not depend on how the output is cut into pieces. Output that breaks the format becomes text; nothing throws.
/// </summary>
public sealed class OutputParser
{
    private readonly Tokenizer? tokenizer;
    private readonly SpecialText specialText;
    private readonly OutputGrammar grammar;
    private readonly OutputWriter output;
    private readonly MarkerScanner scanner;
    private readonly Dictionary<int, string> markers = []; // those that are tokens of the tokenizer
    private readonly string[] textMarkers;                 // the others

    internal OutputParser(Tokenizer? tokenizer, OutputParserOptions options, OutputGrammar grammar, OutputWriter output)
    {
        this.tokenizer = tokenizer;
        specialText = options.SpecialText;
        this.grammar = grammar;
        this.output = output;
        scanner = new MarkerScanner(grammar);
        foreach (string marker in grammar.Markers)
            if (tokenizer?.TokenToId(marker) is { } id) markers[id] = marker;
        textMarkers = [.. grammar.Markers.Except(markers.Values)];
    }

    /// <summary>Whether the model is inside its reasoning.</summary>
    public bool IsReasoning => grammar.IsReasoning;

    /// <summary>Takes a token and the text it completes; adds what that tells to <paramref name="events"/>.</summary>
    /// <param name="text">The token's text, special tokens written out; text held back for stop texts may come with a later token.</param>
    public void Push(int id, ReadOnlySpan<char> text, List<OutputEvent> events)
    {
        if (markers.TryGetValue(id, out string? marker)) scanner.Expect(marker, Sighting.Marker);
        else if (specialText == SpecialText.Skip && tokenizer?.IsSpecial(id) == true) scanner.Expect(tokenizer.IdToToken(id), Sighting.Hidden);
        scanner.Take(text, textMarkers);
        output.Flush(events);
    }

    /// <summary>Takes text whose tokens are not known: markers are found in the text.</summary>
    public void Push(ReadOnlySpan<char> text, List<OutputEvent> events)
    {
        scanner.Take(text, grammar.Markers);
        output.Flush(events);
    }

    /// <summary>Gives out what was held back. After <see cref="FinishReason.Stop"/> an open call is closed; otherwise its arguments stay as they were cut.</summary>
    public void Finish(FinishReason reason, List<OutputEvent> events)
    {
        scanner.Finish();
        grammar.Finish(reason == FinishReason.Stop ? OutputEnd.Complete : OutputEnd.Cut);
        output.Finish(events);
    }
}
