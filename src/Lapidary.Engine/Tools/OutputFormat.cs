using System.Text;
using Lapidary.Sampling;
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

    /// <summary>How reasoning is marked; null for a format without it.</summary>
    internal abstract ReasoningMarkers? Reasoning { get; }

    /// <summary>Bounds the reasoning of an output in this format.</summary>
    /// <param name="tokens">Most tokens of it.</param>
    /// <param name="options">The same as for the parser.</param>
    /// <returns>Null when the format has no reasoning or its markers are no tokens of the vocabulary.</returns>
    public ReasoningBudget? Budget(Tokenizer tokenizer, int tokens, OutputParserOptions options)
    {
        if (Reasoning is not { } markers || tokenizer.TokenToId(markers.Open) is not { } open || tokenizer.TokenToId(markers.Close) is not { } close) return null;
        // The grammar takes a call out of the reasoning only where there are tools to call.
        int? call = options.Tools.Count > 0 && markers.Call is { } marker ? tokenizer.TokenToId(marker) : null;
        return new ReasoningBudget(tokens, open, close, call is { } id ? [id] : [], markers.IsOpenAfter(options.Prompt))
        {
            Label = markers.Label is { } label ? new ReasoningLabel(label, token => TextOf(tokenizer, token, options.SpecialText)) : null,
        };
    }

    private static string TextOf(Tokenizer tokenizer, int token, SpecialText special)
        => !tokenizer.Contains(token) || (special == SpecialText.Skip && tokenizer.IsSpecial(token)) ? "" : Encoding.UTF8.GetString(tokenizer.TokenBytes(token));

    internal abstract OutputGrammar CreateGrammar(OutputParserOptions options, OutputWriter output);

    /// <summary>A parser for one output.</summary>
    /// <param name="tokenizer">Tells control tokens by id; null to find them in the text.</param>
    public OutputParser CreateParser(Tokenizer? tokenizer, OutputParserOptions options)
    {
        OutputWriter output = new(options.MaxToolCalls);
        return new OutputParser(tokenizer, options, CreateGrammar(options, output), output);
    }
}
