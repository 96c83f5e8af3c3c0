using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

/// <summary>Expert usage against HuggingFace's choices, and every number against a plain computation from router logits.</summary>
public sealed class RoutingSurveyTests : IDisposable
{
    private readonly CpuKernels kernels = new();
    private readonly LanguageModel model;
    private readonly int[] ids;
    private readonly SafetensorsFile goldens = SafetensorsFile.Open(Path.Combine(Goldens.TinyModel, "golden.safetensors"));

    public RoutingSurveyTests()
    {
        model = Open(maxStepTokens: 64);
        ids = goldens.Find("story_cat.prompt_ids")!.ToInt32s();
    }

    public void Dispose()
    {
        goldens.Dispose();
        model.Dispose();
        kernels.Dispose();
    }

    [Fact]
    public void Usage_counts_the_experts_that_HuggingFace_chose()
    {
        RoutingReport report = Survey(model, EvaluationText.Of(ids, [], 512));
        Assert.Equal((16, 4, ids.Length, 8), (report.NumExperts, report.TopKExperts, report.TextTokens, report.Layers.Count));
        foreach (LayerRouting layer in report.Layers)
        {
            int[] chosen = goldens.Find($"story_cat.router_experts.{layer.Layer}")!.ToInt32s();
            Assert.Equal(Enumerable.Range(0, 16).Select(e => (long)chosen.Count(id => id == e)), layer.Tokens);
        }
        Assert.NotEqual(report.Layers[0].Tokens, report.Layers[1].Tokens); // not one layer's numbers for all
    }

    [Fact]
    public void Every_number_is_that_of_a_plain_computation()
    {
        double[][][] logits = RouterLogits(); // [layer][t][e]
        foreach (LayerRouting layer in Survey(model, EvaluationText.Of(ids, [], 512)).Layers)
        {
            double[] counts = [.. layer.Tokens.Select(c => (double)c)];
            double mean = counts.Average();
            Assert.Equal(4 * ids.Length, counts.Sum());
            Assert.Equal(counts.Max() / mean, layer.MaxOverMean, 1e-12);
            Assert.Equal(Math.Sqrt(counts.Average(c => c * c) - mean * mean) / mean, layer.CoefficientOfVariation, 1e-9);
            Assert.Equal(counts.Where(c => c > 0).Sum(c => c / counts.Sum() * Math.Log2(counts.Sum() / c)) / 4, layer.Entropy, 1e-12); // log2 of 16 experts
            Assert.Equal(counts.Count(c => c == 0), layer.Unused);

            double[] gaps = [.. logits[layer.Layer].Select(row =>
            {
                double sum = row.Sum(Math.Exp);
                double[] p = [.. row.Select(x => Math.Exp(x) / sum).OrderDescending()];
                return p[3] - p[4];
            }).Order()];
            Assert.Equal(gaps.Average(), layer.Margin!.Mean, 1e-12);
            Assert.Equal((gaps[10] + gaps[11]) / 2, layer.Margin.Median, 1e-12); // of 22
            Assert.Equal(gaps[0], layer.Margin.Min, 1e-12);
            Assert.Equal(gaps[^1], layer.Margin.Max, 1e-12);
            Assert.Equal(gaps.Count(g => g < 1e-3) / (double)gaps.Length, layer.CloseCalls!.Value, 1e-12);
        }
    }

    [Fact]
    public void Steps_and_windows_do_not_change_the_counts_of_their_tokens()
    {
        using LanguageModel small = Open(maxStepTokens: 5);
        Assert.Equal(Counts(Survey(model, EvaluationText.Of(ids, [], 512))), Counts(Survey(small, EvaluationText.Of(ids, [], 512))));

        // A prefix is computed and not counted.
        RoutingReport prefixed = Survey(small, EvaluationText.Of(ids[1..], ids[..1], 8));
        Assert.All(prefixed.Layers, layer => Assert.Equal(4 * (ids.Length - 1), layer.Tokens.Sum()));
    }

    [Fact]
    public void A_dense_model_is_refused()
    {
        using LanguageModel dense = LanguageModel.Open(Goldens.Case("dense_min"), kernels, new LanguageModelOptions());
        Assert.Contains("dense model", Assert.Throws<RequestException>(() => Survey(dense, EvaluationText.Of([1, 2, 3], [], 16))).Message, StringComparison.Ordinal);
    }

    private LanguageModel Open(int maxStepTokens)
        => LanguageModel.Open(Goldens.TinyModel, kernels, new LanguageModelOptions { ContextLength = 512, MaxStepTokens = maxStepTokens });

    private static RoutingReport Survey(LanguageModel model, EvaluationText text) => RoutingSurvey.Run(model, text, cancel: TestContext.Current.CancellationToken);

    private static IEnumerable<long> Counts(RoutingReport report) => report.Layers.SelectMany(layer => layer.Tokens);

    private double[][][] RouterLogits()
    {
        Keep keep = new(model.Kernels);
        using CacheSequence sequence = model.Cache.NewSequence();
        model.Batch.Clear();
        model.Batch.Add(sequence, ids, LogitRows.Last);
        model.Network.Observer = keep;
        model.Network.Forward(model.Batch, model.Cache);
        model.Network.Observer = null;
        return [.. keep.Logits.Select(layer => layer.Select(v => (double)v).Chunk(16).ToArray())];
    }

    private sealed class Keep(IKernels kernels) : ITensorObserver
    {
        public List<float[]> Logits { get; } = [];

        public void Observe(int? layer, string name, IBuffer tensor)
        {
            if (name != "router_logits") return;
            float[] values = new float[tensor.Rows * tensor.Columns];
            kernels.Read(tensor, values);
            Logits.Add(values);
        }
    }
}
