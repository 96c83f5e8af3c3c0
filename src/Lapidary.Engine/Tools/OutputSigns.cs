using Lapidary.Models;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Tools;

/// <summary>What tells a model's output format: its control tokens and the text of its chat templates.</summary>
internal sealed record OutputSigns(Tokenizer? Tokenizer, string Template)
{
    public bool HasToken(string token) => Tokenizer?.TokenToId(token) is not null;

    public bool TemplateHas(string text) => Template.Contains(text, StringComparison.Ordinal);

    public static OutputSigns Of(LanguageModel model) => new(model.HasTokenizer ? model.Tokenizer : null, TemplateText(model.Folder));

    private static string TemplateText(string folder)
    {
        try
        {
            return string.Join('\n', ChatTemplateFiles.Read(folder).Sources.Values);
        }
        catch (TemplateException) // a base model has no template
        {
            return "";
        }
    }
}
