using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>Hermes, Qwen and many others: each call as JSON between tags, <c>&lt;tool_call&gt;{"name": …, "arguments": {…}}&lt;/tool_call&gt;</c>.</summary>
internal sealed class HermesFormat : OutputFormat
{
    private const string Open = "<tool_call>", Close = "</tool_call>";

    public override string Name => "hermes";
    public override string Purpose => $"Hermes, Qwen and others: {Open}{{\"name\": …, \"arguments\": {{…}}}}{Close}";

    internal override bool Fits(OutputSigns signs) => signs.TemplateHas(Open) && !signs.TemplateHas("<function="); // Qwen3-Coder puts XML between the tags

    internal override ReasoningMarkers Reasoning => BlockGrammar.Reasoning(Open);

    internal override OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output)
        => new BlockGrammar(options, output, new CallBlock(Open, Close, "{", SpecialText.Keep, (trust, lead) => new JsonCallReader(options.Tools, trust, output, lead)));
}
