using Lapidary.Generation;
using Lapidary.KvCache;
using Lapidary.Sampling;
using Lapidary.Scheduling;

namespace Lapidary.Tests.Scheduling;

/// <summary>Whatever fails concerns the request it happens in; the others get their own tokens, and all is given back.</summary>
public sealed class FaultTests
{
    private const int Poison = 7;
    private static readonly int[] Sound = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];

    [Fact]
    public void Logits_that_are_no_numbers_end_one_request()
    {
        using TestEngine engine = new(new TestSizes(), poisonToken: Poison);
        (RequestHandle healthy, List<TokenEvent> events) = engine.Add(Greedy(Sound, without: Poison));
        List<TokenEvent> corrupted = engine.Add(TestEngine.Request([.. Sound, .. Sound, Poison], 20)).Events;
        engine.RunToEnd();
        Assert.IsType<LogitsException>(corrupted.Single().Completion!.Error);
        Assert.Equal(FinishReason.Error, corrupted[0].Completion!.Reason);
        Assert.Equal(engine.Expected(healthy, 0), events.Select(e => e.TokenId));
        Assert.Equal((1, 1), (engine.Counters.CorruptedRequests, engine.Counters.Snapshot(EngineHealth.Ready).FinishedError));
        engine.AssertIdle();

        // What it computed is not to be trusted: nobody starts from it, not even from blocks that were good.
        List<TokenEvent> after = engine.Add(TestEngine.Request([.. Sound, .. Sound, 8], 1)).Events;
        engine.RunToEnd();
        Assert.Equal(0, after.Single().Completion!.Usage.CachedTokens);
    }

    [Fact]
    public void A_step_that_cannot_be_computed_ends_the_requests_in_it()
    {
        using TestEngine engine = new(new TestSizes { Sequences = 2 });
        List<TokenEvent>[] events = [.. Enumerable.Range(0, 4).Select(i => engine.Add(TestEngine.Request([.. Sound, i], 5)).Events)];
        int steps = 0;
        engine.Model.BeforeStep = () =>
        {
            if (++steps == 3) throw new InvalidOperationException("a launch failed");
        };
        engine.RunToEnd();
        Assert.Equal(2, events.Count(e => e[^1].Completion!.Error is GenerationException { Message: "the step could not be computed: a launch failed" }));
        Assert.Equal(2, events.Count(e => e.Count == 5 && e[^1].Completion!.Reason == FinishReason.Length));
        engine.AssertIdle();
    }

    [Fact]
    public void A_text_that_outgrows_the_whole_cache_ends_and_the_next_is_served()
    {
        using TestEngine engine = new(new TestSizes(), cacheSize: new CacheSize(SlidingBlocks: 8, FullBlocks: 4, KeyValueType.F32));
        List<TokenEvent> big = engine.Add(TestEngine.Request(Sound, 100)).Events, next = engine.Add(TestEngine.Request([5, 5], 20)).Events;
        engine.RunToEnd();
        Assert.Equal(64 - Sound.Length + 1, big.Count(e => e.TokenId != TokenEvent.NoToken));
        Assert.Contains("the cache is full", Assert.IsType<GenerationException>(big[^1].Completion!.Error).Message, StringComparison.Ordinal);
        Assert.Equal(FinishReason.Length, next[^1].Completion!.Reason);
        engine.AssertIdle();
    }

    [Fact]
    public void A_token_that_the_tokenizer_does_not_know_gives_no_text()
    {
        using TestEngine engine = new(new TestSizes(), tokenizer: FakeVocabulary.Tokenizer);
        List<TokenEvent> bad = engine.Add(TestEngine.Request(Sound, 50, new SamplingParameters { Temperature = 0, AllowedTokenIds = [FakeVocabulary.Unknown] })).Events;
        engine.RunToEnd();
        Assert.Equal((50, FinishReason.Length), (bad.Count, bad[^1].Completion!.Reason));
        Assert.All(bad, token => Assert.Equal((FakeVocabulary.Unknown, ""), (token.TokenId, token.Text)));
        engine.AssertIdle();
    }

    [Fact]
    public void Nothing_left_to_choose_from_ends_one_request()
    {
        using TestEngine engine = new(new TestSizes(), tokenizer: FakeVocabulary.Tokenizer);
        List<TokenEvent> stuck = engine.Add(TestEngine.Request(Sound, 50, new SamplingParameters
        {
            AllowedTokenIds = [FakeVocabulary.Id("a")],
            BadWords = ["a"],
        })).Events;
        List<TokenEvent> free = engine.Add(Greedy(Sound, without: FakeVocabulary.Unknown)).Events;
        engine.RunToEnd();
        Assert.StartsWith("no token is left to choose from", Assert.IsType<NothingToChooseException>(stuck.Single().Completion!.Error).Message, StringComparison.Ordinal);
        Assert.Equal(FinishReason.Length, free[^1].Completion!.Reason);
        engine.AssertIdle();
    }

    [Fact]
    public async Task A_reader_that_never_reads_is_cut_off()
    {
        using TestEngine engine = new(new TestSizes { MaxUnreadEvents = 5 });
        RequestHandle dead = engine.Add(TestEngine.Request(Sound, 50)).Handle;
        while (engine.Core.Step())
        {
            // nobody reads
        }
        engine.AssertIdleButUnread();
        List<TokenEvent> read = [];
        await Assert.ThrowsAsync<SlowReaderException>(async () =>
        {
            await foreach (TokenEvent next in dead.Events.ReadAllAsync(TestContext.Current.CancellationToken)) read.Add(next);
        });
        Assert.Equal(engine.Expected(dead, 0)[..5], read.Select(e => e.TokenId));
    }

    private static InferenceRequest Greedy(int[] prompt, int without)
        => TestEngine.Request(prompt, 20, new SamplingParameters { Temperature = 0, LogitBias = new Dictionary<int, double> { [without] = -100 } });
}
