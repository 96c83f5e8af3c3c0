using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>Whether encoding adds what the post-processor adds, e.g. a beginning-of-text token. Control tokens written out in
/// the text are found either way, as in HuggingFace.</summary>
public enum SpecialTokens
{
    Add,
    Omit,
}

/// <summary>Whether decoding shows special tokens.</summary>
public enum SpecialText
{
    Keep,
    Skip,
}

/// <summary>
/// A HuggingFace tokenizer.json: added tokens are found first, the rest is normalised, split and encoded by BPE, and a
/// template adds special tokens. Safe for concurrent use.
/// </summary>
public sealed class Tokenizer
{
    private readonly TokenizerParts parts;
    private readonly AddedTokens verbatim, normalized;
    private readonly Dictionary<int, AddedToken> addedById;

    // By id: the text of a token whose text is the same wherever it stands, made when first asked for; Varies for others.
    private readonly string?[] fixedTexts;
    private static readonly string Varies = new('?', 1);

    internal Tokenizer(TokenizerParts parts)
    {
        this.parts = parts;
        addedById = [];
        foreach (AddedToken token in parts.Added) addedById[token.Id] = token;
        verbatim = new AddedTokens(parts.Added.Where(t => !t.Normalized), t => t.Content);
        normalized = new AddedTokens(parts.Added.Where(t => t.Normalized), t => Normalize(t.Content));
        VocabSize = Math.Max(parts.Model.Vocabulary.Size, parts.Added.Select(t => t.Id + 1).DefaultIfEmpty().Max());
        fixedTexts = new string?[VocabSize];
    }

    /// <summary>One more than the largest id.</summary>
    public int VocabSize { get; }

    /// <summary>What stands before every text, e.g. a beginning-of-text token.</summary>
    public IReadOnlyList<int> Prefix => parts.Before;

    /// <param name="path">tokenizer.json, or a folder that holds it.</param>
    /// <exception cref="TokenizerException">Missing, malformed, or uses a part that is not supported.</exception>
    public static Tokenizer Load(string path)
        => new(TokenizerFile.Read(Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path));

    /// <summary>The ids of a text. Lone surrogates count as U+FFFD.</summary>
    public int[] Encode(string text, SpecialTokens special = SpecialTokens.Add)
    {
        List<int> ids = new(text.Length / 3 + 4);
        if (special == SpecialTokens.Add) ids.AddRange(parts.Before);
        foreach ((string stretch, AddedToken? token) in verbatim.Split(WellFormed(text)))
        {
            if (token is not null) ids.Add(token.Id);
            else EncodeStretch(Normalize(stretch), ids);
        }
        if (special == SpecialTokens.Add) ids.AddRange(parts.After);
        return [.. ids];
    }

    /// <exception cref="TokenizerException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids, SpecialText special = SpecialText.Keep)
    {
        List<string> tokens = new(ids.Length);
        foreach (int id in ids)
        {
            string token = IdToToken(id);
            if (special == SpecialText.Keep || !IsSpecial(id)) tokens.Add(token);
        }
        if (parts.Decoder is null) return string.Join(' ', tokens);
        parts.Decoder.Decode(tokens);
        return string.Concat(tokens);
    }

    public int? TokenToId(string token)
    {
        foreach (AddedToken added in parts.Added)
            if (added.Content == token) return added.Id;
        return parts.Model.Vocabulary.Find(token) is >= 0 and var id ? id : null;
    }

    /// <exception cref="TokenizerException">The id is not in the vocabulary.</exception>
    public string IdToToken(int id)
    {
        if (addedById.TryGetValue(id, out AddedToken? added)) return added.Content;
        if (parts.Model.Vocabulary.Contains(id)) return Encoding.UTF8.GetString(parts.Model.Vocabulary.Text(id));
        throw new TokenizerException($"token id {id} is not in the vocabulary, which has ids 0 to {VocabSize - 1}");
    }

    /// <summary>The bytes that the token stands for on its own; a token may hold a part of a character only.</summary>
    /// <exception cref="TokenizerException">The id is not in the vocabulary.</exception>
    public byte[] TokenBytes(int id)
    {
        if (addedById.TryGetValue(id, out AddedToken? added)) return Encoding.UTF8.GetBytes(added.Content);
        if (parts.Model.IsByte(id, out byte value)) return [value];
        string token = IdToToken(id);
        if (parts.Decoder is null) return Encoding.UTF8.GetBytes(token);
        return parts.Decoder.DecodeBytes(token);
    }

    /// <summary>Whether the id is in the vocabulary.</summary>
    public bool Contains(int id) => addedById.ContainsKey(id) || parts.Model.Vocabulary.Contains(id);

    /// <summary>Whether the token is a control token, not text.</summary>
    public bool IsSpecial(int id) => addedById.TryGetValue(id, out AddedToken? added) && added.Special;

    /// <summary>Whether the token may be part of a character only.</summary>
    internal bool MayBePartial(int id) => parts.Model.IsByte(id, out _);

    /// <summary>The text of a token that stands after whole characters, when it depends on nothing else; otherwise null.</summary>
    internal string? FixedText(int id)
    {
        string text = fixedTexts[id] ??= FindFixedText(id) ?? Varies;
        return ReferenceEquals(text, Varies) ? null : text;
    }

    private string? FindFixedText(int id)
    {
        if (parts.Decoder is not { IsLocal: true } || MayBePartial(id)) return null;
        string text = Decode([id]);
        return text.Contains('\uFFFD') ? null : text; // perhaps a part of a character
    }

    private void EncodeStretch(string text, List<int> ids)
    {
        if (!normalized.Any)
        {
            EncodeWords(text, ids);
            return;
        }
        foreach ((string stretch, AddedToken? token) in normalized.Split(text))
        {
            if (token is not null) ids.Add(token.Id);
            else EncodeWords(stretch, ids);
        }
    }

    private void EncodeWords(string text, List<int> ids)
    {
        if (text.Length == 0) return;
        if (parts.PreTokenizer is null)
        {
            parts.Model.Encode(text, ids);
            return;
        }
        List<string> words = [text];
        parts.PreTokenizer.Split(words);
        foreach (string word in words) parts.Model.Encode(word, ids);
    }

    private string Normalize(string text) => parts.Normalizer?.Normalize(text) ?? text;

    /// <summary>The text with lone surrogates replaced, so that every later step sees valid Unicode.</summary>
    private static string WellFormed(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0) return text;
        StringBuilder result = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes()) result.Append(rune);
        return result.ToString();
    }
}

/// <summary>What a tokenizer.json consists of.</summary>
internal sealed record TokenizerParts(
    BpeModel Model, IReadOnlyList<AddedToken> Added, Normalizer? Normalizer, PreTokenizer? PreTokenizer, TokenDecoder? Decoder,
    IReadOnlyList<int> Before, IReadOnlyList<int> After);
