using Lapidary.Scheduling;

namespace Lapidary.Server.OpenAi.Completions;

/// <summary>Gathers log-probabilities of a choice, prompt first where it is echoed.</summary>
internal sealed class TextLogprobsBuilder(TokenTexts texts)
{
    private readonly List<string> tokens = [];
    private readonly List<float?> logprobs = [];
    private readonly List<IReadOnlyDictionary<string, float>?> tops = [];
    private readonly List<int> offsets = [];
    private int offset;

    public void AddPrompt(IReadOnlyList<int> ids, IReadOnlyList<TokenLogprobs?>? known)
    {
        for (int i = 0; i < ids.Count; i++) Add(ids[i], known?[i]);
    }

    public void Add(TokenLogprobs token) => Add(token.Chosen.TokenId, token);

    /// <summary>What was added since the last call.</summary>
    public TextLogprobs Take()
    {
        TextLogprobs taken = new([.. tokens], [.. logprobs], [.. tops], [.. offsets]);
        tokens.Clear();
        logprobs.Clear();
        tops.Clear();
        offsets.Clear();
        return taken;
    }

    private void Add(int id, TokenLogprobs? known)
    {
        tokens.Add(texts.Text(id));
        logprobs.Add(known is null ? null : TokenTexts.Logprob(known.Chosen.Logprob));
        tops.Add(known is null ? null : Top(known));
        offsets.Add(offset);
        offset += texts.Characters(id);
    }

    /// <summary>The most likely tokens, and the one that is there if it is none of them; different tokens may have one text.</summary>
    private Dictionary<string, float> Top(TokenLogprobs known)
    {
        Dictionary<string, float> top = [];
        foreach (TokenLogprob candidate in known.Top.Append(known.Chosen)) top.TryAdd(texts.Text(candidate.TokenId), TokenTexts.Logprob(candidate.Logprob));
        return top;
    }
}
