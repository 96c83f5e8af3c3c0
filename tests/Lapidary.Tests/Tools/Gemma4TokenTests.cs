using Lapidary.Templates;
using Lapidary.Tokenizers;
using Lapidary.Tools;

namespace Lapidary.Tests.Tools;

/// <summary>Gemma 4 output as tokens of a real tokenizer: a marker is what has the marker's id, wherever its text comes.</summary>
public sealed class Gemma4TokenTests
{
    private static readonly Tokenizer Tiny = Tokenizer.Load(Goldens.TinyModel);

    private static List<(int Id, string Text)> Tokens(params int[][] ids)
    {
        IncrementalDetokenizer detokenizer = new(Tiny, SpecialText.Keep);
        return [.. ids.SelectMany(i => i).Select(id => (id, detokenizer.Push(id)))];
    }

    private static int[] Encode(string text) => Tiny.Encode(text, SpecialTokens.Omit);

    /// <summary>The ids of a text that only looks like a marker: no id is the marker's.</summary>
    private static int[] Spelled(string marker) => [.. marker.SelectMany(c => Encode(c.ToString()))];

    [Theory, MemberData(nameof(Gemma4FormatTests.Outputs), MemberType = typeof(Gemma4FormatTests))]
    public void Tokens_give_what_their_text_gives(string output, string content, string reasoning, string calls)
    {
        ParsedOutput parsed = ParsedOutput.Of("gemma4", Tiny, Tokens(Encode(output)));
        Assert.Equal(content, parsed.Content);
        Assert.Equal(reasoning, parsed.Reasoning);
        Assert.Equal(calls, string.Join(' ', parsed.Calls));
    }

    [Theory, MemberData(nameof(Gemma4FormatTests.Outputs), MemberType = typeof(Gemma4FormatTests))]
    public void Text_that_comes_later_than_its_token_gives_the_same(string output, string content, string reasoning, string calls)
    {
        List<(int Id, string Text)> tokens = Tokens(Encode(output));
        foreach (int delay in (int[])[1, 3])
        {
            List<(int Id, string Text)> late = [];
            string waiting = "";
            foreach ((int id, string text) in tokens) // the last characters wait, as for a stop text
            {
                waiting += text;
                int ready = Math.Max(0, waiting.Length - delay);
                late.Add((id, waiting[..ready]));
                waiting = waiting[ready..];
            }
            late.Add((Encode(" ")[0], waiting));
            ParsedOutput parsed = ParsedOutput.Of("gemma4", Tiny, late);
            Assert.Equal(content, parsed.Content);
            Assert.Equal(reasoning, parsed.Reasoning);
            Assert.Equal(calls, string.Join(' ', parsed.Calls));
        }
    }

    [Fact]
    public void A_marker_that_is_spelled_out_is_text()
    {
        int[] written = Spelled("<|tool_call>");
        Assert.DoesNotContain(Tiny.TokenToId("<|tool_call>")!.Value, written);
        ParsedOutput parsed = ParsedOutput.Of("gemma4", Tiny, Tokens(Encode("Write "), written, Encode("call:?{}"), Spelled("<tool_call|>")));
        Assert.Equal("Write <|tool_call>call:?{}<tool_call|>", parsed.Content);
        Assert.Empty(parsed.Calls);
        parsed = ParsedOutput.Of("gemma4", Tiny, Tokens(Encode("<|tool_call>call:f{a:<|\"|>"), Spelled("<|\"|>}<tool_call|>"), Encode("<|\"|>}<tool_call|>")));
        Assert.Equal(["""f{"a":"<|\"|>}<tool_call|>"}"""], parsed.Calls);
    }

    [Fact]
    public void Other_special_tokens_show_only_when_asked_for()
    {
        int[] ids = [.. Encode("a"), Tiny.TokenToId("<pad>")!.Value, .. Encode("b<turn|>")];
        Assert.Equal("ab", ParsedOutput.Of("gemma4", Tiny, Tokens(ids)).Content);
        Assert.Equal("a<pad>b<turn|>", ParsedOutput.Of("gemma4", Tiny, Tokens(ids), SpecialText.Keep).Content);
        Assert.Equal("ab", ParsedOutput.Of("none", Tiny, Tokens(ids)).Content);
        Assert.Equal("ab<pad>", ParsedOutput.Of("none", Tiny, Tokens(Encode("ab"), Spelled("<pad>"))).Content);
    }

    [Fact]
    public void A_special_token_whose_text_is_hidden_does_not_disturb_the_next()
    {
        int open = Tiny.TokenToId("<|channel>")!.Value;
        List<(int Id, string Text)> tokens = [(open, ""), .. Tokens(Encode("a<|channel>thought\nhm<channel|>b"))];
        ParsedOutput parsed = ParsedOutput.Of("gemma4", Tiny, tokens);
        Assert.Equal("a\nb", parsed.Content);
        Assert.Equal("hm", parsed.Reasoning);
    }

    [Theory]
    [InlineData("gemma4", "gemma4")]
    [InlineData("none", "none")]
    public void A_format_is_found_by_its_name(string name, string found) => Assert.Equal(found, OutputFormats.Named(name).Name);

    [Fact]
    public void An_unknown_format_is_refused_with_the_known_ones()
    {
        string message = Assert.Throws<RequestException>(() => OutputFormats.Named("gemma\n5")).Message;
        Assert.StartsWith("unknown output format \"gemma\\u000a5\"; known are gemma4, lfm2, ", message, StringComparison.Ordinal);
        foreach (OutputFormat format in OutputFormats.All) Assert.Contains(format.Name, message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_embedded_model_writes_gemma4()
        => Assert.Equal("gemma4", OutputFormats.All.First(f => f.Fits(new OutputSigns(Tiny, null))).Name);

    [Theory]
    [InlineData("{{ '<tool_call>' }}", "hermes")]
    [InlineData("<tool_call>\n<function=x>", "none")]
    [InlineData("[func_name1(params_name1=params_value1)]", "pythonic")]
    [InlineData("{{ messages }}", "none")]
    public void The_template_tells_the_format(string template, string format)
        => Assert.Equal(format, OutputFormats.All.First(f => f.Fits(new OutputSigns(null, ChatTemplate.Parse(template, new Dictionary<string, TemplateValue>())))).Name);

    /// <summary>Else which one is meant would depend on how the text is cut.</summary>
    [Fact]
    public void No_marker_begins_another()
    {
        foreach (OutputFormat format in OutputFormats.All)
        {
            IReadOnlyList<string> markers = format.CreateGrammar(new OutputParserOptions(), new OutputWriter(1)).Markers;
            foreach (string marker in markers)
                Assert.DoesNotContain(markers, other => other != marker && other.StartsWith(marker, StringComparison.Ordinal));
        }
    }
}
