using Lapidary.Sampling;
using Lapidary.Tokenizers;

namespace Lapidary.Generation;

/// <summary>The text of one output, token by token: whole characters only, and no part of a text that would end it.</summary>
/// <param name="tokenizer">Null for a model without one; all texts are then empty.</param>
internal sealed class OutputText(Tokenizer? tokenizer, SamplingParameters parameters)
{
    private readonly IncrementalDetokenizer? detokenizer =
        tokenizer is null ? null : new(tokenizer, parameters.SkipSpecialTokens ? SpecialText.Skip : SpecialText.Keep);
    private readonly StopMatcher stops = new(parameters.Stop, parameters.IncludeStopStrInOutput ? StopText.Include : StopText.Exclude);
    private int made;

    /// <summary>The stop text that ended the output, or null.</summary>
    public string? Stopped => stops.Matched;

    /// <summary>Takes a token and returns the text that is now certain.</summary>
    public string Push(int token)
    {
        if (detokenizer is null) return "";
        string piece = detokenizer.Push(token);
        // As in vLLM: a stop text counts from the first token after min_tokens on.
        return ++made <= parameters.MinTokens ? stops.Pass(piece) : stops.Push(piece);
    }

    /// <summary>A token that ends the output; its own text is part of it only where stop texts are.</summary>
    public string End(int token)
    {
        if (detokenizer is null || !parameters.IncludeStopStrInOutput) return Flush();
        return stops.Pass(detokenizer.Push(token) + detokenizer.Flush()) + stops.Flush();
    }

    /// <summary>What was held back, when no more tokens come. May still hold a stop text.</summary>
    public string Flush()
    {
        if (detokenizer is null || Stopped is not null) return "";
        return stops.Push(detokenizer.Flush()) + stops.Flush();
    }
}
