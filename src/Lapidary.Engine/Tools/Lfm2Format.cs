using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>LFM2 and LFM2.5: a Python list of calls between control tokens, <c>&lt;|tool_call_start|&gt;[f(a='x')]&lt;|tool_call_end|&gt;</c>, or without them.</summary>
internal sealed class Lfm2Format : OutputFormat
{
    private const string Open = "<|tool_call_start|>", Close = "<|tool_call_end|>";

    public override string Name => "lfm2";
    public override string Purpose => $"LFM2, LFM2.5: {Open}[f(a='x', n=1)]{Close}";

    internal override bool Fits(OutputSigns signs) => signs.HasToken(Open);

    internal override ReasoningMarkers Reasoning => BlockGrammar.Reasoning(Open);

    internal override OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output)
        => new BlockGrammar(options, output, new CallBlock(Open, Close, "[", SpecialText.Skip, (trust, lead) => new PythonCallReader(options.Tools, trust, output, lead)));
}
