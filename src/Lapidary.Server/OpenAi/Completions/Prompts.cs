using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.Requests;
using Lapidary.Tokenizers;

namespace Lapidary.Server.OpenAi.Completions;

/// <summary>Prompts as texts or as token ids, one or many.</summary>
internal static class Prompts
{
    public const string Expected = "a string, an array of strings, an array of token ids, or an array of such arrays";

    private const int MaxPrompts = 1024, MaxChoices = 2048;

    /// <param name="name">The parameter.</param>
    /// <param name="n">Ways in which each prompt is continued.</param>
    public static List<PromptText> Read(JsonElement prompt, string name, ServedModel model, int n, SpecialTokens special)
    {
        if (prompt.ValueKind == JsonValueKind.String) return [OfText(prompt, name, model, special)];
        if (prompt.ValueKind != JsonValueKind.Array) throw JsonValues.Wrong(prompt, name, Expected);
        if (prompt.GetArrayLength() == 0) throw ApiException.Invalid(name, $"{name} is empty, expected {Expected}");
        if (prompt[0].ValueKind == JsonValueKind.Number) return [OfIds(prompt, name, model)];
        int count = prompt.GetArrayLength();
        if (count > MaxPrompts || (long)count * n > MaxChoices)
            throw ApiException.Invalid(name, $"{name} has {count} prompts in {n} ways each, more than {MaxPrompts} prompts or {MaxChoices} choices");
        JsonValueKind kind = prompt[0].ValueKind; // of all of them: texts and ids do not mix
        if (kind is not (JsonValueKind.String or JsonValueKind.Array)) throw JsonValues.Wrong(prompt[0], $"{name}[0]", "a string, an integer or an array of integers");
        List<PromptText> prompts = [];
        foreach ((JsonElement element, string path) in JsonValues.Array(prompt, name))
        {
            if (element.ValueKind != kind) throw JsonValues.Wrong(element, path, $"{JsonKind.Of(prompt[0])} like the first");
            prompts.Add(kind == JsonValueKind.String ? OfText(element, path, model, special) : OfIds(element, path, model));
        }
        return prompts;
    }

    private static PromptText OfText(JsonElement text, string path, ServedModel model, SpecialTokens special)
    {
        string prompt = JsonValues.Text(text, path);
        if (prompt.Length == 0) throw ApiException.Invalid(path, $"{path} is empty, expected at least one character");
        return PromptText.Encode(model, prompt, special);
    }

    private static PromptText OfIds(JsonElement array, string path, ServedModel model)
    {
        int[] ids = JsonValues.Integers(array, path);
        if (ids.Length == 0) throw ApiException.Invalid(path, $"{path} is empty, expected at least one token id");
        for (int i = 0; i < ids.Length; i++)
            if (ids[i] < 0 || ids[i] >= model.VocabSize)
                throw ApiException.Invalid(path, $"{path}[{i}] is {ids[i]}, which is outside the vocabulary, 0 to {model.VocabSize - 1}");
        return PromptText.OfIds(model, ids);
    }
}
