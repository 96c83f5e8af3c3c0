using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>How a family of models writes reasoning and tool calls.</summary>
public abstract class OutputFormat
{
    /// <summary>The name users choose it by.</summary>
    public abstract string Name { get; }

    /// <summary>One line for lists: what it looks like and who writes it.</summary>
    public abstract string Purpose { get; }

    /// <summary>Whether a model with this tokenizer and template writes this format.</summary>
    internal abstract bool Fits(OutputSigns signs);

    internal abstract OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output);

    /// <summary>A parser for one output.</summary>
    /// <param name="tokenizer">Tells control tokens by id; null to find them in the text.</param>
    public OutputParser CreateParser(Tokenizer? tokenizer, OutputParserOptions options)
    {
        OutputWriter output = new(options.MaxToolCalls);
        return new OutputParser(tokenizer, options, CreateGrammar(options, output), output);
    }
}
