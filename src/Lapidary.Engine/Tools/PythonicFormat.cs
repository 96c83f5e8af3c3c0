using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>Llama 4 and models taught likewise: a Python list of calls, <c>[f(a='x'), g()]</c>, with or without control tokens.</summary>
internal sealed class PythonicFormat : OutputFormat
{
    private const string Open = "<|python_start|>", Close = "<|python_end|>";

    public override string Name => "pythonic";
    public override string Purpose => "Llama 4, Llama 3.2 and others: [f(a='x', n=1), g()]";

    internal override bool Fits(OutputSigns signs) => signs.HasToken(Open) || signs.TemplateHas("[func_name1(");

    internal override ReasoningMarkers Reasoning => BlockGrammar.Reasoning(Open);

    internal override OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output)
        => new BlockGrammar(options, output, new CallBlock(Open, Close, "[", SpecialText.Skip, (trust, lead) => new PythonCallReader(options.Tools, trust, output, lead)));
}
