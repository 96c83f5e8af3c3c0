using CsCheck;
using Lapidary.Generation;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Speculation;

namespace Lapidary.Tests.Scheduling;

public sealed class SchedulerPropertyTests
{
    private sealed record Arrival(
        int Step, int Family, int PromptLength, int MaxTokens, int Priority, int N, SamplingParameters Sampling, int? CancelAfter, string? Salt);

    private static readonly Gen<Arrival> AnyArrival =
        from step in Gen.Int[0, 40]
        from family in Gen.Int[0, 4]
        from prompt in Gen.Frequency((3, Gen.Int[1, 40]), (1, Gen.Int[40, 150]))
        from tokens in Gen.Int[1, 40]
        from priority in Gen.Frequency((3, Gen.Const(0)), (1, Gen.Int[-2, 2]))
        from n in Gen.Frequency((4, Gen.Const(1)), (1, Gen.Int[2, 4]))
        from greedy in Gen.Bool
        from seed in Gen.Int[0, 1000]
        from prompts in Gen.Frequency((6, Gen.Const((int?)null)), (1, Gen.Int[0, 3].Nullable()))
        from stop in Gen.Int[0, FakeModel.Vocab - 1]
        from cancel in Gen.Frequency((5, Gen.Const((int?)null)), (1, Gen.Int[0, 30].Nullable()))
        from salted in Gen.Frequency((5, Gen.Const((string?)null)), (1, Gen.Const((string?)"salt")))
        select new Arrival(step, family, prompt, tokens, priority, greedy ? 1 : n, new SamplingParameters
        {
            Temperature = greedy ? 0 : 1,
            TopK = seed % 3 == 0 ? 5 : 0,
            RepetitionPenalty = seed % 5 == 0 ? 1.3 : 1,
            Seed = seed,
            N = greedy ? 1 : n,
            PromptLogprobs = prompts,
            StopTokenIds = [stop],
        }, cancel, salted);

    private static readonly Gen<TestSizes> AnySizes =
        from window in Gen.Int[1, 40]
        from sequences in Gen.Int[1, 6]
        from extra in Gen.Int[1, 60]
        from rows in Gen.Int[0, 8]
        from texts in Gen.Int[1, 4]
        from caching in Gen.Frequency((4, Gen.Const(PrefixCaching.On)), (1, Gen.Const(PrefixCaching.Off)))
        from drafts in Gen.Frequency((2, Gen.Const(0)), (3, Gen.Int[1, 6]))
        from quality in Gen.OneOf(Gen.Const(0.0), Gen.Const(0.5), Gen.Const(0.9), Gen.Const(1.0))
        select new TestSizes
        {
            Window = window,
            Sequences = sequences,
            StepTokens = sequences + extra,
            LogitRows = sequences + rows,
            CachedTexts = texts,
            PrefixCaching = caching,
            DraftTokens = drafts,
            DraftQuality = quality,
        };

    /// <summary>
    /// Whatever comes, in whatever sizes and with whatever drafts: every choice gets exactly the tokens that the model's definition gives it alone,
    /// each in one event, one end, and everything is given back.
    /// </summary>
    [Fact]
    public void Every_choice_gets_its_own_tokens_once_and_nothing_is_left()
    {
        long preemptions = 0, hits = 0, copied = 0, accepted = 0, rejected = 0;
        Gen.Select(AnySizes, AnyArrival.Array[1, 25]).Sample((sizes, arrivals) =>
        {
            using TestEngine engine = new(sizes);
            List<(Arrival Arrival, RequestHandle Handle, List<TokenEvent> Events)> live = [];
            Queue<Arrival> coming = new(arrivals.OrderBy(a => a.Step));
            for (int step = 0; coming.Count > 0 || engine.Core.HasWork; step++)
            {
                Assert.True(step < 20_000, "the engine does not come to an end");
                while (coming.TryPeek(out Arrival? next) && next.Step <= step)
                {
                    coming.Dequeue();
                    (RequestHandle handle, List<TokenEvent> events) = engine.Add(
                        TestEngine.Request(Prompt(next), next.MaxTokens, next.Sampling) with { Priority = next.Priority, CacheSalt = next.Salt });
                    live.Add((next, handle, events));
                }
                foreach ((Arrival arrival, RequestHandle handle, List<TokenEvent> events) in live)
                    if (arrival.CancelAfter <= events.Count) handle.Cancel();
                engine.Step();
                Assert.InRange(engine.Counters.Running, 0, sizes.Sequences);
                Assert.InRange(engine.Model.PartLengths.Sum(), 0, sizes.StepTokens);
            }
            engine.Step();
            foreach ((Arrival arrival, RequestHandle handle, List<TokenEvent> events) in live)
                for (int choice = 0; choice < arrival.N; choice++) AssertComplete(engine, arrival, handle, choice, [.. events.Where(e => e.Choice == choice)]);
            engine.AssertIdle();
            Interlocked.Add(ref preemptions, engine.Counters.Preemptions);
            Interlocked.Add(ref hits, engine.Counters.PrefixCacheHits);
            Interlocked.Add(ref copied, engine.Model.Copied);
            SpeculationStatistics drafts = engine.Counters.Speculation.Snapshot();
            Assert.Equal(drafts.NumAcceptedTokens, drafts.NumAcceptedTokensPerPosition.Sum());
            Interlocked.Add(ref accepted, drafts.NumAcceptedTokens);
            Interlocked.Add(ref rejected, drafts.NumDraftTokens - drafts.NumAcceptedTokens);
        }, iter: 600);
        Assert.True(preemptions > 500 && hits > 5_000, $"the mixes are too tame: {preemptions} preemptions, {hits} cached tokens");
        Assert.True(copied > 2_000, $"the mixes are too tame: {copied} positions copied");
        Assert.True(accepted > 10_000 && rejected > 5_000, $"the drafts are too tame: {accepted} tokens accepted, {rejected} rejected");
    }

    private static void AssertComplete(TestEngine engine, Arrival arrival, RequestHandle handle, int choice, TokenEvent[] events)
    {
        Assert.All(events.SkipLast(1), e => Assert.Null(e.Completion));
        Completion completion = events[^1].Completion!;
        int[] tokens = [.. events.Where(e => e.TokenId != TokenEvent.NoToken).Select(e => e.TokenId)];
        int[] expected = engine.Expected(handle, choice);
        Assert.Equal(tokens.Length, completion.Usage.CompletionTokens);
        Assert.Equal(arrival.PromptLength, completion.Usage.PromptTokens);
        if (arrival.CancelAfter is not null && completion.Reason == FinishReason.Abort)
        {
            Assert.Equal(expected[..tokens.Length], tokens);
            return;
        }
        Assert.Equal(expected, tokens);
        Assert.Equal(arrival.Sampling.StopTokenIds.Contains(tokens[^1]) ? FinishReason.Stop : FinishReason.Length, completion.Reason);
        if (choice == 0 && arrival.Sampling.PromptLogprobs is not null)
        {
            Assert.Equal(arrival.PromptLength, handle.PromptLogprobs!.Count);
            for (int i = 1; i < arrival.PromptLength; i++)
                Assert.Equal(new LogprobReader(FakeModel.Vocab, 0).Read(FakeModel.Logits(Prompt(arrival).AsSpan(0, i), engine.Sizes.Window), Prompt(arrival)[i]).Chosen, handle.PromptLogprobs[i]!.Chosen);
        }
    }

    /// <summary>Families share their beginnings, so that prompts meet in the prefix cache.</summary>
    private static int[] Prompt(Arrival arrival)
        => [.. Enumerable.Range(0, arrival.PromptLength).Select(i => (i * 7 + (i < 33 + 16 * arrival.Family ? 0 : arrival.Family * 11 + i / 5)) % FakeModel.Vocab)];
}
