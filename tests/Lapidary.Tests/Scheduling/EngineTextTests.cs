using CsCheck;
using Lapidary.Generation;
using Lapidary.Sampling;
using Lapidary.Scheduling;

namespace Lapidary.Tests.Scheduling;

/// <summary>What becomes text, and where a text ends.</summary>
public sealed class EngineTextTests
{
    private static readonly Gen<SamplingParameters> AnyParameters =
        from seed in Gen.Int[0, 10_000]
        from stops in Gen.Char["abc<s>\u20AC"].Array[1, 4].Array[0, 3]
        from minTokens in Gen.Frequency((2, Gen.Const(0)), (1, Gen.Int[0, 12]))
        from stopId in Gen.Int[0, FakeVocabulary.Unknown - 1].List[0, 2]
        from include in Gen.Bool
        from skip in Gen.Bool
        select new SamplingParameters
        {
            Seed = seed,
            Stop = [.. stops.Select(s => new string(s))],
            StopTokenIds = stopId,
            MinTokens = minTokens,
            IncludeStopStrInOutput = include,
            SkipSpecialTokens = skip,
            LogitBias = new Dictionary<int, double> { [FakeVocabulary.Unknown] = -100, [FakeVocabulary.Id("<0xE2>")] = 2, [FakeVocabulary.Id("<0x82>")] = 2, [FakeVocabulary.Id("<0xAC>")] = 2 },
        };

    [Theory]
    [InlineData(null)]
    [InlineData("b9RX-mRB5NY3")] // the bytes before an end token hold a stop text
    public void The_text_and_its_end_are_those_of_the_whole_text(string? seed)
    {
        int stopped = 0, borders = 0;
        AnyParameters.Sample(parameters =>
        {
            using TestEngine engine = new(new TestSizes(), tokenizer: FakeVocabulary.Tokenizer);
            SamplingParameters bounded = parameters with { MaxTokens = 20 };
            List<TokenEvent> events = engine.Add(TestEngine.Request([1, 2, 3], 20, bounded)).Events;
            engine.RunToEnd();
            (int tokens, string text, string? stop) = Reference([.. events.Select(e => e.TokenId)], bounded);
            Completion completion = events[^1].Completion!;
            Assert.Equal(tokens, events.Count);
            Assert.Equal(text, string.Concat(events.Select(e => e.Text)));
            Assert.Equal(stop, completion.StopText);
            bool endToken = stop is null && parameters.StopTokenIds.Contains(events[^1].TokenId);
            Assert.Equal(endToken ? events[^1].TokenId : null, completion.StopTokenId);
            Assert.Equal(stop is not null || endToken ? FinishReason.Stop : FinishReason.Length, completion.Reason);
            if (stop is not null) Interlocked.Increment(ref stopped);
            if (stop is not null && !FakeVocabulary.Tokenizer.Decode([events[^1].TokenId]).EndsWith(stop, StringComparison.Ordinal)) Interlocked.Increment(ref borders);
        }, seed: seed, iter: 600);
        Assert.True(stopped > 60 && borders > 15, $"{stopped} ended at a stop text, {borders} of them across a token border");
    }

    /// <summary>Decodes everything again after each token.</summary>
    private static (int Tokens, string Text, string? Stop) Reference(int[] tokens, SamplingParameters parameters)
    {
        string before = "";
        for (int made = 1; made <= tokens.Length; made++)
        {
            bool ends = parameters.StopTokenIds.Contains(tokens[made - 1]), last = ends || made == parameters.MaxTokens;
            int[] shown = [.. tokens.Take(ends && !parameters.IncludeStopStrInOutput ? made - 1 : made).Where(t => !parameters.SkipSpecialTokens || !FakeVocabulary.Tokenizer.IsSpecial(t))];
            string text = Decode(shown);
            // A run of bytes is text once another token follows: a later byte could make all of it invalid.
            string certain = last ? text : Decode([.. shown.Reverse().SkipWhile(FakeVocabulary.IsByte).Reverse()]);
            if (!(ends && parameters.IncludeStopStrInOutput) && made > parameters.MinTokens && FirstStop(certain, before.Length) is { } stop)
                return (made, certain[..(parameters.IncludeStopStrInOutput ? stop.End : stop.Start)], stop.Text);
            if (last) return (made, text, null);
            before = certain;
        }
        throw new InvalidOperationException("the text has no end");

        static string Decode(int[] ids) => FakeVocabulary.Tokenizer.Decode(ids);

        (int Start, int End, string Text)? FirstStop(string text, int from)
        {
            for (int end = from + 1; end <= text.Length; end++)
                if (parameters.Stop.Where(s => text.AsSpan(0, end).EndsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length) is { } stop) return (end - stop.Length, end, stop);
            return null;
        }
    }
}
