using System.Globalization;
using Lapidary.Scheduling;

namespace Lapidary.Server.OpenAi;

/// <summary>Log-probabilities of a chat.</summary>
internal sealed record ChatLogprobs(IReadOnlyList<ChatTokenLogprob> Content)
{
    public IReadOnlyList<ChatTokenLogprob>? Refusal { get; }
}

/// <param name="Bytes">As numbers; a token may be a part of a character.</param>
internal sealed record ChatTokenLogprob(string Token, float Logprob, IReadOnlyList<int> Bytes, IReadOnlyList<ChatTopLogprob> TopLogprobs)
{
    public static ChatTokenLogprob Of(TokenLogprobs logprobs, TokenTexts texts) => new(
        texts.Text(logprobs.Chosen.TokenId), TokenTexts.Logprob(logprobs.Chosen.Logprob), [.. texts.Bytes(logprobs.Chosen.TokenId).Select(b => (int)b)],
        [.. logprobs.Top.Select(top => ChatTopLogprob.Of(top, texts))]);
}

internal sealed record ChatTopLogprob(string Token, float Logprob, IReadOnlyList<int> Bytes)
{
    public static ChatTopLogprob Of(TokenLogprob top, TokenTexts texts)
        => new(texts.Text(top.TokenId), TokenTexts.Logprob(top.Logprob), [.. texts.Bytes(top.TokenId).Select(b => (int)b)]);
}

/// <summary>One token of a prompt in vLLM's form: by id, the token itself and the most likely ones.</summary>
internal sealed class PromptLogprobs : Dictionary<string, PromptLogprob>
{
    public static IReadOnlyList<PromptLogprobs?>? Of(IReadOnlyList<TokenLogprobs?>? logprobs, TokenTexts texts) => logprobs is null ? null : [.. logprobs.Select(token =>
    {
        if (token is null) return null;
        PromptLogprobs entry = [];
        foreach (TokenLogprob candidate in token.Top.Prepend(token.Chosen))
            entry[candidate.TokenId.ToString(CultureInfo.InvariantCulture)] = new PromptLogprob(TokenTexts.Logprob(candidate.Logprob), candidate.Rank, texts.Text(candidate.TokenId));
        return entry;
    })];
}

internal sealed record PromptLogprob(float Logprob, int Rank, string DecodedToken);
