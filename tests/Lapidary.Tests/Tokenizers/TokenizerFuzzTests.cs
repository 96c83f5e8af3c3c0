using System.Text;
using System.Text.Json.Nodes;
using Lapidary.Tokenizers;

namespace Lapidary.Tests.Tokenizers;

/// <summary>Damaged tokenizer files and texts that are no text: every one is served or refused, never anything else.</summary>
public sealed class TokenizerFuzzTests(ITestOutputHelper output)
{
    private static readonly byte[] Tiny = File.ReadAllBytes(Path.Combine(Goldens.TinyModel, "tokenizer.json"));

    private static readonly string[] Texts =
    [
        "", " ", "Hello, world! the and 14 ▁▁ x", "<bos><|turn>a<eos>", "né ß 日本 🙂\n\n", "a\0b\u200d\ud800c", "\udc00\ud800", "aeiou...''''", new string('a', 200), "<0x41><0xFF>", " lead", "trail ",
    ];

    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-1", "1", "2.5", "349", "350", "16777215", "16777216", "2147483648", "-9223372036854775808", "1e300", "\"\"", "\"a\"", "\" \"", "\"th e\"", "\"▁\"", "\"🙂\"", "\"\\u0000\\n\\u2028\"", "\"<unk>\"", "[]", "{}", "[[]]", "[\"a\",\"b\"]", "[[\"t\",\"h\"],[\"t\",\"h\"]]",
        "[[\"th\",\"e\"],[\"h\",\"th\"]]", "{\"a\":0,\"b\":0}", "{\"\":0}", "{\"a\":16777215}", "{\"type\":\"ByteLevel\"}", "{\"type\":\"Strip\"}", "{\"type\":\"Fuse\"}", "{\"type\":\"Sequence\"}", "{\"type\":\"Metaspace\",\"replacement\":\"\"}", "{\"type\":\"Strip\",\"content\":\"\",\"start\":1,\"stop\":1}", "{\"type\":\"Digits\"}",
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"x\"}", "{\"type\":\"Replace\",\"pattern\":{\"String\":\"l\"},\"content\":\"\"}", "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?<=a)\"},\"content\":\"aa\"}", "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\"},\"content\":\"z\"}", "{\"Regex\":\"[\"}", "{\"Regex\":\"\\\\p{L}+\"}", "{\"Regex\":\".*?\"}", "{\"Regex\":\"$|^\"}", "{\"String\":\"a\"}",
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s*\"},\"behavior\":\"MergedWithPrevious\",\"invert\":true}", "\"Removed\"", "\"Contiguous\"", "\"MergedWithNext\"", "\"ByteLevel\"", "\"Sequence\"", "\"BPE\"", "\"first\"",
    ];

    public static TheoryData<string, string, string> Refused() => new()
    {
        { "\"<0x00>\":2,", "\"<0x00>\":16777216,", "model.vocab gives token \"\\u003C0x00\\u003E\" no id from 0 to 16777215" },
        { "\"<0x00>\":2,", "\"<0x00>\":-2,", "no id from 0 to 16777215" },
        { "\"<0x00>\":2,", "\"<0x00>\":\"2\",", "no id from 0 to 16777215" },
        { "\"<0x00>\":2,", "\"<0x00>\":2.5,", "no id from 0 to 16777215" },
        { "\"<0x00>\":2,", "\"<0x00>\":3,", "model.vocab gives id 3 twice" },
        { "[\"t\",\"h\"]", "[\"t\",\"missing\"]", "merge 0 joins \"t\" and \"missing\", but the second is not in the vocabulary" },
        { "[\"t\",\"h\"]", "[\"h\",\"t\"]", "merge 0 joins \"h\" and \"t\", but the result is not in the vocabulary" },
        { "[\"t\",\"h\"]", "[\"th\",\"th\"]", "the result is not in the vocabulary" },
        { "[\"t\",\"h\"]", "\"t h e\"", "merge 0 is not a pair of tokens" },
        { "[\"t\",\"h\"]", "7", "merge 0 is not a pair of tokens" },
        { "\"type\":\"BPE\"", "\"type\":\"Uni\\ngram\"", "model.type is \"Uni gram\"; supported: BPE" },
        { "\"id\":350", "\"id\":351", "two added tokens have id 351" },
        { "\"id\":350", "\"id\":-350", "\"id\" is -350, expected an integer from 0" },
        { "\"id\":350", "\"id\":99999999999", "\"id\" is 99999999999, expected an integer from 0" },
        { "\"id\":350", "\"id\":5", "added token \"Hello\" has id 5, which the vocabulary gives to another token" },
        { "\"content\":\"world\"", "\"content\":\"Hello\"", "added token \"Hello\" is there twice" },
        { "\"content\":\"world\"", "\"content\":null", "an added token has no content" },
        { "\"ids\":[1]", "\"ids\":[7000]", "post_processor adds token id 7000, which is not in the vocabulary" },
        { "\"ids\":[1]", "\"ids\":[-1]", "\"ids\" is -1, expected a list of integers of at least 0" },
        { "\"content\":\" \",\"start\"", "\"content\":\"\",\"start\"", "\"content\" is \"\", expected one character" },
        { "\"content\":\" \",\"start\"", "\"content\":\"🙂\",\"start\"", "\"content\" is \"🙂\", expected one character" },
        { "\"start\":1", "\"start\":-1", "\"start\" is -1, expected an integer from 0" },
        { "\"String\":\" \"", "\"String\":\"\"", "a pattern is empty" },
        { "\"String\":\" \"", "\"Regex\":\"(a\\n\"", "the pattern \"(a\\u000a\" is not supported" },
    };

    [Theory, MemberData(nameof(Refused))]
    public void A_wrong_value_is_named_with_what_was_expected(string old, string with, string expected)
    {
        string json = SmallTokenizers.Json("added tokens"), compact = JsonNode.Parse(json)!.ToJsonString(Relaxed);
        int at = compact.IndexOf(old, StringComparison.Ordinal);
        Assert.True(at >= 0, $"{old} is not in the file");
        Assert.NotNull(Load(Encoding.UTF8.GetBytes(compact)));
        string message = Assert.Throws<TokenizerException>(() => Load(Encoding.UTF8.GetBytes(compact[..at] + with + compact[(at + old.Length)..]))).Message;
        Assert.StartsWith("tokenizer.json: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, char.IsControl);
    }

    [Fact]
    public void Bytes_that_are_no_text_and_deep_nesting_are_refused()
    {
        byte[] bytes = [.. Tiny];
        bytes[Tiny.AsSpan().IndexOf("▁"u8)] = 0xFF;
        Assert.Contains("not UTF-8", Assert.Throws<TokenizerException>(() => Load(bytes)).Message, StringComparison.Ordinal);
        foreach (string open in (string[])["[", "{\"a\":", "{\"model\":", "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[", "{\"model\":{\"merges\":["])
            Assert.Throws<TokenizerException>(() => Load(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(open, 100_000)))));
    }

    [Theory]
    [InlineData("[")]
    [InlineData("(")]
    [InlineData("a+")]
    [InlineData("(?:")]
    public void A_long_pattern_is_refused_in_time(string part)
    {
        string pattern = string.Concat(Enumerable.Repeat(part, 300_000));
        Assert.Throws<TokenizerException>(() => Load(Encoding.UTF8.GetBytes($$$$"""{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"{{{{pattern}}}}"},"behavior":"Isolated"},"model":{"vocab":{"a":0}}}""")));
    }

    [Fact]
    public void A_normalizer_that_doubles_the_text_again_and_again_is_refused()
    {
        string doubling = string.Join(',', Enumerable.Repeat("""{"type":"Replace","pattern":{"String":"a"},"content":"aa"}""", 40));
        Tokenizer tokenizer = Load(Encoding.UTF8.GetBytes($$$$"""{"normalizer":{"type":"Sequence","normalizers":[{{{{doubling}}}}]},"model":{"vocab":{"a":0}}}"""));
        Assert.Contains("normalizer makes a text of", Assert.Throws<TokenizerException>(() => tokenizer.Encode("a")).Message, StringComparison.Ordinal);
        Assert.Empty(tokenizer.Encode("b"));
    }

    [Fact]
    public void A_damaged_file_gives_a_working_tokenizer_or_a_refusal()
    {
        const int Seed = 90210, Rounds = 6_000;
        Random random = new(Seed);
        string[] files = [.. SmallTokenizers.Names().Select(row => SmallTokenizers.Json(row.Data))];
        int served = 0, refused = 0;
        for (int round = 0; round < Rounds; round++)
        {
            byte[] damaged = round % 100 == 0 ? DamageBytes([.. Tiny], random) : Damage(files[random.Next(files.Length)], random);
            try
            {
                Use(Load(damaged), random);
                served++;
            }
            catch (TokenizerException exception)
            {
                Assert.False(exception.Message.Any(char.IsControl), $"round {round}: a control character in {exception.Message}");
                refused++;
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"round {round} of seed {Seed}: {exception}\n{Encoding.UTF8.GetString(damaged)[..Math.Min(damaged.Length, 3000)]}");
            }
        }
        output.WriteLine($"{served} served, {refused} refused");
        Assert.True(served > Rounds / 10 && refused > Rounds / 10, $"{served} served, {refused} refused: the damage tests nothing");
    }

    private static void Use(Tokenizer tokenizer, Random random)
    {
        foreach (string text in Texts)
        {
            int[] ids = tokenizer.Encode(text, random.Next(2) == 0 ? SpecialTokens.Add : SpecialTokens.Omit);
            Assert.All(ids, id => Assert.True(tokenizer.Contains(id) && id < tokenizer.VocabSize, $"id {id} came out of encoding, but is not in the vocabulary"));
            tokenizer.Decode(ids, SpecialText.Skip);
            IncrementalDetokenizer detokenizer = new(tokenizer, SpecialText.Keep);
            foreach (int id in ids) detokenizer.Push(id);
            detokenizer.Flush();
        }
    }

    public static TheoryData<string> Exact => ["tiny", "byte level", "llama 3"];

    [Theory, MemberData(nameof(Exact))]
    public void Any_text_comes_back_as_it_was(string name)
    {
        Tokenizer tokenizer = Named(name);
        Random random = new(31337);
        foreach (string text in StringCorpus.Strings(1_500).Concat(Enumerable.Range(0, 1_500).Select(_ => Noise(random))))
        {
            // Lone surrogates count as U+FFFD; to the tiny vocabulary "▁" is a space.
            string expected = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            if (name == "tiny") expected = expected.Replace('▁', ' ');
            Assert.Equal(expected, tokenizer.Decode(tokenizer.Encode(text, SpecialTokens.Omit)));
        }
    }

    public static TheoryData<string> All => ["tiny", .. SmallTokenizers.Names().Select(row => row.Data)];

    [Theory, MemberData(nameof(All))]
    public void Texts_in_pieces_are_the_whole_text_at_every_split(string name)
    {
        Tokenizer tokenizer = Named(name);
        Random random = new(4711);
        int[] known = [.. Enumerable.Range(0, tokenizer.VocabSize).Where(tokenizer.Contains)];
        for (int round = 0; round < 100; round++)
        {
            int[] ids = random.Next(2) == 0 ? tokenizer.Encode(Noise(random)) : [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => known[random.Next(known.Length)])];
            foreach (SpecialText special in Enum.GetValues<SpecialText>())
            {
                // Given out so far, flushed at each split, it is the text of the ids so far.
                for (int split = 0; split <= ids.Length; split++)
                {
                    IncrementalDetokenizer detokenizer = new(tokenizer, special);
                    string text = string.Concat(ids[..split].Select(detokenizer.Push));
                    Assert.Equal(tokenizer.Decode(ids.AsSpan(0, split), special), text + detokenizer.Flush());
                }
            }
        }
    }

    /// <summary>Negative control: giving out each token's own text is not enough for such texts.</summary>
    [Theory, MemberData(nameof(Exact))]
    public void Texts_of_single_tokens_are_not_the_whole_text(string name)
    {
        Tokenizer tokenizer = Named(name);
        Random random = new(4711);
        int different = 0;
        for (int round = 0; round < 100; round++)
        {
            int[] ids = tokenizer.Encode(Noise(random));
            if (tokenizer.Decode(ids) != string.Concat(ids.Select(id => tokenizer.Decode([id])))) different++;
        }
        Assert.True(different > 20, $"only {different} of 100 texts differ");
    }

    /// <summary>Characters of every width, halves of surrogate pairs, control characters, and bytes read as UTF-8.</summary>
    private static string Noise(Random random)
    {
        byte[] bytes = new byte[random.Next(0, 40)];
        random.NextBytes(bytes);
        if (random.Next(3) == 0) return Encoding.UTF8.GetString(bytes);
        if (random.Next(2) == 0) return Encoding.Latin1.GetString(bytes);
        return string.Concat(Enumerable.Range(0, random.Next(0, 25)).Select(_ => random.Next(6) switch
        {
            0 => ((char)random.Next(0xD800, 0xE000)).ToString(),
            1 => char.ConvertFromUtf32(random.Next(0x10000, 0x110000)),
            2 => ((char)random.Next(0x20)).ToString(),
            3 => "the ",
            4 => " ",
            _ => ((char)random.Next(0x10000)).ToString(),
        }));
    }

    private static readonly System.Text.Json.JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static Tokenizer Load(byte[] json) => new(TokenizerFile.Parse(json, "tokenizer.json"));

    private static Tokenizer Named(string name) => Load(name == "tiny" ? Tiny : Encoding.UTF8.GetBytes(SmallTokenizers.Json(name)));

    private static byte[] Damage(string json, Random random)
    {
        JsonNode root = JsonNode.Parse(json)!;
        for (int changes = random.Next(1, 3); changes > 0; changes--) DamageNode(root, random);
        byte[] bytes = Encoding.UTF8.GetBytes(root.ToJsonString(Relaxed));
        return random.Next(4) == 0 ? DamageBytes(bytes, random) : bytes;
    }

    /// <summary>Walks down to a random place and drops, doubles or replaces what is there.</summary>
    private static void DamageNode(JsonNode node, Random random)
    {
        while (true)
        {
            JsonNode? child = node switch
            {
                JsonObject { Count: > 0 } members => members[random.Next(members.Count)],
                JsonArray { Count: > 0 } items => items[random.Next(items.Count)],
                _ => null,
            };
            if (child is JsonObject or JsonArray && random.Next(4) > 0)
            {
                node = child;
                continue;
            }
            if (node is JsonArray list) DamageList(list, random);
            else if (node is JsonObject { Count: > 0 } map) DamageMap(map, random);
            return;
        }
    }

    private static JsonNode? Value(Random random) => JsonNode.Parse(Values[random.Next(Values.Length)]);

    private static void DamageList(JsonArray list, Random random)
    {
        if (list.Count == 0 || random.Next(3) == 0) list.Insert(random.Next(list.Count + 1), Value(random));
        else if (random.Next(2) == 0) list.RemoveAt(random.Next(list.Count));
        else list.Add(list[random.Next(list.Count)]?.DeepClone());
    }

    private static void DamageMap(JsonObject map, Random random)
    {
        string key = map.ElementAt(random.Next(map.Count)).Key;
        switch (random.Next(4))
        {
            case 0: map.Remove(key); break;
            case 1: map[key + "x"] = map[key]?.DeepClone(); break;
            default: map[key] = Value(random); break;
        }
    }

    private static byte[] DamageBytes(byte[] bytes, Random random)
    {
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            int at = random.Next(bytes.Length);
            bytes[at] = random.Next(3) switch { 0 => (byte)(bytes[at] ^ (1 << random.Next(8))), 1 => (byte)random.Next(256), _ => (byte)"{}[]\",:0123456789-e.\\u"[random.Next(22)] };
        }
        return random.Next(6) == 0 ? bytes[..random.Next(bytes.Length)] : bytes;
    }
}
