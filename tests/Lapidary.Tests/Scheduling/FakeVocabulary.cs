using System.Text;
using System.Text.Json;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Scheduling;

/// <summary>Texts for the fake model's tokens: short ones of few letters, single bytes, a control token, and one id without any.</summary>
internal static class FakeVocabulary
{
    public const int Unknown = FakeModel.Vocab - 1;

    private static readonly string[] Texts =
    [
        "<s>", "<0xE2>", "<0x82>", "<0xAC>", "<0x41>",
        .. from length in Enumerable.Range(1, 3) from letters in Words(length) select letters,
    ];

    public static Tokenizer Tokenizer { get; } = Make();

    public static int Id(string text) => Tokenizer.TokenToId(text)!.Value;

    public static bool IsByte(int id) => Texts[id].StartsWith("<0x", StringComparison.Ordinal);

    private static IEnumerable<string> Words(int length)
        => length == 0 ? [""] : from word in Words(length - 1) from letter in "abc" select word + letter;

    private static Tokenizer Make()
    {
        Dictionary<string, int> ids = Texts.Take(Unknown).Select((text, id) => (text, id)).ToDictionary(t => t.text, t => t.id);
        string merges = JsonSerializer.Serialize(ids.Keys.Where(t => t[0] != '<' && t.Length > 1).Select(t => new[] { t[..^1], t[^1..] }));
        string folder = Directory.CreateTempSubdirectory("lapidary-").FullName;
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), $$"""
            {"version":"1.0","truncation":null,"padding":null,
             "added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
             "normalizer":null,"pre_tokenizer":null,"post_processor":null,
             "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]},
             "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,
              "fuse_unk":false,"byte_fallback":true,"ignore_merges":false,"vocab":{{JsonSerializer.Serialize(ids)}},"merges":{{merges}} } }
            """, Encoding.UTF8);
        Tokenizer tokenizer = Tokenizer.Load(folder);
        Directory.Delete(folder, recursive: true);
        return tokenizer;
    }
}
