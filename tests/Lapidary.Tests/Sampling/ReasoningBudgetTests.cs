using CsCheck;
using Lapidary.Sampling;
using Lapidary.Scheduling;
using Lapidary.Tests.Scheduling;

namespace Lapidary.Tests.Sampling;

/// <summary>A text's reasoning ends when its budget is used up, wherever its stretches lie, and nothing else changes.</summary>
public sealed class ReasoningBudgetTests
{
    private const int Vocab = 12, Open = 5, Close = 6, Call = 7, Steps = 60;

    private static readonly Gen<(int Seed, int Budget, bool IsOpen, bool Greedy)> Any = Gen.Select(Gen.Int[0, 100_000], Gen.Int[0, 12], Gen.Bool, Gen.Bool);

    [Fact]
    public void The_closing_token_comes_when_the_budget_is_used_up_and_never_else_by_force()
    {
        int forced = 0;
        Any.Sample(any =>
        {
            (int[] bounded, int[] free) = (Text(any.Seed, any.Greedy, Budget(any.Budget, any.IsOpen)), Text(any.Seed, any.Greedy, null));
            int used = 0;
            bool inside = any.IsOpen, spent = false;
            for (int i = 0; i < Steps; i++)
            {
                bool must = inside && used == any.Budget;
                if (must) Assert.Equal(Close, bounded[i]);
                else if (spent) Assert.NotEqual(Open, bounded[i]);
                else Assert.Equal(free[i], bounded[i]);
                if (must) Interlocked.Increment(ref forced);
                spent |= must;
                if (bounded[i] is Close or Call) inside = false;
                else if (bounded[i] == Open) inside = true;
                else if (inside) used++;
            }
            Assert.InRange(used, 0, any.Budget);
        }, iter: 2000);
        Assert.True(forced > 500, $"{forced} were forced");
    }

    [Fact]
    public void Without_a_budget_texts_reason_longer()
    {
        int[][] texts = [.. Enumerable.Range(0, 50).Select(seed => Text(seed, greedy: false, null))];
        Assert.Contains(texts, text => text.SkipWhile(t => t != Open).Skip(1).TakeWhile(t => t is not (Close or Call)).Count(t => t != Open) > 12);
    }

    [Fact]
    public void The_closing_token_is_put_whatever_else_the_request_asks()
    {
        SamplingParameters parameters = new()
        {
            Temperature = 0,
            AllowedTokenIds = [1, 2],
            LogitBias = new Dictionary<int, double> { [Close] = -100 },
            Logprobs = 2,
            Reasoning = Budget(0, isOpen: true),
        };
        Sampler sampler = new(parameters.Checked(Vocab), Vocab, 1, [], [Close], [[Close]]);
        float[] logits = [.. Enumerable.Range(0, Vocab).Select(i => (float)i)], before = [.. logits];
        (int token, TokenLogprobs? logprobs) = sampler.Sample(logits, []);
        Assert.Equal(Close, token);
        Assert.Equal((Close, 12 - Close), (logprobs!.Chosen.TokenId, logprobs.Chosen.Rank)); // under the model as it is
        Assert.Equal(before[Close] - before.Max(), logprobs.Chosen.Logprob - logprobs.Top[0].Logprob, 1e-5);
        Assert.Equal(2, sampler.Sample([.. before], [Close]).Token); // and then the request counts again
    }

    [Fact]
    public void Logits_that_are_no_numbers_are_told_though_the_token_is_forced()
    {
        Sampler sampler = new(new SamplingParameters { Reasoning = Budget(0, isOpen: true) }, Vocab, 1, [], [], []);
        Assert.Throws<LogitsException>(() => sampler.Sample([.. Enumerable.Repeat(float.NaN, Vocab)], []));
    }

    [Theory, InlineData(-1, 5, 6), InlineData(1, 12, 6), InlineData(1, 5, -1)]
    public void A_budget_that_cannot_be_is_refused(int tokens, int open, int close)
        => Assert.Equal("reasoning", Assert.Throws<ParameterException>(() => new SamplingParameters { Reasoning = new(tokens, open, close, [], IsOpen: false) }.Checked(Vocab)).Parameter);

    [Theory]
    [InlineData("thought|\n|a|b|c", 4)] // label, two tokens of reasoning, then it is closed
    [InlineData("thought\n|a|b|c", 3)]
    [InlineData("tho||ught|\n\n|a|b|c", 6)] // a hidden token; a line end too many
    [InlineData("thought|a|b|c", -1), InlineData("thoughts\n|a|b|c", -1), InlineData(" thought|\n|a|b|c", -1), InlineData("a|thought|\n|b|c|d", -1)]
    [InlineData("CLOSE|thought|\n|a|b|c", -1), InlineData("CALL|thought|\n|a|b|c", -1)] // after a marker it is text
    [InlineData("OPEN|thought|\n|a|b|c", 3)] // and after the opening one part of the reasoning
    public void The_label_opens_reasoning_at_the_beginning_of_an_output_only(string output, int closedBefore)
    {
        string[] texts = output.Split('|');
        int[] tokens = [.. texts.Select((text, i) => text switch { "OPEN" => Open, "CLOSE" => Close, "CALL" => Call, _ => Vocab + i })];
        ReasoningLimit limit = new(Budget(2, isOpen: false) with { Label = new ReasoningLabel("thought\n", token => texts[token - Vocab]) });
        List<int> closed = [];
        for (int i = 0; i < tokens.Length; i++)
        {
            if (limit.Forced is not null) closed.Add(i);
            limit.Add(tokens[i]);
        }
        Assert.Equal(closedBefore, closed is [var first, ..] ? first : -1);
        ReasoningLimit without = new(Budget(2, isOpen: false));
        foreach (int token in tokens.Where(token => token != Open))
        {
            without.Add(token);
            Assert.Null(without.Forced);
        }
    }

    [Fact]
    public void Preemption_does_not_change_the_count()
    {
        // A cache for one text and three that want it: they take turns.
        using TestEngine engine = new(new TestSizes { Sequences = 3, CachedTexts = 1 });
        List<(RequestHandle Handle, List<TokenEvent> Events)> added = [.. Enumerable.Range(0, 3).Select(seed => engine.Add(TestEngine.Request([1, 2, seed], 120, new SamplingParameters { Seed = seed, Reasoning = Budget(7, isOpen: true) })))];
        engine.RunToEnd();
        Assert.True(engine.Counters.Preemptions > 0);
        foreach ((RequestHandle handle, List<TokenEvent> events) in added) Assert.Equal(engine.Expected(handle, 0), events.Select(e => e.TokenId));
        Assert.Contains(added, a => a.Events[7].TokenId == Close);
    }

    private static ReasoningBudget Budget(int tokens, bool isOpen) => new(tokens, Open, Close, [Call], isOpen);

    private static int[] Text(int seed, bool greedy, ReasoningBudget? budget)
    {
        Sampler sampler = new(new SamplingParameters { Temperature = greedy ? 0 : 1, Reasoning = budget }.Checked(Vocab), Vocab, seed, [], [], []);
        List<int> text = [];
        while (text.Count < Steps) text.Add(sampler.Sample(Logits(seed, text), [.. text]).Token);
        return [.. text];
    }

    /// <summary>Any numbers that depend on the text so far; the markers are likely.</summary>
    private static float[] Logits(int seed, List<int> text)
    {
        Random random = new(text.Aggregate(seed, (hash, token) => unchecked(hash * 31 + token)));
        return [.. Enumerable.Range(0, Vocab).Select(i => random.NextSingle() * 4 + (i == Open ? 1 : i is Close or Call ? -0.5f : 0))];
    }
}
