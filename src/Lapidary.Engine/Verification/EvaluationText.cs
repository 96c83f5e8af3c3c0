using Lapidary.Tokenizers;

namespace Lapidary.Verification;

/// <summary>
/// A text as a model is measured on it: consecutive windows that fit the context, each after what the tokenizer puts
/// before a text. Windows do not overlap, so every token of the text is computed once.
/// </summary>
public sealed class EvaluationText
{
    private EvaluationText(int[] ids, int[] prefix, int contextLength)
    {
        Ids = ids;
        PrefixLength = prefix.Length;
        Windows = [.. ids.Chunk(contextLength - prefix.Length).Select(part => (int[])[.. prefix, .. part])];
        // Without a prefix nothing comes before the first token of a window, so no model is asked for it.
        Scored = prefix.Length > 0 ? ids.Length : ids.Length - Windows.Count;
    }

    /// <summary>The text's own tokens.</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>Tokens of each window, the prefix first.</summary>
    public IReadOnlyList<int[]> Windows { get; }

    /// <summary>Leading tokens of each window that are not the text's.</summary>
    public int PrefixLength { get; }

    /// <summary>Tokens of the text that a model predicts.</summary>
    public int Scored { get; }

    /// <summary>Tokens to compute, prefixes included.</summary>
    public int Computed => Windows.Sum(window => window.Length);

    /// <param name="contextLength">Most tokens of one window, prefix included.</param>
    /// <param name="maxTokens">Use only that many tokens from the start; null for all.</param>
    /// <exception cref="RequestException">Too short to predict anything, or a limit is too small.</exception>
    public static EvaluationText Of(Tokenizer tokenizer, string text, int contextLength, int? maxTokens = null)
    {
        int[] prefix = [.. tokenizer.Prefix], ids = tokenizer.Encode(text, SpecialTokens.Omit);
        if (prefix.Length > 0 && ids.AsSpan().StartsWith(prefix)) ids = ids[prefix.Length..]; // written out in the text itself
        return Of(ids, prefix, contextLength, maxTokens);
    }

    /// <inheritdoc cref="Of(Tokenizer, string, int, int?)"/>
    /// <param name="ids">The text's own tokens.</param> <param name="prefix">What stands before each window.</param>
    public static EvaluationText Of(int[] ids, int[] prefix, int contextLength, int? maxTokens = null)
    {
        if (maxTokens is < 1) throw new RequestException($"a text of at most {maxTokens} tokens was asked for; it takes at least 1");
        if (maxTokens < ids.Length) ids = ids[..maxTokens.Value];
        if (contextLength < prefix.Length + 1 || contextLength < 2)
            throw new RequestException($"context length {contextLength} leaves nothing to predict; it takes at least {Math.Max(2, prefix.Length + 1)}");
        EvaluationText result = new(ids, prefix, contextLength);
        return result.Scored > 0
            ? result
            : throw new RequestException($"the text has {ids.Length} tokens, which leaves nothing to predict; give a longer text");
    }
}
