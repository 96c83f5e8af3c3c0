using System.Text.Json;
using Lapidary.Server.Errors;
using Lapidary.Server.Generating;
using Lapidary.Server.OpenAi.Chat;
using Lapidary.Server.Requests;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Server.Tokens;

/// <summary>POST /tokenize and POST /detokenize, in vLLM's form.</summary>
internal sealed class TokenizeEndpoint(ApiServices api)
{
    /// <summary>Of a text (prompt), or of a chat (messages, tools) as the model would see it.</summary>
    public async Task Tokenize(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        TokenList tokens = await api.Preparation.RunAsync(json, () => Tokens(new Fields(json.RootElement), model, context.RequestAborted), context.RequestAborted);
        await context.Response.WriteJsonAsync(tokens, ServerJson.Default.TokenList);
    }

    public async Task Detokenize(HttpContext context)
    {
        ServedModel model = api.Slot.Model;
        using JsonDocument json = await JsonBody.ReadAsync(context);
        string text = await api.Preparation.RunAsync(json, () => Text(new Fields(json.RootElement), model), context.RequestAborted);
        await context.Response.WriteJsonAsync(new DetokenizedText(text), ServerJson.Default.DetokenizedText);
    }

    private static TokenList Tokens(Fields body, ServedModel model, CancellationToken cancel)
    {
        _ = model.Resolve(body.Text("model"));
        bool withTexts = body.Flag("return_token_strs") ?? false;
        string? text = body.Text("prompt");
        bool isChat = body.Take("messages") is not null;
        if (isChat == text is not null) throw new ApiException(StatusCodes.Status400BadRequest, "send either prompt or messages") { Param = "prompt" };
        SpecialTokens special = body.Flag("add_special_tokens") ?? !isChat ? SpecialTokens.Add : SpecialTokens.Omit;
        ChatRequest? chat = isChat ? ChatCompletionRequest.ReadPrompt(body, model.Template, ReasoningFields.Read(body)) with { Tools = ChatTools.Read(body).ForTemplate } : null;
        body.Done();
        PromptText prompt = chat is null ? PromptText.Encode(model, text!, special) : PromptText.Render(model, chat, special, cancel);
        return new TokenList(prompt.Ids.Length, model.ContextLength, prompt.Ids, withTexts ? [.. prompt.Ids.Select(model.Tokenizer.IdToToken)] : null);
    }

    private static string Text(Fields body, ServedModel model)
    {
        _ = model.Resolve(body.Text("model"));
        int[] ids = JsonValues.Integers(body.Take("tokens") ?? throw body.Missing("tokens", "an array of token ids"), "tokens");
        body.Done();
        for (int i = 0; i < ids.Length; i++)
            if (!model.Tokenizer.Contains(ids[i])) throw ApiException.Invalid("tokens", $"tokens[{i}] is {ids[i]}, which is not in the vocabulary");
        return model.Tokenizer.Decode(ids);
    }
}

/// <param name="TokenStrs">Null where they are not asked for.</param>
internal sealed record TokenList(int Count, int MaxModelLen, IReadOnlyList<int> Tokens, IReadOnlyList<string>? TokenStrs);

internal sealed record DetokenizedText(string Prompt);
