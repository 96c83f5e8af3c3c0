using System.Text.RegularExpressions;
using Lapidary.Generation;
using Lapidary.Tools;

namespace Lapidary.Tests.Tools;

/// <summary>Output that no format foresees: whatever comes, nothing throws, nothing is lost, and pieces do not matter.</summary>
public sealed partial class OutputFuzzTests(ITestOutputHelper output)
{
    internal static readonly string[] Parts =
    [
        "<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|\"|>", "<turn|>", "<|tool_response>", "thought\n", "call:", "call:f{", "call:g(", "a:", "b=", "key:<|\"|>", "<|tool_call_start|>", "<|tool_call_end|>", "<|python_start|>", "<|python_end|>", "<tool_call>", "</tool_call>", "<|python_tag|>",
        "<think>", "</think>", "[", "]", "{", "}", "(", ")", ",", ":", "=", ";", "'", "\"", "\\", "\n", " ", "f(", "g(a=", "[f(", "[f(a='", "'''", "\"\"\"", "r'", "b'", "True", "None", "null", "-1", "07", "1.", "1e5", "\\x4", "\\u12", "\\N", "{\"name\":", "\"f\"", "\"arguments\":", "\"parameters\":{", "\"name\": \"f\", \"arguments\": {",
        "x", "text and more", "日", "🙂", "\ud83d", "\ude42", "\0", "\u2028", "<", "<|", "|>", "lambda x: x", "f(a=1)", "{'a': 1}", "call:get_weather{days:<|\"|>3<|\"|>,deep:{", "{\"name\":\"f\",\"arguments\":{\"a\":1}}",
    ];

    internal static readonly string[] Whole =
    [
        "<|channel>thought\nhm\n<channel|>Text <|tool_call>call:get_weather{city:<|\"|>Paris, {x}<|\"|>,days:3,deep:{codes:[1,null],n:<|\"|>2<|\"|>}}<tool_call|><|tool_call>call:g{}<tool_call|>",
        "<think>hm</think>Text <|tool_call_start|>[get_weather(city='it's', days=07, deep={'codes': [1, (2,)], \"n\": {3}}), g(a=r'\\d', b='''x''')]<|tool_call_end|>\nmore",
        "[f(a='print('x')', b={'k': [True, None, -1.5]}), g()]",
        "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris \\\"x\\\" \\u00e9\", \"deep\": {\"codes\": [1, null]}}}\n</tool_call>\n<tool_call>{'name': 'g', 'arguments': {}}</tool_call>",
        "{\"name\": \"f\", \"parameters\": {\"a\": [1, {\"b\": true}]}}; {\"name\": \"g\", \"parameters\": {}}",
    ];

    [Fact]
    public void Whatever_comes_is_parsed_the_same_in_any_pieces_and_not_lost()
    {
        const int Seed = 4711, Rounds = 5000;
        Random random = new(Seed);
        int withCalls = 0, withReasoning = 0, asText = 0;
        for (int round = 0; round < Rounds; round++)
        {
            string text = random.Next(3) == 0 ? Damaged(random) : string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => Parts[random.Next(Parts.Length)]));
            FinishReason end = random.Next(4) == 0 ? FinishReason.Length : FinishReason.Stop;
            foreach (OutputFormat format in OutputFormats.All)
            {
                ParsedOutput whole = Parse(format.Name, [text], end), pieces = Parse(format.Name, GeneratedCallTests.Pieces(text, [random.Next(1, 4), random.Next(1, 9), 1]), end);
                Assert.True(whole.Trace == pieces.Trace, $"round {round}, {format.Name}: {text}\n--- whole{whole.Trace}\n--- pieces{pieces.Trace}");
                if (whole.Reasoning.Length > 0) withReasoning++;
                if (whole.Calls.Count > 0)
                {
                    withCalls++;
                    continue;
                }
                asText++;
                Assert.True(Visible(text) == Visible(Shown(whole)), $"round {round}, {format.Name}: {text}\n--- shown{whole.Trace}");
            }
        }
        output.WriteLine($"{withCalls} with calls, {withReasoning} with reasoning, {asText} without calls");
        Assert.True(withCalls > 1000 && withReasoning > 1000 && asText > 1000);
    }

    /// <summary>The control of the test above: a lost or doubled character shows.</summary>
    [Fact]
    public void A_lost_character_is_noticed()
    {
        Assert.Equal(Visible("a <|channel>b"), Visible("ab"));
        Assert.NotEqual(Visible("a <|channel>b"), Visible("a"));
        Assert.NotEqual(Visible("ab"), Visible("abb"));
        Assert.NotEqual(Visible("{a"), Visible("a{"));
    }

    /// <summary>Schemas come from requests: one that makes no sense types nothing.</summary>
    [Theory]
    [InlineData("""{"properties":{"\ud83d":{}}}""")]
    [InlineData("""{"properties":{"a":{"type":"\ud83d"}}}""")]
    [InlineData("""{"properties":{"a":{"$ref":"\ud83d"}}}""")]
    [InlineData("""{"$ref":"#"}""")]
    [InlineData("""{"$ref":"#/"}""")]
    [InlineData("""{"properties":{"a":{"$ref":"#/properties/a"}}}""")]
    [InlineData("""{"anyOf":[{"$ref":"#/anyOf/0"},{"$ref":"#/anyOf/1"},{"allOf":[{"$ref":"#/anyOf/2"}]}]}""")]
    [InlineData("""{"properties":7}""")]
    [InlineData("""{"properties":{"a":true}}""")]
    [InlineData("""{"properties":{"a":{"type":7}}}""")]
    [InlineData("""{"properties":{"a":{"type":["integer",7,"31"]}}}""")]
    [InlineData("""{"properties":{"a":{"type":"31"}}}""")]
    [InlineData("""{"properties":{"a":{"type":"string,null"}}}""")]
    [InlineData("[]")]
    [InlineData("null")]
    public void A_schema_that_makes_no_sense_does_no_harm(string schema)
    {
        ToolDefinition[] tools = [new("f", ParsedOutput.Schema(schema))];
        ParsedOutput parsed = ParsedOutput.Of("gemma4", ["<|tool_call>call:f{a:7,\ud83d:[1],b:{c:1}}<tool_call|>"], tools: tools);
        Assert.Equal(["f{\"a\":7,\"\ufffd\":[1],\"b\":{\"c\":1}}"], parsed.Calls);
    }

    private static ParsedOutput Parse(string format, IEnumerable<string> pieces, FinishReason end)
    {
        try
        {
            return ParsedOutput.Of(format, pieces, end: end);
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"{format}, {end}: {string.Concat(pieces)}", exception);
        }
    }

    private static string Damaged(Random random)
    {
        string text = Whole[random.Next(Whole.Length)];
        for (int change = random.Next(1, 5); change > 0; change--)
        {
            int at = random.Next(text.Length), length = Math.Min(random.Next(1, 12), text.Length - at);
            text = random.Next(4) switch
            {
                0 => text.Remove(at, length),
                1 => text.Insert(at, Parts[random.Next(Parts.Length)]),
                2 => string.Concat(text.AsSpan(0, at + length), text.AsSpan(at)),
                _ => text[..at] + (char)random.Next(32, 127) + text[(at + 1)..],
            };
            if (text.Length == 0) text = "x";
        }
        return text;
    }

    /// <summary>Content and reasoning in their order.</summary>
    private static string Shown(ParsedOutput parsed) => Kind().Replace(parsed.Trace, "");

    /// <summary>Without what is layout: white space, markers, the label of a channel, an empty list of calls, lone surrogates.</summary>
    private static string Visible(string text)
    {
        text = text.Replace('\ud83d', ' ').Replace('\ude42', ' ').Replace('\ufffd', ' ');
        for (string before = ""; before != text;) // what is left of two markers may be a third
        {
            before = text;
            text = Layout().Replace(Marker().Replace(text, ""), "");
        }
        return text;
    }

    [GeneratedRegex(@"\n(content|reasoning) ")]
    private static partial Regex Kind();

    [GeneratedRegex(@"<\|?channel\|?>|<\|?tool_call\|?>|<\|""\|>|<turn\|>|<\|tool_response>|<\|tool_call_(start|end)\|>|<\|python_(start|end|tag)\|>|</?tool_call>|</?think>")]
    private static partial Regex Marker();

    [GeneratedRegex(@"\s+|thought|\[\]")]
    private static partial Regex Layout();
}
