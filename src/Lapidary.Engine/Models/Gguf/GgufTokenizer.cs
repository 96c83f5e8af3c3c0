using System.Text.Json;
using Lapidary.Checkpoints.Gguf;
using Lapidary.Tokenizers;

namespace Lapidary.Models.Gguf;

/// <summary>
/// A GGUF file's vocabulary said in the words of tokenizer.json, so that one reader checks both. Gemma 4's tokenizer:
/// spaces become ▁, BPE over the whole text with byte fallback.
/// </summary>
internal static class GgufTokenizer
{
    private const int Unknown = 2, Control = 3, UserDefined = 4; // tokenizer.ggml.token_type, beside 1 normal, 5 unused, 6 byte

    /// <exception cref="TokenizerException">The vocabulary is missing or of another kind.</exception>
    public static Tokenizer Read(GgufFile file) => new(TokenizerFile.Parse(Json(file), file.Location));

    private static ReadOnlySpan<byte> Json(GgufFile file)
    {
        GgufMetadata metadata = file.Metadata;
        string? kind = metadata.String("tokenizer.ggml.model");
        if (kind != "gemma4")
            throw new TokenizerException($"{file.Location}: tokenizer.ggml.model is {(kind is null ? "missing" : MessageText.Quote(kind))}; supported: gemma4");
        string[] tokens = metadata.Strings("tokenizer.ggml.tokens") ?? throw Missing(file, "tokens");
        double[] types = metadata.Numbers("tokenizer.ggml.token_type") ?? throw Missing(file, "token_type");
        string[] merges = metadata.Strings("tokenizer.ggml.merges") ?? throw Missing(file, "merges");
        if (types.Length != tokens.Length) throw new TokenizerException($"{file.Location}: {types.Length} token types for {tokens.Length} tokens");

        using MemoryStream stream = new(32 * tokens.Length);
        using Utf8JsonWriter json = new(stream);
        json.WriteStartObject();
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < tokens.Length; id++)
        {
            if (types[id] is not (Control or UserDefined or Unknown)) continue;
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", tokens[id]);
            foreach (string flag in (string[])["single_word", "lstrip", "rstrip", "normalized"]) json.WriteBoolean(flag, false);
            json.WriteBoolean("special", types[id] is not UserDefined);
            json.WriteEndObject();
        }
        json.WriteEndArray();

        json.WriteStartObject("normalizer");
        Replace(" ", "▁");
        json.WriteEndObject();
        if ((metadata.Bool("tokenizer.ggml.add_bos_token") ?? true) && metadata.Int("tokenizer.ggml.bos_token_id", 0, tokens.Length - 1) is { } bos)
            TemplateOfBegin(tokens[bos], bos);
        json.WriteStartObject("decoder");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("decoders");
        json.WriteStartObject();
        Replace("▁", " ");
        json.WriteEndObject();
        foreach (string step in (string[])["ByteFallback", "Fuse"])
        {
            json.WriteStartObject();
            json.WriteString("type", step);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();

        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        if (Array.FindIndex(types, type => type == Unknown) is >= 0 and var unknown) json.WriteString("unk_token", tokens[unknown]);
        else if (Array.IndexOf(tokens, "<unk>") >= 0) json.WriteString("unk_token", "<unk>");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", true);
        json.WriteBoolean("byte_fallback", true);
        json.WriteStartObject("vocab");
        for (int id = 0; id < tokens.Length; id++) json.WriteNumber(tokens[id], id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        // As llama.cpp, which looks merges up by text: one whose result is no token never happens.
        HashSet<string> vocabulary = new(tokens, StringComparer.Ordinal);
        foreach (string merge in merges)
            if (merge.IndexOf(' ', 1) is > 0 and var space && vocabulary.Contains(string.Concat(merge.AsSpan(0, space), merge.AsSpan(space + 1)))) json.WriteStringValue(merge);
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return stream.GetBuffer().AsSpan(0, (int)stream.Length);

        void Replace(string pattern, string content)
        {
            json.WriteString("type", "Replace");
            json.WriteStartObject("pattern");
            json.WriteString("String", pattern);
            json.WriteEndObject();
            json.WriteString("content", content);
        }

        void TemplateOfBegin(string content, int id)
        {
            json.WriteStartObject("post_processor");
            json.WriteString("type", "TemplateProcessing");
            json.WriteStartArray("single");
            json.WriteStartObject();
            json.WriteStartObject("SpecialToken");
            json.WriteString("id", content);
            json.WriteNumber("type_id", 0);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteStartObject();
            json.WriteStartObject("Sequence");
            json.WriteString("id", "A");
            json.WriteNumber("type_id", 0);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteStartObject("special_tokens");
            json.WriteStartObject(content);
            json.WriteString("id", content);
            json.WriteStartArray("ids");
            json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteStartArray("tokens");
            json.WriteStringValue(content);
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }
    }

    private static TokenizerException Missing(GgufFile file, string what) => new($"{file.Location}: tokenizer.ggml.{what} is missing; the file was made without its tokenizer");
}
