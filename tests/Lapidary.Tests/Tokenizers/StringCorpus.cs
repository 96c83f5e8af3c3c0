using System.Text;
using System.Text.Unicode;

namespace Lapidary.Tests.Tokenizers;

/// <summary>Strings to tokenise: every block of Unicode, whitespace of every kind, control tokens whole and broken, code, emoji.</summary>
internal static class StringCorpus
{
    private static readonly string[] Fixed =
    [
        "", " ", "  ", "\n", "\n\n\n", "\t\t", " \n \t ", "a", "Hello, world!", "▁", "▁▁ ▁", "a▁b", ">▁</", "> </a>", "x> </", "\0", "\u0001\u0002", "\r\n\r\n", "\u00a0", "\u3000", "\u200b\u200d\ufeff",
        "e\u0301", "é", "ﬁ", "Å", "Ω", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇯🇵", "🙂🙂🙂", "\U0001F9D1\U0001F3FD‍💻", "日本語のテキスト", "한국어", "العربية", "עברית", "हिन्दी", "ไทย", "ελληνικά", "Русский", "ქართული",
        "0123456789 3.14 1e-5 0xFF", "if (x < 3) { return y[i]; } // code", "<bos>", "<bos><bos>", "<|turn>user\nhi<turn|>\n", "<|turn", "turn|>", "<|tool_call>call:f{a:<|\"|>b<|\"|>}<tool_call|>", "<unused5>", "<pad><eos><unk><mask>",
        "<start_of_turn>user", "[multimodal]", "</s>", "<h1>Title</h1><br>", "<0x41>", "<0xFF>", "a<0x0A>b", "don't I'll we've", "  leading", "trailing  ", "many     spaces", "\n\n  mixed \t\n", new string('a', 5000), new string(' ', 3000), new string('\n', 100), string.Concat(Enumerable.Repeat("ab", 2000)), string.Concat(Enumerable.Repeat("😀", 300)),
    ];

    private static readonly string[] Snippets =
    [
        " ", "  ", "\n", "\n\n", "\t", "\r\n", "▁", "<bos>", "<eos>", "<|turn>", "<turn|>", "<|channel>", "<unused7>", "<start_of_turn>", "<|\"|>", "<", ">", "</", "the ", " and", "Hello", "world", "ing", "42", "3.14", "'s", "...", "!?", "é", "ß", "日", "本", "🙂", "👍🏽", "\u200d", "\u0301", "한", "б", "α", "ש", "م", "\0", "\u0007", "<div class=\"a\">", "def f(x):", "\n    return x", "{\"k\": [1, 2]}", "https://a.b/c?d=e", "▁▁▁", "\ufffd",
    ];

    private const string English =
        "It was the first warm evening of the year, and nobody in the village wanted to go inside. The baker's children were counting boats; 14, 15, no: 16! "
        + "\"You'll never finish,\" said their aunt, who'd seen twenty-seven springs on this river and didn't expect the next one to be different. ";

    public static IEnumerable<string> Strings(int count)
    {
        Random random = new(20261123);
        int made = 0;
        foreach (string text in Fixed)
        {
            made++;
            yield return text;
        }
        foreach (UnicodeRange block in Blocks())
        {
            made++;
            yield return FromBlock(block, random, 24);
        }
        while (made++ < count)
            yield return random.Next(5) switch
            {
                0 => Mixed(random),
                1 => FromBlock(Blocks()[random.Next(Blocks().Count)], random, random.Next(1, 30)),
                2 => EnglishPart(random),
                3 => AnyRunes(random),
                _ => Mixed(random) + EnglishPart(random) + Mixed(random),
            };
    }

    private static readonly List<UnicodeRange> AllBlocks =
        [.. typeof(UnicodeRanges).GetProperties().Select(p => (UnicodeRange)p.GetValue(null)!).Where(r => r.Length is > 0 and < 20000)];

    private static List<UnicodeRange> Blocks() => AllBlocks;

    private static string FromBlock(UnicodeRange block, Random random, int length)
    {
        StringBuilder text = new();
        for (int i = 0; i < length; i++)
        {
            int code = block.FirstCodePoint + random.Next(block.Length);
            if (Rune.IsValid(code)) text.Append(new Rune(code));
            if (random.Next(6) == 0) text.Append(' ');
        }
        return text.ToString();
    }

    private static string AnyRunes(Random random)
    {
        StringBuilder text = new();
        for (int i = random.Next(1, 20); i > 0; i--)
        {
            int code = random.Next(3) == 0 ? random.Next(0x110000) : random.Next(0x3000);
            if (Rune.IsValid(code)) text.Append(new Rune(code));
        }
        return text.ToString();
    }

    private static string Mixed(Random random) => string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => Snippets[random.Next(Snippets.Length)]));

    private static string EnglishPart(Random random)
    {
        int start = random.Next(English.Length - 1);
        return English[start..(start + random.Next(1, English.Length - start))];
    }
}
