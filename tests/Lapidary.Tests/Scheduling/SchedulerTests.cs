using CsCheck;
using Lapidary.Generation;
using Lapidary.KvCache;
using Lapidary.Sampling;
using Lapidary.Scheduling;

namespace Lapidary.Tests.Scheduling;

public sealed class SchedulerTests
{
    [Fact]
    public void A_prompt_that_begins_like_another_is_computed_from_where_they_part()
    {
        using TestEngine engine = new(new TestSizes());
        int[] shared = [.. Enumerable.Range(0, 21).Select(i => i * 7 % 30)];
        (RequestHandle first, List<TokenEvent> firstEvents) = engine.Add(TestEngine.Request([.. shared, 1, 2], 3));
        engine.RunToEnd();
        long before = engine.Model.Computed;
        (RequestHandle second, List<TokenEvent> secondEvents) = engine.Add(TestEngine.Request([.. shared, 3, 4, 5], 1));
        engine.RunToEnd();
        Assert.Equal(21, secondEvents.Single().Completion!.Usage.CachedTokens); // a full block, and five of the next
        Assert.Equal((3, 2 * 5), (engine.Model.Computed - before, engine.Model.Copied));
        Assert.Equal(engine.Expected(first, 0), firstEvents.Select(e => e.TokenId));
        Assert.Equal(engine.Expected(second, 0), secondEvents.Select(e => e.TokenId));
        engine.AssertIdle();
    }

    [Theory]
    [InlineData(PrefixCaching.On, 5)]
    [InlineData(PrefixCaching.Off, 0)]
    public void Without_prefix_caching_nothing_is_kept_to_be_found(PrefixCaching caching, int found)
    {
        using TestEngine engine = new(new TestSizes { PrefixCaching = caching });
        engine.Add(TestEngine.Request([1, 2, 3, 4, 5], 1));
        engine.RunToEnd();
        Assert.All(engine.Cache.Groups, group => Assert.Equal(found, group.Pool.FindBeginning(BlockHash.Root(null, null), [1, 2, 3, 4, 5]).Tokens));
    }

    [Fact]
    public void A_copy_that_fails_ends_those_that_run_and_the_next_are_served()
    {
        using TestEngine engine = new(new TestSizes());
        engine.Add(TestEngine.Request([1, 2, 3, 4, 5], 1));
        engine.RunToEnd();
        engine.Model.BeforeCopy = () => throw new InvalidOperationException("a launch failed");
        List<TokenEvent> failed = engine.Add(TestEngine.Request([1, 2, 3, 4, 6], 5)).Events;
        engine.RunToEnd();
        Assert.Equal("the cache could not be copied: a launch failed", failed.Single().Completion!.Error!.Message);
        engine.Model.BeforeCopy = null;
        (RequestHandle handle, List<TokenEvent> events) = engine.Add(TestEngine.Request([1, 2, 3, 4, 6], 5));
        engine.RunToEnd();
        Assert.Equal(engine.Expected(handle, 0), events.Select(e => e.TokenId));
        engine.AssertIdle();
    }

    [Fact]
    public void Steps_are_counted_by_their_tokens()
    {
        using TestEngine engine = new(new TestSizes { StepTokens = 24 });
        engine.Add(TestEngine.Request([.. Enumerable.Range(0, 30)], 4));
        engine.RunToEnd();
        StepTokens steps = engine.Counters.Snapshot(EngineHealth.Ready).StepTokens;
        // 24 and 6 of the prompt, then 3 of the output: the fourth token needs no step.
        Assert.Equal([3, 1, 0, 1, 0], steps.Counts.Take(5));
        Assert.Equal((engine.Model.Computed, StepTokens.Bounds.Count + 1), (steps.Sum, steps.Counts.Count));
    }

    private static readonly TestSizes Roomy = new() { Context = 3000, Sequences = 8, StepTokens = 40, LogitRows = 10, CachedTexts = 8 };

    [Fact]
    public void A_long_prompt_holds_up_neither_growing_texts_nor_short_prompts()
        => Gen.Select(Gen.Int[500, 2500], Gen.Int[1, 60], Gen.Int[0, 20]).Sample((longLength, shortLength, delay) =>
        {
            using TestEngine engine = new(Roomy);
            List<TokenEvent> growing = engine.Add(TestEngine.Request(Prompt(1, 5), 1000)).Events;
            engine.Step();
            engine.Add(TestEngine.Request(Prompt(2, longLength), 1));
            for (int i = 0; i < delay; i++) StepWithToken(engine, growing);
            List<TokenEvent> brief = engine.Add(TestEngine.Request(Prompt(3, shortLength), 1)).Events;
            // 40 tokens a step, one to the text that grows, 20 to the long prompt, 19 left.
            for (int steps = (shortLength + 18) / 19; steps > 0; steps--) StepWithToken(engine, growing);
            Assert.Single(brief);
        }, iter: 100);

    [Fact]
    public void Short_prompts_do_not_hold_up_a_long_one_for_ever()
    {
        using TestEngine engine = new(Roomy);
        List<TokenEvent> patient = engine.Add(TestEngine.Request(Prompt(1, 1000), 1)).Events;
        int steps = 0;
        for (; patient.Count == 0; steps++)
        {
            for (int i = 0; i < 2; i++) engine.Add(TestEngine.Request(Prompt(2 + steps * 2 + i, 30), 1));
            engine.Step();
        }
        Assert.InRange(steps, 1, 1000 / 20); // half of every step
    }

    [Fact]
    public void Sequences_of_one_priority_are_served_in_the_order_of_submission()
    {
        using TestEngine engine = new(new TestSizes { Sequences = 2 });
        List<TokenEvent>[] events = [.. Enumerable.Range(0, 8).Select(i => engine.Add(TestEngine.Request(Prompt(i, 10), 6)).Events)];
        List<int> finished = [];
        while (engine.Step())
            for (int i = 0; i < events.Length; i++)
                if (events[i].Count == 6 && !finished.Contains(i)) finished.Add(i);
        Assert.Equal(Enumerable.Range(0, 8), finished);
    }

    [Fact]
    public void A_more_important_request_takes_the_place_of_a_less_important_one()
    {
        using TestEngine engine = new(new TestSizes { Sequences = 1, StepTokens = 20 });
        (RequestHandle Handle, List<TokenEvent> Events) low = engine.Add(TestEngine.Request(Prompt(1, 10), 12) with { Priority = 5 });
        for (int i = 0; i < 4; i++) engine.Step();
        (RequestHandle Handle, List<TokenEvent> Events) middle = engine.Add(TestEngine.Request(Prompt(2, 10), 3) with { Priority = 1 });
        (RequestHandle Handle, List<TokenEvent> Events) high = engine.Add(TestEngine.Request(Prompt(3, 10), 3) with { Priority = -1 });
        int before = low.Events.Count;
        while (high.Events.Count < 3) engine.Step();
        Assert.Empty(middle.Events);
        while (middle.Events.Count < 3) engine.Step();
        Assert.Equal(before, low.Events.Count);
        engine.RunToEnd();
        Assert.Equal(1, engine.Counters.Preemptions);
        Assert.Equal(engine.Expected(low.Handle, 0), low.Events.Select(e => e.TokenId));
    }

    [Fact]
    public void One_that_was_preempted_finds_what_it_computed()
    {
        using TestEngine engine = new(new TestSizes { Sequences = 1, StepTokens = 20, Window = 8 });
        engine.Add(TestEngine.Request(Prompt(1, 100), 4) with { Priority = 5 });
        for (int i = 0; i < 6; i++) engine.Step();
        engine.Add(TestEngine.Request(Prompt(2, 10), 1) with { Priority = 1 });
        engine.RunToEnd();
        Assert.Equal(1, engine.Counters.Preemptions);
        Assert.InRange(engine.Model.Computed, 113, 113 + 16 + 1); // 100 + 3 + 10, and what was not a full block
    }

    [Fact]
    public void A_prompt_that_many_send_at_once_is_computed_once()
    {
        using TestEngine engine = new(Roomy);
        for (int i = 0; i < 6; i++) engine.Add(TestEngine.Request([.. Prompt(1, 400), i], 1));
        engine.RunToEnd();
        Assert.Equal(401 + 5, engine.Model.Computed);
        Assert.Equal(5 * 400, engine.Counters.PrefixCacheHits);
        Assert.Equal(6 * 401, engine.Counters.PrefixCacheQueries);
    }

    [Fact]
    public void The_choices_of_a_request_share_its_prompt_and_differ()
    {
        using TestEngine engine = new(Roomy);
        (RequestHandle handle, List<TokenEvent> events) = engine.Add(TestEngine.Request(Prompt(1, 321), 10, new SamplingParameters { N = 5, Seed = 3 }));
        engine.RunToEnd();
        Assert.Equal(321 + 4 + 5 * 9, engine.Model.Computed);
        string[] texts = [.. Enumerable.Range(0, 5).Select(choice => string.Join(' ', events.Where(e => e.Choice == choice).Select(e => e.TokenId)))];
        Assert.Equal(5, texts.Distinct().Count());
        Assert.Equal(5, events.Count(e => e.Completion is { Usage.PromptTokens: 321 }));
        Assert.Equal([0, 320, 320, 320, 320], events.Where(e => e.Completion is not null).OrderBy(e => e.Choice).Select(e => e.Completion!.Usage.CachedTokens));
        Assert.True(handle.Events.Completion.IsCompletedSuccessfully);
    }

    [Fact]
    public void Prompt_log_probabilities_are_computed_though_the_prompt_is_cached()
    {
        using TestEngine engine = new(Roomy with { LogitRows = 9 });
        engine.Add(TestEngine.Request(Prompt(1, 100), 1));
        engine.RunToEnd();
        RequestHandle handle = engine.Add(TestEngine.Request(Prompt(1, 100), 1, new SamplingParameters { Temperature = 0, PromptLogprobs = 2 })).Handle;
        engine.RunToEnd();
        Assert.Equal(100, handle.PromptLogprobs!.Count);
        Assert.Null(handle.PromptLogprobs[0]);
        Assert.All(handle.PromptLogprobs.Skip(1), p => Assert.Equal(2, p!.Top.Count));
    }

    [Fact]
    public void Late_requests_end_in_the_queue_and_in_flight()
    {
        Clock clock = new();
        using TestEngine engine = new(new TestSizes { Sequences = 1 }, time: clock);
        List<TokenEvent> running = engine.Add(TestEngine.Request(Prompt(1, 5), 100) with { Timeout = TimeSpan.FromSeconds(10), QueueTimeout = TimeSpan.FromSeconds(1) }).Events;
        List<TokenEvent> queued = engine.Add(TestEngine.Request(Prompt(2, 5), 100) with { QueueTimeout = TimeSpan.FromSeconds(4) }).Events;
        List<TokenEvent> untimed = engine.Add(TestEngine.Request(Prompt(3, 5), 3)).Events;
        engine.Step();
        clock.Advance(TimeSpan.FromSeconds(3));
        engine.Step();
        Assert.Equal((2, 0), (running.Count, queued.Count));
        clock.Advance(TimeSpan.FromSeconds(2));
        engine.Step();
        Assert.Equal(FinishReason.Abort, queued.Single().Completion!.Reason);
        Assert.Equal("the request waited for its turn longer than 4 s, its limit", Assert.IsType<DeadlineException>(queued[0].Completion!.Error).Message);
        Assert.Equal(TimeSpan.FromSeconds(5), queued[0].Completion!.Timings.Queued);
        clock.Advance(TimeSpan.FromSeconds(6));
        engine.Step();
        Assert.Equal("the request took longer than 10 s, its limit", Assert.IsType<DeadlineException>(running[^1].Completion!.Error).Message);
        Assert.Equal(new RequestTimings(TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromSeconds(11)), running[^1].Completion!.Timings);
        engine.RunToEnd();
        Assert.Equal(FinishReason.Length, untimed[^1].Completion!.Reason);
        engine.AssertIdle();
    }

    private static void StepWithToken(TestEngine engine, List<TokenEvent> growing)
    {
        int before = growing.Count;
        engine.Step();
        Assert.Equal(before + 1, growing.Count);
    }

    private static int[] Prompt(int seed, int length)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(FakeModel.Vocab))];
    }

    private sealed class Clock : TimeProvider
    {
        private long ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => ticks;

        public void Advance(TimeSpan time) => ticks += time.Ticks;
    }
}
