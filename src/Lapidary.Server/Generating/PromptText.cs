using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Lapidary.Server.Errors;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Server.Generating;

/// <summary>A prompt as text and as tokens.</summary>
internal sealed record PromptText(string Text, ImmutableArray<int> Ids)
{
    /// <summary>A chat, rendered by the model's template, which writes special tokens itself.</summary>
    public static PromptText Render(ServedModel model, ChatRequest chat, SpecialTokens special, CancellationToken cancel)
        => Encode(model, model.Template.Render(chat, cancellation: cancel), special);

    public static PromptText Encode(ServedModel model, string text, SpecialTokens special)
        => new(text, ImmutableCollectionsMarshal.AsImmutableArray(model.Tokenizer.Encode(text, special)));

    /// <summary>Token ids as they are; the text, for an echo, without special tokens.</summary>
    public static PromptText OfIds(ServedModel model, int[] ids)
        => new(model.Model.HasTokenizer ? model.Tokenizer.Decode([.. ids.Where(model.Tokenizer.Contains)], SpecialText.Skip) : "", ImmutableCollectionsMarshal.AsImmutableArray(ids));

    /// <param name="param">The parameter that carries the prompt.</param>
    /// <param name="maxTokens">Of output, if the request says.</param>
    /// <param name="maxParam">The parameter that says it.</param>
    /// <exception cref="ApiException">Prompt and output do not fit into the context.</exception>
    public void RequireFits(int contextLength, string param, int? maxTokens, string maxParam = "max_tokens")
    {
        if (Ids.Length >= contextLength)
            throw ApiException.ContextExceeded(param,
                $"This model's maximum context length is {contextLength} tokens. However, your prompt has {Ids.Length} tokens, which leaves none for the answer. Please shorten it.");
        if (maxTokens is { } most && Ids.Length + (long)most > contextLength)
            throw ApiException.ContextExceeded(maxParam,
                $"This model's maximum context length is {contextLength} tokens. However, you requested {Ids.Length + (long)most} tokens ({Ids.Length} in the prompt, {most} for the answer). Please reduce one of them.");
    }
}
