using System.Text;
using System.Text.Json;
using CsCheck;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Tokenizers;

public sealed class TokenizerTests
{
    private static readonly string File = Path.Combine(Goldens.TinyModel, "tokenizer.json");
    private static readonly Tokenizer Tiny = Tokenizer.Load(File);

    [Fact]
    public void Text_survives_a_round_trip()
        => Gen.String.Sample(text =>
        {
            string wellFormed = new UTF8Encoding().GetString(new UTF8Encoding().GetBytes(text));
            Assert.Equal(wellFormed.Replace('▁', ' '), Tiny.Decode(Tiny.Encode(text, SpecialTokens.Omit)));
        }, iter: 3000);

    [Fact]
    public void Incremental_text_is_the_whole_text_and_never_half_a_character()
        => Gen.Int[0, Tiny.VocabSize - 1].Where(Tiny.Contains).Array[0, 60].Sample(ids =>
        {
            foreach (SpecialText special in Enum.GetValues<SpecialText>())
            {
                IncrementalDetokenizer detokenizer = new(Tiny, special);
                StringBuilder text = new();
                foreach (int id in ids)
                {
                    string delta = detokenizer.Push(id);
                    Assert.False(delta.Length > 0 && char.IsHighSurrogate(delta[^1]));
                    text.Append(delta);
                }
                Assert.Equal(Tiny.Decode(ids, special), text.Append(detokenizer.Flush()).ToString());
            }
        }, iter: 3000);

    [Fact]
    public void Bytes_of_the_tokens_joined_are_the_text()
        => Gen.String.Sample(text =>
        {
            int[] ids = Tiny.Encode(text, SpecialTokens.Omit);
            Assert.Equal(Encoding.UTF8.GetBytes(Tiny.Decode(ids)), ids.SelectMany(Tiny.TokenBytes));
        }, iter: 1000);

    [Fact]
    public void Characters_of_several_byte_tokens_appear_whole()
    {
        IncrementalDetokenizer detokenizer = new(Tiny, SpecialText.Keep);
        int[] ids = Tiny.Encode("𓀀a", SpecialTokens.Omit); // four bytes that the vocabulary lacks as a character
        Assert.True(ids.Length >= 5);
        Assert.Equal(["", "", "", "", "𓀀a"], ids.Select(detokenizer.Push));
    }

    [Fact]
    public void An_id_outside_the_vocabulary_is_refused()
    {
        Assert.Contains("token id 99999 is not in the vocabulary", Assert.Throws<TokenizerException>(() => Tiny.Decode([5, 99999])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stream_passes_over_ids_outside_the_vocabulary()
    {
        int[] ids = Tiny.Encode("a 𓀀b", SpecialTokens.Omit);
        IncrementalDetokenizer detokenizer = new(Tiny, SpecialText.Keep);
        Assert.Equal("a 𓀀b", string.Concat(ids.SelectMany(id => (int[])[99999, id, -1]).Select(detokenizer.Push)) + detokenizer.Flush());
    }

    public static TheoryData<string, string> Malformed() => new()
    {
        { "", "not valid JSON" }, { "[]", "not a JSON object" }, { "{", "not valid JSON" }, { "{}", "\"model\" is missing" }, { "{\"model\":3}", "\"model\" is not an object" },
        { "{\"model\":{}}", "model.vocab is missing" }, { "{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}", "model.type is \"Unigram\"; supported: BPE" },
        { "{\"model\":{\"vocab\":[]}}", "model.vocab is not an object" }, { "{\"model\":{\"vocab\":{\"a\":-1}}}", "no id from 0" }, { "{\"model\":{\"vocab\":{\"a\":99999999999}}}", "no id from 0" },
        { "{\"model\":{\"vocab\":{\"a\":0,\"b\":0}}}", "gives id 0 twice" }, { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "not in the vocabulary" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", "merge 0 is not a pair" }, { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", "merge 0 is not a pair" }, { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":{}}}", "model.merges is not a list" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"unk_token\":\"x\"}}", "unk_token \"x\" is not in the vocabulary" }, { "{\"model\":{\"vocab\":{\"a\":0},\"dropout\":0.1}}", "dropout" },
        { "{\"normalizer\":{\"type\":\"NFC\"},\"model\":{\"vocab\":{\"a\":0}}}", "normalizer \"NFC\" is not supported" },
        { "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Removed\"},\"model\":{\"vocab\":{\"a\":0}}}", "is not supported" },
        { "{\"added_tokens\":[{\"id\":0,\"content\":\"b\"}],\"model\":{\"vocab\":{\"a\":0}}}", "which the vocabulary gives to another token" },
        { "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}]},\"model\":{\"vocab\":{\"a\":0}}}", "names \"<s>\"" },
        { "{\"decoder\":" + string.Concat(Enumerable.Repeat("{\"type\":\"Sequence\",\"decoders\":[", 200)) + "}", "not valid JSON" },
    };

    [Theory, MemberData(nameof(Malformed))]
    public void A_malformed_file_is_refused_in_one_line(string json, string expected)
    {
        string message = Assert.Throws<TokenizerException>(() => TokenizerFile.Parse(Encoding.UTF8.GetBytes(json), "tokenizer.json")).Message;
        Assert.StartsWith("tokenizer.json: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void The_order_of_the_model_s_parts_does_not_matter()
    {
        const string Vocab = "\"vocab\":{\"a\":0,\"##b\":1,\"ab\":2}", Merges = "\"merges\":[[\"a\",\"##b\"]]", Prefix = "\"continuing_subword_prefix\":\"##\"";
        foreach (string[] order in (string[][])[[Prefix, Vocab, Merges], [Vocab, Merges, Prefix], [Merges, Prefix, Vocab], [Merges, Vocab, Prefix]])
        {
            string json = $"{{\"model\":{{{string.Join(',', order)}}},\"added_tokens\":[]}}";
            Assert.Equal([2], new Tokenizer(TokenizerFile.Parse(Encoding.UTF8.GetBytes(json), "t")).Encode("ab"));
        }
    }

    [Fact]
    public void A_missing_file_is_named() => Assert.Contains("/nowhere/tokenizer.json: cannot be read", Assert.Throws<TokenizerException>(() => Tokenizer.Load("/nowhere/tokenizer.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void Damaged_files_are_read_or_refused_and_nothing_else()
    {
        byte[] original = Encoding.UTF8.GetBytes(SmallTokenizers.Json("added tokens"));
        Random random = new(7);
        int refused = 0;
        for (int round = 0; round < 4000; round++)
        {
            byte[] bytes = [.. original];
            for (int i = random.Next(1, 4); i > 0; i--) bytes[random.Next(bytes.Length)] = (byte)(random.Next(2) == 0 ? random.Next(256) : "\"{}[],:0-9tn"[random.Next(12)]);
            if (random.Next(4) == 0) bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                Tokenizer tokenizer = new(TokenizerFile.Parse(bytes, "t"));
                tokenizer.Decode(tokenizer.Encode("Hello, world! <|turn> 🙂"));
            }
            catch (TokenizerException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1000, 4000);
    }
}
