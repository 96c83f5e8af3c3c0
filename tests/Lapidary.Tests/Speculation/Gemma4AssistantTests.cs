using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Tests.Models;

namespace Lapidary.Tests.Speculation;

/// <summary>The drafter's numbers against float64, for targets with and without shared keys, on two devices.</summary>
public sealed class Gemma4AssistantTests
{
    private const int Steps = 3;
    private static readonly int[] Lengths = [3, 21, 10]; // shorter and longer than the window, across blocks

    [Theory]
    [InlineData("moe_keqv_bf16", false), InlineData("moe_keqv_bf16", true), InlineData("everything", false), InlineData("everything", true)]
    public void Computes_what_the_description_says(string target, bool centroids)
    {
        using CpuKernels cpu = new(threads: 2);
        using Float64Device exact = new();
        foreach (int seed in (int[])[1, 2])
        {
            AssertClose(Run(cpu, target, centroids, seed, DrafterFault.None), 2e-4);
            AssertClose(Run(exact, target, centroids, seed, DrafterFault.None), 1e-5); // weights and keys are float32, the rest is not
        }
    }

    public static TheoryData<DrafterFault> Faults() => [.. Enum.GetValues<DrafterFault>().Where(fault => fault != DrafterFault.None)];

    [Theory, MemberData(nameof(Faults))]
    public void A_fault_is_noticed(DrafterFault fault)
    {
        using CpuKernels kernels = new(threads: 1);
        Assert.True(Run(kernels, "moe_keqv_bf16", centroids: false, seed: 1, fault).Max(s => s.Difference) > 5e-3);
    }

    [Fact]
    public void Clusters_decide_which_token_is_likeliest()
    {
        using CpuKernels kernels = new(threads: 1);
        Assert.Contains(Run(kernels, "moe_keqv_bf16", centroids: true, seed: 1, DrafterFault.None), s => s.OfAllTokens != s.Token);
    }

    /// <param name="Difference">Largest of the states and of what is carried on, relative to what is compared with.</param>
    /// <param name="Token">Drafted.</param>
    /// <param name="Expected">The token of the largest logit, among those of the chosen clusters if there are any.</param>
    /// <param name="OfAllTokens">The token of the largest logit.</param>
    private sealed record Step(double Difference, int Token, int Expected, int OfAllTokens);

    private static void AssertClose(List<Step> steps, double tolerance)
    {
        Assert.All(steps, s => Assert.InRange(s.Difference, 0, tolerance));
        Assert.All(steps, s => Assert.Equal(s.Expected, s.Token));
        Assert.True(steps.Select(s => s.Token).Distinct().Count() > 3); // the comparison can tell
    }

    private static List<Step> Run(IKernels kernels, string name, bool centroids, int seed, DrafterFault fault)
    {
        Gemma4Config config = Gemma4ConfigReader.Load(Goldens.Case(name));
        using ICheckpoint checkpoint = Checkpoint.Open(Goldens.Case(name));
        using Gemma4 target = Gemma4.Load(checkpoint, config, kernels, new Gemma4Options());
        using DrafterFolder folder = new(config, centroids, seed);
        using Gemma4Assistant assistant = Gemma4Assistant.Load(folder.Path, target, kernels, Lengths.Length);
        using KeyValueCache cache = new(kernels, config, 64, maxStepTokens: 32, sequences: Lengths.Length, KeyValueType.F32);
        using ForwardBatch batch = new(kernels, cache, Lengths.Length, Lengths.Length);

        Random random = new(seed);
        List<CacheSequence> sequences = [];
        Drafter64[] references = [.. Lengths.Select(length => Reference(length))];
        int[] tokens = [.. Lengths.Select(_ => random.Next(config.VocabSize))];
        double[][] carried = [.. Lengths.Select(_ => (double[])[.. Enumerable.Range(0, config.HiddenSize).Select(_ => (double)(float)(2 * random.NextDouble() - 1))])];
        for (int i = 0; i < Lengths.Length; i++) batch.AddQuery(sequences[i], tokens[i]);
        Carry();

        StoredTensor embeddings = new TensorSource(checkpoint, null).Require("embed_tokens.weight", config.VocabSize, config.HiddenSize);
        float[] table = embeddings.ToSingles();
        List<Step> steps = [];
        for (int step = 0; step < Steps; step++)
        {
            int[] drafted = assistant.Forward(batch, cache).ToArray();
            float[] states = Read(assistant.LastHidden), next = Read(assistant.Carried);
            for (int i = 0; i < Lengths.Length; i++)
            {
                double[] embedding = [.. table.Skip(tokens[i] * config.HiddenSize).Take(config.HiddenSize)];
                (double[] last, carried[i], double[] logits) = references[i].Step(embedding, carried[i], Lengths[i]);
                double difference = Math.Max(Difference(last, states.AsSpan(i * last.Length, last.Length)), Difference(carried[i], next.AsSpan(i * config.HiddenSize, config.HiddenSize)));
                steps.Add(new Step(difference, drafted[i], Likeliest(logits, Allowed(references[i], last)), Likeliest(logits, Enumerable.Range(0, logits.Length))));
            }
            tokens = drafted;
            batch.Replace(tokens);
        }
        return steps;

        // Random keys and values in every layer of the target's cache.
        Drafter64 Reference(int length)
        {
            CacheSequence sequence = cache.NewSequence();
            sequence.Reserve(length);
            List<(double[][], double[][])> keyValues = [];
            foreach (Gemma4Layer layer in config.Layers)
            {
                if (layer.SharesKeyValues) continue;
                int width = layer.KeyValueHeads * layer.HeadDim;
                float[][] keys = [.. Enumerable.Range(0, length).Select(_ => Row(width))], values = [.. Enumerable.Range(0, length).Select(_ => Row(width))];
                using IBuffer k = kernels.Allocate(DType.F32, length, width), v = kernels.Allocate(DType.F32, length, width), slots = kernels.Allocate(DType.I32, length, 1);
                kernels.Write(k, [.. keys.SelectMany(row => row)]);
                kernels.Write(v, [.. values.SelectMany(row => row)]);
                LayerCache stored = cache[layer.Index];
                kernels.Write(slots, [.. Enumerable.Range(0, length).Select(position => sequence.Slot(stored.Group, position))]);
                kernels.StoreKeysValues(k, v, slots, stored.KeysValues);
                keyValues.Add(([.. keys.Select(Wide)], [.. values.Select(Wide)]));
            }
            sequence.Advance(new int[length]);
            sequences.Add(sequence);
            Gemma4Layer sliding = config.Layers.Last(l => !l.IsFull && !l.SharesKeyValues), full = config.Layers.Last(l => l.IsFull && !l.SharesKeyValues);
            return new Drafter64(folder.Tensors, config.NumAttentionHeads, sliding.HeadDim, full.HeadDim, config.SlidingWindow, keyValues, sliding.Index, full.Index, fault);
        }

        float[] Row(int width) => [.. Enumerable.Range(0, width).Select(_ => (float)(2 * random.NextDouble() - 1))];

        void Carry()
        {
            using IBuffer hidden = kernels.Allocate(DType.F32, Lengths.Length, config.HiddenSize), rows = kernels.Allocate(DType.I32, Lengths.Length, 1);
            kernels.Write(hidden, [.. carried.SelectMany(row => row.Select(v => (float)v))]);
            kernels.Write(rows, [.. Enumerable.Range(0, Lengths.Length)]);
            assistant.Carried.Rows = Lengths.Length;
            kernels.GatherRows(hidden, rows, assistant.Carried);
        }

        float[] Read(IBuffer buffer)
        {
            float[] values = new float[buffer.Rows * buffer.Columns];
            kernels.Read(buffer, values);
            return values;
        }

        IEnumerable<int> Allowed(Drafter64 reference, double[] last)
        {
            if (!centroids) return Enumerable.Range(0, config.VocabSize);
            int size = config.VocabSize / DrafterFolder.Centroids;
            return reference.Centroids(last).Select((logit, centroid) => (logit, centroid)).OrderByDescending(c => c.logit).Take(DrafterFolder.ChosenCentroids)
                .SelectMany(c => folder.Ordering!.Skip(c.centroid * size).Take(size));
        }
    }

    private static double[] Wide(float[] row) => [.. row.Select(v => (double)v)];

    private static int Likeliest(double[] logits, IEnumerable<int> tokens) => tokens.MaxBy(token => logits[token]);

    private static double Difference(double[] expected, ReadOnlySpan<float> actual)
    {
        double worst = 0, size = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++) worst = Math.Max(worst, Math.Abs(expected[i] - actual[i]) / size);
        return worst;
    }
}
