using System.Text.Json;

namespace Lapidary.Tests.Tokenizers;

/// <summary>Small tokenizer.json files, one for each part that the big ones do not use.</summary>
internal static class SmallTokenizers
{
    private const string ByteFallbackDecoder = """{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""";

    private static readonly Dictionary<string, (string? Normalizer, string? PreTokenizer, string? Decoder, string Added, string Model)> Parts = new()
    {
        ["byte level"] = (null, """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}""", """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""", "", "byte"),
        ["byte level, prefix space"] = (null, """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""", """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""", "", "byte"),
        ["llama 3"] = (null, """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}""", """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""", "", "byte"),
        ["metaspace always"] = (null, """{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}""", """{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}""", "", "fallback"),
        ["metaspace never"] = (null, """{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":false}""", """{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":false}""", "", "fallback"),
        ["llama 2"] = ("""{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}""", null, ByteFallbackDecoder, "", "fallback"),
        ["lowercase, strip"] = ("""{"type":"Sequence","normalizers":[{"type":"Lowercase"},{"type":"Strip","strip_left":true,"strip_right":true}]}""", """{"type":"WhitespaceSplit"}""", """{"type":"Fuse"}""", "", "fallback"),
        ["whitespace"] = (null, """{"type":"Whitespace"}""", """{"type":"Fuse"}""", "", "fallback"),
        ["digits"] = (null, """{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Digits","individual_digits":false}]}""", """{"type":"Fuse"}""", "", "fallback"),
        ["punctuation"] = (null, """{"type":"Punctuation","behavior":"Isolated"}""", """{"type":"Fuse"}""", "", "fallback"),
        ["split, removed"] = (null, """{"type":"Split","pattern":{"String":"an"},"behavior":"Removed","invert":false}""", """{"type":"Fuse"}""", "", "fallback"),
        ["split, merged with next"] = (null, """{"type":"Split","pattern":{"String":"e"},"behavior":"MergedWithNext","invert":false}""", """{"type":"Fuse"}""", "", "fallback"),
        ["split, merged with previous"] = (null, """{"type":"Split","pattern":{"Regex":"[aeiou]"},"behavior":"MergedWithPrevious","invert":false}""", """{"type":"Fuse"}""", "", "fallback"),
        ["split, contiguous"] = (null, """{"type":"Split","pattern":{"Regex":"[aeiou]"},"behavior":"Contiguous","invert":false}""", """{"type":"Fuse"}""", "", "fallback"),
        ["split, inverted"] = (null, """{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Removed","invert":true}""", """{"type":"Fuse"}""", "", "fallback"),
        ["added tokens"] = ("""{"type":"Replace","pattern":{"String":" "},"content":"▁"}""", null, ByteFallbackDecoder,
            """,{"id":350,"content":"Hello","single_word":true,"lstrip":false,"rstrip":false,"normalized":false,"special":false},{"id":351,"content":"world","single_word":false,"lstrip":true,"rstrip":true,"normalized":false,"special":false},{"id":352,"content":"the ","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false},{"id":353,"content":"<eos>","single_word":false,"lstrip":false,"rstrip":true,"normalized":false,"special":true},{"id":354,"content":"<|turn>","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true}""", "fallback"),
        ["unknown, fused"] = (null, null, """{"type":"Fuse"}""", "", "unknown fused"),
        ["unknown, not fused"] = (null, null, """{"type":"Fuse"}""", "", "unknown"),
        ["ignore merges"] = (null, """{"type":"WhitespaceSplit"}""", """{"type":"Fuse"}""", "", "ignore"),
        ["no decoder"] = (null, """{"type":"WhitespaceSplit"}""", null, "", "fallback"),
    };

    public static TheoryData<string> Names() => [.. Parts.Keys];

    public static string Json(string name)
    {
        (string? normalizer, string? preTokenizer, string? decoder, string added, string model) = Parts[name];
        return """
            {"version":"1.0","truncation":null,"padding":null,
             "added_tokens":[{"id":1,"content":"<bos>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}ADDED],
             "normalizer":NORMALIZER,"pre_tokenizer":PRETOKENIZER,
             "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<bos>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<bos>":{"id":"<bos>","ids":[1],"tokens":["<bos>"]}}},
             "decoder":DECODER,"model":MODEL}
            """.Replace("ADDED", added, StringComparison.Ordinal).Replace("NORMALIZER", normalizer ?? "null", StringComparison.Ordinal)
            .Replace("PRETOKENIZER", preTokenizer ?? "null", StringComparison.Ordinal).Replace("DECODER", decoder ?? "null", StringComparison.Ordinal)
            .Replace("MODEL", Model(model), StringComparison.Ordinal);
    }

    private static string Model(string kind)
    {
        List<string> vocab = ["<unk>", "<bos>"];
        if (kind == "fallback") vocab.AddRange(Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"));
        string letters = kind == "byte"
            ? string.Concat(Enumerable.Range(0, 256).Select(b => ByteCharacter(b)))
            : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ▁ .,'\n0123456789<|>éß日本";
        vocab.AddRange(letters.Select(c => c.ToString()));
        string space = kind == "byte" ? "Ġ" : "▁";
        (string, string)[] merges = [("t", "h"), ("th", "e"), (space, "the"), ("i", "n"), ("in", "g"), ("a", "n"), ("an", "d"), ("l", "l"), ("o", "r"), ("w", "or"), ("e", "r"), (space, "w"), ("1", "4"), ("H", "e"), ("He", "ll"), (".", "."), (space, space)];
        foreach ((string a, string b) in merges) vocab.Add(a + b);
        var ids = vocab.Distinct().Select((token, id) => (token, id)).ToDictionary(p => p.token, p => p.id);
        return $$"""
            {"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,"end_of_word_suffix":null,
             "fuse_unk":{{(kind == "unknown fused" ? "true" : "false")}},"byte_fallback":{{(kind == "fallback" ? "true" : "false")}},"ignore_merges":{{(kind == "ignore" ? "true" : "false")}},
             "vocab":{{JsonSerializer.Serialize(ids)}},"merges":{{JsonSerializer.Serialize(merges.Select(m => new[] { m.Item1, m.Item2 }))}}}
            """;
    }

    // GPT-2's table, computed the way its paper's code does: bytes that print stand for themselves, the rest follow from 256.
    private static char ByteCharacter(int value)
    {
        bool Prints(int b) => b is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
        return Prints(value) ? (char)value : (char)(256 + Enumerable.Range(0, value).Count(b => !Prints(b)));
    }
}
