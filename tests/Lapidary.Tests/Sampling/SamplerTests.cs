using CsCheck;
using Lapidary.Sampling;

namespace Lapidary.Tests.Sampling;

public sealed class SamplerTests
{
    private const int Vocab = 60;

    [Fact]
    public void Greedy_takes_the_largest_and_of_equals_the_lowest_id()
        => Gen.Int[-3, 3].Array[Vocab].Sample(values =>
        {
            float[] logits = [.. values.Select(v => (float)v)];
            Assert.Equal(Array.IndexOf(values, values.Max()), Sampler(new() { Temperature = 0 }).Sample(logits, []).Token);
        });

    private static readonly Gen<SamplingParameters> AnyParameters =
        from temperature in Gen.Double[0.2, 2]
        from topK in Gen.OneOf(Gen.Const(0), Gen.Int[1, Vocab])
        from topP in Gen.OneOf(Gen.Const(1.0), Gen.Double[0.05, 0.999])
        from minP in Gen.OneOf(Gen.Const(0.0), Gen.Double[0.001, 0.9])
        select new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, Seed = 1 };

    private static readonly Gen<float[]> AnyLogits = Gen.Single[-8, 8].Array[Vocab];

    [Fact]
    public void Only_tokens_that_the_reference_keeps_are_drawn_and_all_of_them_can_be()
        => Gen.Select(AnyParameters, AnyLogits).Sample((parameters, logits) =>
        {
            Dictionary<int, double> kept = Reference(logits, parameters);
            HashSet<int> drawn = [.. Draw(logits, parameters, 400)];
            Assert.Subset(kept.Keys.ToHashSet(), drawn);
            Assert.Superset(kept.Where(k => k.Value > 0.05).Select(k => k.Key).ToHashSet(), drawn);
        }, iter: 300);

    [Fact]
    public void Frequencies_follow_the_probabilities()
    {
        float[] logits = [.. Enumerable.Range(0, Vocab).Select(i => (i * 37 % 11) / 3f)];
        foreach (SamplingParameters parameters in (SamplingParameters[])[new() { Seed = 3 }, new() { Seed = 4, TopK = 12, TopP = 0.9 }, new() { Seed = 5, TopP = 0.7, Temperature = 1.5 }, new() { Seed = 6, MinP = 0.3 }])
        {
            Dictionary<int, double> expected = Reference(logits, parameters);
            ILookup<int, int> drawn = Draw(logits, parameters, 20_000).ToLookup(t => t);
            double chiSquare = expected.Sum(e => Math.Pow(drawn[e.Key].Count() - 20_000 * e.Value, 2) / (20_000 * e.Value));
            // 99.9 % of honest samples stay below this (Wilson and Hilferty's approximation).
            int freedom = expected.Count - 1;
            double bound = freedom * Math.Pow(1 - 2.0 / (9 * freedom) + 3.09 * Math.Sqrt(2.0 / (9 * freedom)), 3);
            Assert.InRange(chiSquare, 0, bound);
        }
    }

    [Fact]
    public void The_reference_tells_a_top_p_that_leaves_out_the_crossing_token()
    {
        float[] logits = [2, 1, 0];
        Assert.Equal([0, 1], Reference(logits, new() { TopP = 0.7 }).Keys.Order()); // 0.665 alone does not reach it
        Assert.Contains(1, Draw(logits, new() { TopP = 0.7, Seed = 2 }, 200));
        Assert.DoesNotContain(1, Draw(logits, new() { TopP = 0.6, Seed = 2 }, 200));
    }

    [Fact]
    public void A_seed_repeats_a_text_and_another_gives_another()
    {
        float[] logits = new float[Vocab];
        Assert.Equal(Draw(logits, new() { Seed = 9 }, 50), Draw(logits, new() { Seed = 9 }, 50));
        Assert.NotEqual(Draw(logits, new() { Seed = 9 }, 50), Draw(logits, new() { Seed = 10 }, 50));
    }

    [Fact]
    public void Penalties_follow_their_formulas()
    {
        SamplingParameters parameters = new() { Temperature = 0, RepetitionPenalty = 2, PresencePenalty = 0.5, FrequencyPenalty = 0.25 };
        Sampler sampler = new(parameters, 4, seed: 1, prompt: [0, 1], endIds: [], badWords: []);
        float[] logits = [4, -1, 3.9f, 0];
        Assert.Equal(2, sampler.Sample(logits, []).Token); // 0 became 2, -1 became -2
        Assert.Equal([2, -2, 3.9f, 0], logits);
        logits = [4, -1, 3.9f, 0];
        sampler.Sample(logits, [2]); // token 2: halved, less 0.5 + 0.25
        Assert.Equal(3.9f / 2 - 0.75f, logits[2], 1e-6f);
    }

    [Theory, InlineData(double.Epsilon), InlineData(1e-300), InlineData(1e-39), InlineData(1e300), InlineData(double.MaxValue)]
    public void The_most_extreme_repetition_penalties_leave_numbers(double penalty)
    {
        Sampler sampler = new(new SamplingParameters { Temperature = 0, RepetitionPenalty = penalty, PresencePenalty = 2, FrequencyPenalty = -2 }.Checked(4), 4, seed: 1, prompt: [0, 1, 2], endIds: [], badWords: []);
        float[] logits = [30, -30, 0, 1];
        int token = sampler.Sample(logits, []).Token;
        Assert.Equal(penalty < 1 ? 0 : 3, token); // 30 grows beyond all or shrinks to nothing
        Assert.All(logits, logit => Assert.True(float.IsFinite(logit)));
    }

    [Fact]
    public void End_tokens_wait_for_min_tokens_and_bias_counts()
    {
        Sampler sampler = new(new() { Temperature = 0, MinTokens = 2, LogitBias = new Dictionary<int, double> { [3] = 5 } }, 4, seed: 1, [], endIds: [3], []);
        Assert.Equal([1, 1, 3], Enumerable.Range(0, 3).Select(made => sampler.Sample([0, 2, 1, 0], new int[made]).Token));
    }

    [Fact]
    public void Logits_that_are_no_numbers_are_refused()
    {
        foreach (int at in (int[])[0, 7, Vocab - 1])
        {
            float[] logits = new float[Vocab];
            logits[at] = float.NaN;
            Assert.Contains("not numbers", Assert.Throws<LogitsException>(() => Sampler(new()).Sample(logits, [])).Message, StringComparison.Ordinal);
        }
        Assert.Contains("the model rules out every token", Assert.Throws<LogitsException>(() => Sampler(new()).Sample([.. Enumerable.Repeat(float.NegativeInfinity, Vocab)], [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        foreach (SamplingParameters parameters in (SamplingParameters[])[new() { Temperature = 0 }, new() { TopK = 20, TopP = 0.9, Seed = 1 }, new() { TopP = 0.9 }, new() { MinP = 0.1, RepetitionPenalty = 1.2 }])
        {
            Sampler sampler = Sampler(parameters);
            float[] logits = [.. Enumerable.Range(0, Vocab).Select(i => i % 7f)];
            sampler.Sample(logits, []);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++) sampler.Sample(logits, [1, 2, 3]);
            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    public static TheoryData<SamplingParameters, string> OutOfRange() => new()
    {
        { new() { Temperature = -1 }, "temperature is -1, expected 0 to 2" }, { new() { Temperature = double.NaN }, "temperature is NaN" }, { new() { TopK = -2 }, "top_k is -2" },
        { new() { TopP = 0 }, "top_p is 0, expected above 0 to 1" }, { new() { TopP = 1.1 }, "top_p is 1.1" }, { new() { MinP = 2 }, "min_p is 2" }, { new() { RepetitionPenalty = 0 }, "repetition_penalty is 0" },
        { new() { PresencePenalty = 3 }, "presence_penalty is 3" }, { new() { FrequencyPenalty = -3 }, "frequency_penalty is -3" }, { new() { MaxTokens = 0 }, "max_tokens is 0" }, { new() { MaxTokens = 1, MinTokens = 2 }, "min_tokens is 2" },
        { new() { Stop = [""] }, "stop holds an empty text" }, { new() { StopTokenIds = [Vocab] }, "stop_token_ids holds token id 60, which is outside the vocabulary" }, { new() { LogitBias = new Dictionary<int, double> { [1] = double.NaN } }, "logit_bias of token 1 is NaN" },
    };

    [Theory, MemberData(nameof(OutOfRange))]
    public void A_value_out_of_range_is_named(SamplingParameters parameters, string expected)
        => Assert.StartsWith(expected, Assert.Throws<ParameterException>(() => parameters.Checked(Vocab)).Message, StringComparison.Ordinal);

    private static Sampler Sampler(SamplingParameters parameters) => Sampler(parameters, Vocab);

    private static Sampler Sampler(SamplingParameters parameters, int vocabSize) => new(parameters, vocabSize, parameters.Seed ?? 1, [], [], []);

    private static int[] Draw(float[] logits, SamplingParameters parameters, int count)
    {
        Sampler sampler = Sampler(parameters, logits.Length);
        return [.. Enumerable.Range(0, count).Select(made => sampler.Sample([.. logits], new int[made]).Token)];
    }

    /// <summary>Full sort and float64, written from the definitions; returns what is kept, renormalised.</summary>
    private static Dictionary<int, double> Reference(float[] logits, SamplingParameters parameters)
    {
        double max = logits.Max();
        List<(int Id, double P)> sorted = [.. logits.Select((l, i) => (i, Math.Exp((l - max) / parameters.Temperature))).OrderByDescending(p => logits[p.i]).ThenBy(p => p.i)];
        if (parameters.TopK > 0) sorted = [.. sorted.Take(parameters.TopK)];
        double total = sorted.Sum(p => p.P), sum = 0;
        if (parameters.TopP < 1) sorted = [.. sorted.TakeWhile(p => { bool take = sum < parameters.TopP * total; sum += p.P; return take; })];
        sorted = [.. sorted.Where(p => p.P >= parameters.MinP * (1 - 1e-6) || p.P == sorted[0].P)];
        total = sorted.Sum(p => p.P);
        return sorted.ToDictionary(p => p.Id, p => p.P / total);
    }
}
