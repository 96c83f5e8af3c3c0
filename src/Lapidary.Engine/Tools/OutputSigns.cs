using Lapidary.Models;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>What tells a model's output format: its control tokens and the text of its chat templates.</summary>
internal sealed record OutputSigns(Tokenizer? Tokenizer, ChatTemplate? Template)
{
    public bool HasToken(string token) => Tokenizer?.TokenToId(token) is not null;

    public bool TemplateHas(string text) => Template?.Mentions(text) == true;

    public static OutputSigns Of(LanguageModel model) => new(model.HasTokenizer ? model.Tokenizer : null, TemplateOf(model));

    private static ChatTemplate? TemplateOf(LanguageModel model)
    {
        try
        {
            return model.ChatTemplate;
        }
        catch (TemplateException) // a base model has no template
        {
            return null;
        }
    }
}
