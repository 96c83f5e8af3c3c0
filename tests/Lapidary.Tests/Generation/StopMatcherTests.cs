using System.Text;
using CsCheck;
using Lapidary.Generation;

namespace Lapidary.Tests.Generation;

public sealed class StopMatcherTests
{
    [Fact]
    public void The_result_does_not_depend_on_the_pieces()
        => Gen.Select(Gen.Char["abc"].Array[0, 30], Gen.Char["abc"].Array[1, 4].Array[0, 3], Gen.Int[1, 5].Array[30]).Sample((text, stops, cuts) =>
        {
            string whole = new(text);
            string[] stopTexts = [.. stops.Select(s => new string(s))];
            (string expected, string? match) = Reference(whole, stopTexts);
            StopMatcher matcher = new(stopTexts);
            StringBuilder result = new();
            for (int at = 0, i = 0; at < whole.Length; at += cuts[i++]) result.Append(matcher.Push(whole[at..Math.Min(whole.Length, at + cuts[i])]));
            result.Append(matcher.Flush());
            Assert.Equal(expected, result.ToString());
            Assert.Equal(match is null, matcher.Matched is null);
        }, iter: 20_000);

    [Fact]
    public void No_more_is_held_back_than_may_become_a_stop_text()
    {
        StopMatcher matcher = new(["STOP"]);
        Assert.Equal("abc ", matcher.Push("abc ST"));
        Assert.Equal("STx", matcher.Push("x"));
        Assert.Equal("", matcher.Push("STO"));
        Assert.Equal("", matcher.Push("P and more"));
        Assert.Equal("STOP", matcher.Matched);
        Assert.Equal("", matcher.Push("more"));
    }

    [Fact]
    public void An_empty_stop_text_is_refused() => Assert.Throws<RequestException>(() => new StopMatcher([""]));

    /// <summary>Letter by letter: the first position at which the text so far ends with a stop text; of several the longest.</summary>
    private static (string Text, string? Match) Reference(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
            if (stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length) is { } match) return (text[..(end - match.Length)], match);
        return (text, null);
    }
}
