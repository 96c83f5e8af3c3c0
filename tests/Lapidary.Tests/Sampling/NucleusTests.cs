using CsCheck;
using Lapidary.Sampling;

namespace Lapidary.Tests.Sampling;

/// <summary>Draws from the whole vocabulary by temperature, top-p and min-p, against a full sort in float64.</summary>
public sealed class NucleusTests
{
    private static readonly Gen<SamplingParameters> AnyParameters =
        from temperature in Gen.OneOf(Gen.Double[0.01, 0.3], Gen.Double[0.3, 2])
        from topP in Gen.OneOf(Gen.Const(1.0), Gen.Double[0.001, 0.1], Gen.Double[0.1, 0.999])
        from minP in Gen.OneOf(Gen.Const(0.0), Gen.Double[0.0001, 0.9])
        select new SamplingParameters { Temperature = temperature, TopP = topP, MinP = minP };

    private static readonly Gen<float[]> AnyLogits =
        from size in Gen.OneOf(Gen.Int[1, 3], Gen.Int[100, 3000])
        from shape in Gen.Enum<Shape>()
        from seed in Gen.Int
        select Row(size, shape, new Random(seed));

    private enum Shape
    {
        Spread,
        Ties,
        Equal,
        Peaked,
        Masked,
    }

    [Fact]
    public void A_seed_gives_the_token_that_a_full_sort_in_float64_gives()
    {
        int borders = 0, cases = 0;
        Gen.Select(AnyLogits, AnyParameters, Gen.Long, Gen.Int[0, 50]).Sample((logits, parameters, seed, step) =>
        {
            (int expected, double margin) = Reference(logits, parameters, seed, step);
            int token = Draw(logits, parameters, seed, step);
            Interlocked.Increment(ref cases);
            if (margin > 1e-5) Assert.Equal(expected, token);
            else Interlocked.Increment(ref borders);
        }, iter: 1500);
        Assert.True(borders < cases / 50, $"{borders} of {cases} cases lie where rounding decides, so the others show too little");
    }

    [Fact]
    public void The_reference_tells_another_p_and_draws_without_a_bound()
    {
        int otherP = 0, unbounded = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            float[] logits = Row(1000, Shape.Spread, new Random(seed));
            int token = Draw(logits, new() { TopP = 0.5 }, seed, step: 0);
            if (Reference(logits, new() { TopP = 0.45 }, seed, step: 0).Token != token) otherP++;
            if (Reference(logits, new() { TopP = 0.5 }, seed, step: 0, Refused.StayInTheDraw).Token != token) unbounded++;
        }
        Assert.InRange(otherP, 5, 295);
        Assert.InRange(unbounded, 5, 295);
    }

    [Fact]
    public void Frequencies_follow_the_probabilities_of_what_is_kept()
    {
        const int Draws = 40_000;
        float[] logits = [.. Enumerable.Range(0, 700).Select(i => i * 211 % 37 / 6f)];
        int[] output = new int[Draws];
        foreach (SamplingParameters parameters in (SamplingParameters[])[new(), new() { TopP = 0.6 }, new() { TopP = 0.05 }, new() { MinP = 0.2, Temperature = 1.5 }, new() { TopP = 0.9, MinP = 0.4 }])
        {
            double[] expected = Probabilities(logits, parameters);
            Sampler sampler = Sampler(logits, parameters, seed: 11);
            int[] counts = new int[logits.Length];
            for (int step = 0; step < Draws; step++) counts[sampler.Sample(logits, output.AsSpan(0, step)).Token]++;
            int[] kept = [.. Enumerable.Range(0, logits.Length).Where(id => expected[id] > 0)];
            Assert.Equal(Draws, kept.Sum(id => counts[id]));
            double chiSquare = kept.Sum(id => Math.Pow(counts[id] - Draws * expected[id], 2) / (Draws * expected[id]));
            // 99.9 % of honest samples stay below this (Wilson and Hilferty's approximation).
            int freedom = kept.Length - 1;
            Assert.InRange(chiSquare, 0, freedom * Math.Pow(1 - 2.0 / (9 * freedom) + 3.09 * Math.Sqrt(2.0 / (9 * freedom)), 3));
        }
    }

    [Fact]
    public void A_small_p_over_many_equal_tokens_takes_the_lowest_ids()
    {
        float[] logits = new float[100_000];
        for (int seed = 0; seed < 50; seed++)
        {
            Assert.InRange(Draw(logits, new() { TopP = 0.001 }, seed, step: 0), 0, 99);
            Assert.Equal(0, Draw(logits, new() { TopP = 1e-9 }, seed, step: 0));
            Assert.Equal(0, Draw(logits, new() { TopP = double.Epsilon }, seed, step: 0));
        }
    }

    [Fact]
    public void Draws_that_are_refused_allocate_nothing()
    {
        float[] logits = Row(5000, Shape.Spread, new Random(1));
        Sampler sampler = Sampler(logits, new() { TopP = 0.02, MinP = 0.01 }, seed: 1);
        int[] output = new int[200];
        DrawAll(); // what is made once, tables and the like, may be made here
        long before = GC.GetAllocatedBytesForCurrentThread();
        DrawAll();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void DrawAll()
        {
            for (int step = 0; step < output.Length; step++) sampler.Sample(logits, output.AsSpan(0, step));
        }
    }

    private enum Refused
    {
        BoundTheDraw,
        StayInTheDraw,
    }

    private static Sampler Sampler(float[] logits, SamplingParameters parameters, long seed) => new(parameters, logits.Length, seed, [], [], []);

    private static int Draw(float[] logits, SamplingParameters parameters, long seed, int step)
        => Sampler(logits, parameters, seed).Sample([.. logits], new int[step]).Token;

    /// <summary>Written from the definition.</summary>
    /// <returns>The token, and the least distance of a decision on the way to it from going the other way, as a share of the whole (of min-p: in logits).</returns>
    private static (int Token, double Margin) Reference(float[] logits, SamplingParameters parameters, long seed, int step, Refused refused = Refused.BoundTheDraw)
    {
        double[] weights = WeightsOf(logits, parameters);
        double max = logits.Max();
        double total = weights.Sum(), margin = double.PositiveInfinity;
        int[] order = Order(logits);
        int[] place = new int[order.Length];
        double[] before = new double[order.Length];
        double sum = 0;
        for (int i = 0; i < order.Length; i++)
        {
            (place[order[i]], before[order[i]]) = (i, sum);
            sum += weights[order[i]];
        }
        bool[] alive = [.. weights.Select(w => w > 0 && w >= parameters.MinP)];
        if (parameters.MinP > 0) margin = logits.Min(l => Math.Abs(l - max - Math.Log(parameters.MinP) * parameters.Temperature));
        SplitMix64 steps = new((ulong)seed);
        ulong number = 0;
        for (int i = 0; i <= step; i++) number = steps.Next();
        SplitMix64 draws = new(number);
        while (true)
        {
            double left = Enumerable.Range(0, weights.Length).Sum(id => alive[id] ? weights[id] : 0);
            double target = (number >> 11) / 9007199254740992.0 * left, reached = 0;
            int token = -1;
            for (int id = 0; id < weights.Length && reached <= target; id++)
            {
                if (!alive[id]) continue;
                token = id;
                margin = Math.Min(margin, Math.Abs(reached - target) / left + (reached == 0 ? 1 : 0));
                reached += weights[id];
            }
            margin = Math.Min(margin, Math.Abs(reached - target) / left);
            if (parameters.TopP < 1) margin = Math.Min(margin, Math.Abs(before[token] - parameters.TopP * total) / total);
            if (parameters.TopP >= 1 || before[token] < parameters.TopP * total) return (token, margin);
            if (refused == Refused.BoundTheDraw)
                for (int id = 0; id < alive.Length; id++) alive[id] &= place[id] < place[token];
            number = draws.Next();
        }
    }

    private static double[] Probabilities(float[] logits, SamplingParameters parameters)
    {
        double[] weights = WeightsOf(logits, parameters), kept = new double[weights.Length];
        double limit = parameters.TopP * weights.Sum(), before = 0;
        foreach (int id in Order(logits))
        {
            if (before < limit && weights[id] >= parameters.MinP) kept[id] = weights[id];
            before += weights[id];
        }
        double total = kept.Sum();
        return [.. kept.Select(w => w / total)];
    }

    private static double[] WeightsOf(float[] logits, SamplingParameters parameters)
    {
        double max = logits.Max();
        return [.. logits.Select(l => Math.Exp((l - max) / parameters.Temperature))];
    }

    private static int[] Order(float[] logits) => [.. Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id]).ThenBy(id => id)];

    private static float[] Row(int size, Shape shape, Random random)
    {
        float[] row = [.. Enumerable.Range(0, size).Select(_ => shape switch
        {
            Shape.Ties => random.Next(-4, 5),
            Shape.Equal => 1.5f,
            _ => (float)(random.NextDouble() * 16 - 8),
        })];
        if (shape == Shape.Peaked) row[random.Next(size)] = 20;
        if (shape != Shape.Masked) return row;
        int allowed = random.Next(size);
        for (int id = 0; id < size; id++)
            if (id != allowed && (random.Next(10) > 0 || id / 256 == 1)) row[id] = float.NegativeInfinity;
        return row;
    }

    /// <summary>Steele, Lea and Flood: Fast splittable pseudorandom number generators.</summary>
    private sealed class SplitMix64(ulong state)
    {
        private ulong state = state;

        public ulong Next()
        {
            ulong z = state += 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
