using CsCheck;
using Lapidary.Sampling;
using Lapidary.Scheduling;

namespace Lapidary.Tests.Sampling;

/// <summary>Vocabularies of many blocks, with ties, whole blocks of -∞ and a last block that is not full.</summary>
public sealed class LargeVocabularyTests
{
    private static readonly Gen<float[]> AnyLogits =
        from size in Gen.Int[1, 3000]
        from coarse in Gen.Bool
        from seed in Gen.Int
        select Row(size, coarse, new Random(seed));

    [Fact]
    public void The_k_largest_are_those_of_a_full_sort()
        => Gen.Select(AnyLogits, Gen.Int[1, 400], Gen.Single[-3, 3], Gen.Bool).Sample((logits, k, floor, bounded) =>
        {
            float[] maxima = new float[Logits.Blocks(logits.Length)];
            float least = bounded ? floor : float.NegativeInfinity;
            Assert.Equal(logits.Max(), Logits.Maxima(logits, maxima));
            Candidates candidates = new(1);
            candidates.Select(logits, maxima, Math.Min(k, logits.Length), least);
            int[] expected = [.. Enumerable.Range(0, logits.Length).Where(i => logits[i] >= least && logits[i] > float.NegativeInfinity).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(k)];
            Assert.Equal(expected, candidates.Ids.ToArray());
            Assert.Equal(expected.Select(i => logits[i]), candidates.Values.ToArray());
        }, iter: 300);

    [Fact]
    public void Log_probabilities_are_those_of_float64()
        => Gen.Select(AnyLogits, Gen.Int[0, 8], Gen.Int[0, 2999]).Sample((logits, top, at) =>
        {
            int token = at % logits.Length;
            TokenLogprobs read = new LogprobReader(logits.Length, top).Read(logits, token);
            double max = logits.Max(), logSum = max + Math.Log(logits.Sum(l => Math.Exp(l - max)));
            Assert.Equal((float)(logits[token] - logSum), read.Chosen.Logprob, 2e-6f * Math.Max(1, (float)Math.Abs(logits[token] - logSum)));
            Assert.Equal(logits.Count(l => l > logits[token]) + 1, read.Chosen.Rank);
            Assert.Equal(Enumerable.Range(0, logits.Length).Where(i => float.IsFinite(logits[i])).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(top), read.Top.Select(t => t.TokenId));
        }, iter: 300);

    [Fact]
    public void A_logit_that_is_no_number_is_noticed_wherever_it_is()
    {
        float[] maxima = new float[Logits.Blocks(1000)];
        for (int at = 0; at < 1000; at++)
        {
            float[] logits = new float[1000];
            Assert.Equal(0, Logits.Maxima(logits, maxima));
            logits[at] = float.NaN;
            Assert.True(float.IsNaN(Logits.Maxima(logits, maxima)), $"NaN at {at}");
            Weights weights = new(1000, scale: 1);
            Assert.True(float.IsNaN(weights.Read(logits)), $"NaN at {at}, weighed");
            logits[0] = 100; // all but the first block weigh nothing
            if (at > 0) Assert.True(float.IsNaN(weights.Read(logits)), $"NaN at {at}, not weighed");
        }
    }

    [Fact]
    public void A_draw_from_all_follows_the_probabilities_across_blocks()
    {
        const int Draws = 20_000;
        float[] logits = Row(700, coarse: true, new Random(1));
        double max = logits.Max(), total = logits.Sum(l => Math.Exp(l - max));
        Sampler sampler = new(new SamplingParameters(), logits.Length, seed: 5, [], [], []);
        int[] counts = new int[Logits.Blocks(logits.Length)];
        for (int i = 0; i < Draws; i++) counts[sampler.Sample([.. logits], new int[i]).Token / Logits.BlockSize]++;
        for (int block = 0; block < counts.Length; block++)
        {
            double share = Logits.Block(logits, block).ToArray().Sum(l => Math.Exp(l - max)) / total;
            Assert.InRange(counts[block], Draws * share - 4 * Math.Sqrt(Draws * share * (1 - share)) - 1e-9, Draws * share + 4 * Math.Sqrt(Draws * share * (1 - share)) + 1e-9);
        }
    }

    [Fact]
    public void Only_allowed_tokens_are_chosen_and_bad_words_are_not_completed()
    {
        float[] logits = [.. Enumerable.Range(0, 500).Select(i => i / 100f)];
        Sampler allowed = new(new SamplingParameters { Temperature = 0, AllowedTokenIds = [3, 130, 7] }, 500, seed: 1, [], [], []);
        Assert.Equal(130, allowed.Sample([.. logits], []).Token);

        Sampler careful = new(new SamplingParameters { Temperature = 0 }, 500, seed: 1, [], [], badWords: [[499], [12, 498]]);
        Assert.Equal(498, careful.Sample([.. logits], []).Token);
        Assert.Equal(498, careful.Sample([.. logits], [12, 5]).Token);
        Assert.Equal(497, careful.Sample([.. logits], [5, 12]).Token);
    }

    [Fact]
    public void Log_probabilities_are_the_models_own_whatever_a_request_changes()
    {
        float[] logits = [.. Enumerable.Range(0, 300).Select(i => i % 17 / 3f)];
        SamplingParameters changed = new() { Temperature = 0, Logprobs = 2, LogitBias = new Dictionary<int, double> { [5] = 100 }, AllowedTokenIds = [5, 6] };
        (int token, TokenLogprobs? read) = new Sampler(changed, 300, seed: 1, [], [], []).Sample([.. logits], []);
        Assert.Equal(5, token);
        Assert.Equivalent(new LogprobReader(300, 2).Read(logits, 5), read, strict: true);
    }

    [Fact]
    public void A_temperature_near_zero_counts_as_a_hundredth()
    {
        float[] logits = [1, 1.01f, 0.5f];
        int[] Draw(double temperature)
        {
            Sampler sampler = new(new SamplingParameters { Temperature = temperature }, 3, seed: 2, [], [], []);
            return [.. Enumerable.Range(0, 200).Select(i => sampler.Sample([.. logits], new int[i]).Token)];
        }
        Assert.Equal(Draw(0.01), Draw(0.0001));
        Assert.Contains(0, Draw(0.0001));
        Assert.DoesNotContain(0, Draw(0.000001)); // greedy
    }

    private static float[] Row(int size, bool coarse, Random random)
    {
        float[] row = [.. Enumerable.Range(0, size).Select(_ => coarse ? random.Next(-4, 5) : (float)(random.NextDouble() * 16 - 8))];
        if (size > 600 && random.Next(2) == 0) row.AsSpan(256, 256).Fill(float.NegativeInfinity);
        return row;
    }

    /// <summary>However the row is rounded: what is nearly certain weighs no more than all.</summary>
    [Fact]
    public void No_probability_is_above_1()
    {
        Random random = new(5);
        LogprobReader reader = new(1024, 1);
        float[] logits = new float[1024];
        for (int i = 0; i < 2000; i++)
        {
            Array.Fill(logits, -30 * random.NextSingle());
            logits[i % 1024] = 10 + 30 * random.NextSingle();
            float logprob = reader.Read(logits, i % 1024).Chosen.Logprob;
            Assert.True(logprob is <= 0 and > -0.1f, $"{logits[i % 1024]:R}: {logprob:R}");
        }
    }
}
