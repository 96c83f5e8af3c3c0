namespace Lapidary.Tools;

/// <summary>
/// Gemma 4: reasoning in a channel, calls in their own grammar, both between control tokens.
/// <code>
/// &lt;|channel&gt;thought\n…&lt;channel|&gt;answer&lt;|tool_call&gt;call:NAME{key:value,…}&lt;tool_call|&gt;
/// </code>
/// </summary>
internal sealed class Gemma4Format : OutputFormat
{
    public override string Name => "gemma4";
    public override string Purpose => "Gemma 4: <|channel>thought … <channel|>, <|tool_call>call:NAME{key:value}<tool_call|>";

    internal override bool Fits(OutputSigns signs) => signs.HasToken(Gemma4Grammar.ToolOpen) && signs.HasToken(Gemma4Grammar.ChannelOpen);

    internal override ReasoningMarkers Reasoning => new(Gemma4Grammar.ChannelOpen, Gemma4Grammar.ChannelClose, Gemma4Grammar.ToolOpen, Gemma4Grammar.EndsInsideChannel) { Label = Gemma4Grammar.Label };

    internal override OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output) => new Gemma4Grammar(options, output);
}
