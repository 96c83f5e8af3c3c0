using System.Text;

namespace Lapidary.Tokenizers;

/// <summary>The small parts of tokenizer.json: added tokens, normalizer, pre-tokenizer, post-processor, decoder.</summary>
internal sealed class TokenizerPartsReader(string file)
{
    public List<AddedToken> AddedTokens(JsonConfig? list, Vocabulary vocabulary)
    {
        List<AddedToken> tokens = [];
        HashSet<int> ids = [];
        HashSet<string> contents = new(StringComparer.Ordinal);
        foreach (JsonConfig token in list?.List("added_tokens") ?? [])
        {
            string content = token.String("content") ?? throw Error("an added token has no content");
            int id = token.IntOrNull("id", min: 0) ?? throw Error($"added token \"{content}\" has no id");
            if (vocabulary.Contains(id) && vocabulary.Find(content) != id)
                throw Error($"added token \"{content}\" has id {id}, which the vocabulary gives to another token");
            if (!ids.Add(id)) throw Error($"two added tokens have id {id}");
            if (!contents.Add(content)) throw Error($"added token \"{content}\" is there twice");
            bool special = token.Bool("special", false);
            tokens.Add(new AddedToken(
                id, content, special, token.Bool("single_word", false), token.Bool("lstrip", false), token.Bool("rstrip", false),
                token.Bool("normalized", !special)));
        }
        return tokens;
    }

    public Normalizer? Normalizer(JsonConfig? config)
    {
        if (config is not { } c) return null;
        return Type(c, "normalizer") switch
        {
            "Sequence" => new Normalizer.Sequence([.. c.List("normalizers").Select(n => Normalizer(n)!)]),
            "Replace" => Pattern(c) is (null, { } pattern)
                ? new Normalizer.ReplaceRegex(pattern, c.String("content") ?? "")
                : new Normalizer.Replace(Pattern(c).Literal!, c.String("content") ?? ""),
            "Prepend" => new Normalizer.Prepend(c.String("prepend") ?? throw Error("normalizer Prepend has no \"prepend\"")),
            "Lowercase" => new Normalizer.Lowercase(),
            "Strip" => new Normalizer.Strip(c.Bool("strip_left", true), c.Bool("strip_right", true)),
            "StripAccents" => new Normalizer.StripAccents(),
            "ByteLevel" => new Normalizer.ByteLevel(),
            var type => throw Unsupported("normalizer", type),
        };
    }

    public PreTokenizer? PreTokenizer(JsonConfig? config)
    {
        if (config is not { } c) return null;
        return Type(c, "pre_tokenizer") switch
        {
            "Sequence" => new PreTokenizer.Sequence([.. c.List("pretokenizers").Select(p => PreTokenizer(p)!)]),
            "Split" => Split(c),
            "ByteLevel" => new PreTokenizer.ByteLevel(c.Bool("add_prefix_space", true), c.Bool("use_regex", true)),
            "Metaspace" => new PreTokenizer.Metaspace(Replacement(c), Scheme(c), c.Bool("split", true)),
            "Whitespace" => new PreTokenizer.Delimited(Compile(@"\w+|[^\w\s]+").Matches, SplitBehavior.Removed, invert: true),
            "WhitespaceSplit" => new PreTokenizer.CharacterClass(Rune.IsWhiteSpace, SplitBehavior.Removed),
            "Digits" => new PreTokenizer.CharacterClass(Rune.IsNumber, c.Bool("individual_digits", false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
            "Punctuation" => new PreTokenizer.CharacterClass(IsPunctuation, Behavior(c, SplitBehavior.Isolated)),
            var type => throw Unsupported("pre_tokenizer", type),
        };
    }

    public TokenDecoder? Decoder(JsonConfig? config)
    {
        if (config is not { } c) return null;
        return Type(c, "decoder") switch
        {
            "Sequence" => new TokenDecoder.Sequence([.. c.List("decoders").Select(d => Decoder(d)!)]),
            "Replace" => new TokenDecoder.Replace(Pattern(c).Literal ?? throw Error("decoder Replace with a regular expression is not supported"), c.String("content") ?? ""),
            "ByteFallback" => new TokenDecoder.ByteFallback(),
            "Fuse" => new TokenDecoder.Fuse(),
            "Strip" => new TokenDecoder.Strip(Character(c, "content", ' '), c.Int("start", 0, min: 0), c.Int("stop", 0, min: 0)),
            "ByteLevel" => new TokenDecoder.ByteLevel(),
            "Metaspace" => new TokenDecoder.Metaspace(Replacement(c), Scheme(c)),
            var type => throw Unsupported("decoder", type),
        };
    }

    /// <summary>Ids that a single text gets before and after its own.</summary>
    public (List<int> Before, List<int> After) PostProcessor(JsonConfig? config, Func<string, int> find, Func<int, bool> contains)
    {
        List<int> before = [], after = [];
        foreach (JsonConfig step in config is not { } c ? [] : Type(c, "post_processor") == "Sequence" ? c.List("processors") : [c])
        {
            string type = Type(step, "post_processor");
            if (type == "ByteLevel") continue; // changes offsets only
            if (type != "TemplateProcessing") throw Unsupported("post_processor", type);
            Template(step, find, before, after);
        }
        foreach (int id in before.Concat(after))
            if (!contains(id)) throw Error($"post_processor adds token id {id}, which is not in the vocabulary");
        return (before, after);
    }

    private void Template(JsonConfig template, Func<string, int> find, List<int> before, List<int> after)
    {
        bool seen = false;
        foreach (JsonConfig piece in template.List("single"))
        {
            if (piece.Object("Sequence") is not null)
            {
                seen = true;
                continue;
            }
            string name = piece.Object("SpecialToken")?.String("id") ?? throw Error("post_processor template has a piece that is neither Sequence nor SpecialToken");
            IReadOnlyList<int> ids = template.Object("special_tokens")?.Object(name)?.Ints("ids") ?? [find(name)];
            if (ids.Count == 0 || ids.Any(id => id < 0)) throw Error($"post_processor names \"{name}\", which is not in the vocabulary");
            (seen ? after : before).AddRange(ids);
        }
        if (!seen) throw Error("post_processor template has no Sequence");
    }

    private PreTokenizer.Delimited Split(JsonConfig c)
    {
        SplitBehavior behavior = Behavior(c, missing: null);
        bool invert = c.Bool("invert", false);
        (string? literal, TextPattern? pattern) = Pattern(c);
        return new PreTokenizer.Delimited(literal is not null ? word => Pieces.Occurrences(word, literal) : pattern!.Matches, behavior, invert);
    }

    private (string? Literal, TextPattern? Pattern) Pattern(JsonConfig c)
    {
        JsonConfig pattern = c.Object("pattern") ?? throw Error("a pattern is missing");
        if (pattern.String("String") is { } literal) return literal.Length > 0 ? (literal, null) : throw Error("a pattern is empty");
        return (null, Compile(pattern.String("Regex") ?? throw Error("a pattern is neither String nor Regex")));
    }

    private TextPattern Compile(string pattern)
    {
        try
        {
            return new TextPattern(pattern);
        }
        catch (ArgumentException exception)
        {
            throw new TokenizerException(MessageText.OneLine($"{file}: the pattern {MessageText.Quote(pattern)} is not supported ({exception.Message})"), exception);
        }
    }

    private SplitBehavior Behavior(JsonConfig c, SplitBehavior? missing) => c.String("behavior") switch
    {
        null when missing is { } value => value,
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        var name => throw Error($"split behavior \"{name}\" is not known"),
    };

    private char Replacement(JsonConfig c) => Character(c, "replacement", '▁');

    private char Character(JsonConfig c, string key, char missing)
        => (c.String(key) ?? $"{missing}") is [var one] ? one : throw Error($"\"{key}\" is \"{c.String(key)}\", expected one character");

    private PreTokenizer.PrependScheme Scheme(JsonConfig c) => c.String("prepend_scheme") switch
    {
        null => c.Bool("add_prefix_space", true) ? Tokenizers.PreTokenizer.PrependScheme.Always : Tokenizers.PreTokenizer.PrependScheme.Never,
        "always" => Tokenizers.PreTokenizer.PrependScheme.Always,
        "first" => Tokenizers.PreTokenizer.PrependScheme.First,
        "never" => Tokenizers.PreTokenizer.PrependScheme.Never,
        var name => throw Error($"prepend_scheme \"{name}\" is not known"),
    };

    private static bool IsPunctuation(Rune rune) => Rune.IsPunctuation(rune) || (rune.IsAscii && char.IsAsciiLetterOrDigit((char)rune.Value) is false && rune.Value is > 32 and < 127);

    private string Type(JsonConfig c, string part) => c.String("type") ?? throw Error($"{part} has no type");

    private TokenizerException Unsupported(string part, string type) => Error($"{part} \"{type}\" is not supported");

    private TokenizerException Error(string message) => new(MessageText.OneLine($"{file}: {message}"));
}
