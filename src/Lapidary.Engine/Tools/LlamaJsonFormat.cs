using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>Llama 3.1 and later: a call as bare JSON, <c>{"name": …, "parameters": {…}}</c>, several between semicolons or in a list.</summary>
internal sealed class LlamaJsonFormat : OutputFormat
{
    private const string Open = "<|python_tag|>";

    public override string Name => "llama3_json";
    public override string Purpose => "Llama 3.1 and later: {\"name\": …, \"parameters\": {…}}";

    internal override bool Fits(OutputSigns signs) => signs.HasToken(Open);

    internal override ReasoningMarkers Reasoning => BlockGrammar.Reasoning(Open);

    internal override OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output)
        => new BlockGrammar(options, output, new CallBlock(Open, null, "{[", SpecialText.Skip, (trust, lead) => new JsonCallReader(options.Tools, trust, output, lead)));
}
