using System.Text.Json;
using System.Text.Unicode;

namespace Lapidary.Tokenizers;

/// <summary>Reads tokenizer.json. The vocabulary and the merges, nearly all of the file, are read without a document tree.</summary>
internal static class TokenizerFile
{
    private const int MaxBytes = 512 << 20;

    /// <exception cref="TokenizerException">Missing, malformed, or uses a part that is not supported.</exception>
    public static TokenizerParts Read(string file)
    {
        byte[] bytes;
        try
        {
            if (new FileInfo(file) is { Exists: true, Length: > MaxBytes })
                throw new TokenizerException($"{file}: larger than 512 MiB, which no tokenizer is");
            bytes = File.ReadAllBytes(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{file}: cannot be read ({exception.Message}); a model folder holds tokenizer.json beside its weights", exception);
        }
        return Parse(bytes, file);
    }

    public static TokenizerParts Parse(ReadOnlySpan<byte> json, string file)
    {
        if (!Utf8.IsValid(json)) throw new TokenizerException($"{file}: not valid JSON (it holds bytes that are not UTF-8)");
        try
        {
            return new TokenizerReader(file).Read(json);
        }
        catch (JsonException exception)
        {
            throw new TokenizerException(MessageText.OneLine($"{file}: not valid JSON ({exception.Message})"), exception);
        }
        catch (ConfigException exception)
        {
            throw new TokenizerException(exception.Message, exception);
        }
        catch (InvalidOperationException exception) // a string that is not valid UTF-8, or a value of another kind
        {
            throw new TokenizerException(MessageText.OneLine($"{file}: not a tokenizer.json ({exception.Message})"), exception);
        }
    }
}

/// <summary>One pass over the file; parts that need the vocabulary wait until it is there.</summary>
internal sealed class TokenizerReader(string file)
{
    private const int MaxId = 1 << 24;

    public TokenizerParts Read(ReadOnlySpan<byte> json)
    {
        if (json.StartsWith("\uFEFF"u8)) json = json[3..];
        JsonConfig? added = null, normalizer = null, preTokenizer = null, postProcessor = null, decoder = null;
        BpeModel? model = null;
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 32 });
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw Error("not a JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string? name = reader.GetString();
            reader.Read();
            switch (name)
            {
                case "model": model = ReadModel(ref reader, json.Length); break;
                case "added_tokens": added = Document(ref reader, wrap: "added_tokens"); break;
                case "normalizer": normalizer = Document(ref reader); break;
                case "pre_tokenizer": preTokenizer = Document(ref reader); break;
                case "post_processor": postProcessor = Document(ref reader); break;
                case "decoder": decoder = Document(ref reader); break;
                default: reader.Skip(); break;
            }
        }
        if (model is null) throw Error("\"model\" is missing");
        if (reader.Read()) throw Error("text after the JSON object");

        TokenizerPartsReader parts = new(file);
        List<AddedToken> tokens = parts.AddedTokens(added, model.Vocabulary);
        (List<int> before, List<int> after) = parts.PostProcessor(postProcessor, content => tokens.Find(t => t.Content == content)?.Id ?? model.Vocabulary.Find(content),
            id => model.Vocabulary.Contains(id) || tokens.Exists(t => t.Id == id));
        return new TokenizerParts(model, tokens, parts.Normalizer(normalizer), parts.PreTokenizer(preTokenizer), parts.Decoder(decoder), before, after);
    }

    private JsonConfig? Document(ref Utf8JsonReader reader, string? wrap = null)
    {
        if (reader.TokenType == JsonTokenType.Null) return null;
        JsonElement element = JsonElement.ParseValue(ref reader);
        if (wrap is not null) element = JsonDocument.Parse($"{{\"{wrap}\":{element.GetRawText()}}}", new JsonDocumentOptions { MaxDepth = 32 }).RootElement;
        return element.ValueKind == JsonValueKind.Object ? new JsonConfig(element, file) : throw Error($"expected an object, found {element.ValueKind}");
    }

    /// <param name="fileLength">Tells roughly how many tokens to expect.</param>
    private BpeModel ReadModel(ref Utf8JsonReader reader, int fileLength)
    {
        Vocabulary? vocabulary = null;
        MergeTable? merges = null;
        Boundaries boundaries = new(fileLength / 128);
        // Merges are read in place when what they refer to came before them, as HuggingFace writes it; else from here, later.
        Utf8JsonReader later = default;
        bool prefixKnown = false, mergesWait = false;
        string? type = null, unknown = null, prefix = null, suffix = null;
        bool byteFallback = false, fuse = false, ignoreMerges = false;
        if (reader.TokenType != JsonTokenType.StartObject) throw Error("\"model\" is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string? name = reader.GetString();
            reader.Read();
            switch (name)
            {
                case "vocab": vocabulary = ReadVocabulary(ref reader, fileLength / 128); break;
                case "merges" when vocabulary is not null && prefixKnown: merges = ReadMerges(ref reader, vocabulary, boundaries, (prefix ?? "").Length); break;
                case "merges": later = reader; mergesWait = true; reader.Skip(); break;
                case "type": type = reader.GetString(); break;
                case "unk_token": unknown = reader.GetString(); break;
                case "continuing_subword_prefix": (prefix, prefixKnown) = (reader.GetString(), true); break;
                case "end_of_word_suffix": suffix = reader.GetString(); break;
                case "byte_fallback": byteFallback = reader.TokenType != JsonTokenType.Null && reader.GetBoolean(); break;
                case "fuse_unk": fuse = reader.TokenType != JsonTokenType.Null && reader.GetBoolean(); break;
                case "ignore_merges": ignoreMerges = reader.TokenType != JsonTokenType.Null && reader.GetBoolean(); break;
                case "dropout" when reader.TokenType == JsonTokenType.Number && reader.GetDouble() > 0: throw Error("model.dropout is above 0, which makes encoding random");
                default: reader.Skip(); break;
            }
        }
        if (type is not (null or "BPE")) throw Error($"model.type is \"{type}\"; supported: BPE");
        if (vocabulary is null) throw Error("model.vocab is missing");
        if (mergesWait) merges = ReadMerges(ref later, vocabulary, boundaries, (prefix ?? "").Length);
        int? unknownId = unknown is null ? null : vocabulary.Find(unknown) is >= 0 and var id ? id : throw Error($"model.unk_token \"{unknown}\" is not in the vocabulary");
        return new BpeModel(vocabulary, merges ?? new MergeTable(0), boundaries, new BpeOptions(unknownId, byteFallback, fuse, ignoreMerges, prefix ?? "", suffix ?? ""));
    }

    private Vocabulary ReadVocabulary(ref Utf8JsonReader reader, int expected)
    {
        Vocabulary vocabulary = new(Math.Clamp(expected, 64, 1 << 20));
        byte[] unescaped = new byte[256];
        if (reader.TokenType != JsonTokenType.StartObject) throw Error("model.vocab is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            ReadOnlySpan<byte> text = Text(ref reader, ref unescaped);
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id < 0 || id >= MaxId)
                throw Error($"model.vocab gives token {Show(text)} no id from 0 to {MaxId - 1}");
            if (!vocabulary.TryAdd(text, id)) throw Error($"model.vocab gives id {id} twice, the second time to token {Show(text)}");
        }
        return vocabulary;
    }

    private MergeTable ReadMerges(ref Utf8JsonReader reader, Vocabulary vocabulary, Boundaries boundaries, int prefixLength)
    {
        byte[] first = new byte[256], second = new byte[256], joined = new byte[512];
        if (reader.TokenType != JsonTokenType.StartArray) throw Error("model.merges is not a list");
        List<(int Left, int Right, int Result)> list = new(vocabulary.Count);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            ReadOnlySpan<byte> left, right;
            if (reader.TokenType == JsonTokenType.StartArray)
            {
                if (!reader.Read() || reader.TokenType != JsonTokenType.String) throw Malformed(list.Count);
                left = Text(ref reader, ref first);
                if (!reader.Read() || reader.TokenType != JsonTokenType.String) throw Malformed(list.Count);
                right = Text(ref reader, ref second);
                if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray) throw Malformed(list.Count);
            }
            else if (reader.TokenType == JsonTokenType.String)
            {
                ReadOnlySpan<byte> pair = Text(ref reader, ref first);
                int space = pair.IndexOf((byte)' ');
                if (space <= 0 || space == pair.Length - 1 || pair[(space + 1)..].Contains((byte)' ')) throw Malformed(list.Count);
                left = pair[..space];
                right = pair[(space + 1)..];
            }
            else
            {
                throw Malformed(list.Count);
            }

            ReadOnlySpan<byte> tail = right[Math.Min(prefixLength, right.Length)..];
            if (left.Length + tail.Length > joined.Length) joined = new byte[2 * (left.Length + tail.Length)];
            left.CopyTo(joined);
            tail.CopyTo(joined.AsSpan(left.Length));
            int a = vocabulary.Find(left), b = vocabulary.Find(right), result = vocabulary.Find(joined.AsSpan(0, left.Length + tail.Length));
            if (a < 0 || b < 0 || result < 0)
                throw Error($"merge {list.Count} joins {Show(left)} and {Show(right)}, but {(a < 0 ? "the first" : b < 0 ? "the second" : "the result")} is not in the vocabulary");
            list.Add((a, b, result));
            boundaries.Join(left, right);
        }
        MergeTable merges = new(list.Count);
        for (int rank = 0; rank < list.Count; rank++) merges.Set(list[rank].Left, list[rank].Right, rank, list[rank].Result);
        return merges;
    }

    /// <summary>The string at the reader, unescaped; valid until the next call with the same buffer.</summary>
    private static ReadOnlySpan<byte> Text(scoped ref Utf8JsonReader reader, scoped ref byte[] buffer)
    {
        if (!reader.ValueIsEscaped) return reader.ValueSpan;
        if (reader.ValueSpan.Length > buffer.Length) buffer = new byte[2 * reader.ValueSpan.Length];
        return buffer.AsSpan(0, reader.CopyString(buffer));
    }

    private static string Show(ReadOnlySpan<byte> text)
    {
        string shown = System.Text.Encoding.UTF8.GetString(text.Length > 60 ? text[..60] : text);
        return JsonSerializer.Serialize(shown, EngineJson.Default.String);
    }

    private TokenizerException Malformed(int index) => Error($"merge {index} is not a pair of tokens (\"a b\" or [\"a\", \"b\"])");

    private TokenizerException Error(string message) => new(MessageText.OneLine($"{file}: {message}"));
}
