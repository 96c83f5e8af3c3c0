using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Tests.Lora;
using Lapidary.Tests.Quantization;
using Lapidary.Verification;

namespace Lapidary.Tests.Verification;

/// <summary>The comparison of two configurations against whole matrices of logits in float64, HuggingFace's logits, and
/// perturbations of known size.</summary>
public sealed class QualityComparisonTests : IDisposable
{
    private const string Story = "Once upon a time, there was a little cat named Tom. Tom loved fish more than anything. One day, Tom went to the lake.";

    private readonly CpuKernels kernels = new();

    public void Dispose() => kernels.Dispose();

    [Fact]
    public void Identical_configurations_differ_in_nothing()
    {
        QualityReport report = Compare([], []);
        Assert.Equal((0, 0, 0, 0), (report.NllDifference, report.NllStandardError, report.FlipRate, report.Flips.Count));
        Assert.Equal(new Distribution(0, 0, 0, 0, 0, 0), report.Kl);
        Assert.Equal(report.Base.Perplexity, report.Against.Perplexity);
        Assert.All(report.Layers, layer => Assert.Equal((0.0, 0.0, 0.0), (layer.RelativeRms, layer.WorstToken, layer.RoutesChanged)));
        Assert.Null(report.Greedy.FirstDifference);
        Assert.Equal(report.Greedy.Base, report.Greedy.Against);
        Assert.NotEmpty(report.Greedy.Base);
    }

    [Fact]
    public void Every_statistic_is_that_of_the_whole_matrices()
    {
        using MeasuredModel a = Open([]), b = Open(["activation=gelu"]);
        EvaluationText text = EvaluationText.Of(a.Model.Tokenizer, Story, 512);
        QualityReport report = Run(a, b, text, 8);

        int[] ids = Assert.Single(text.Windows);
        (double[][] p, double[][][] layersA) = Everything(a.Model, ids);
        (double[][] q, double[][][] layersB) = Everything(b.Model, ids);
        int n = ids.Length - 1;
        double[] kl = [.. Enumerable.Range(0, n).Select(t => p[t].Zip(q[t]).Sum(pair => pair.First * Math.Log(pair.First / pair.Second)))];
        double[] nllA = [.. Enumerable.Range(0, n).Select(t => -Math.Log(p[t][ids[t + 1]]))], nllB = [.. Enumerable.Range(0, n).Select(t => -Math.Log(q[t][ids[t + 1]]))];

        Assert.Equal(n, report.Tokens.Count);
        Assert.All(report.Tokens.Zip(kl), pair => Assert.Equal(pair.Second, pair.First.Kl, 1e-12));
        Assert.Equal(Math.Exp(nllA.Average()), report.Base.Perplexity, 1e-9);
        Assert.Equal(Math.Exp(nllB.Average()), report.Against.Perplexity, 1e-9);
        Assert.Equal(kl.Average(), report.Kl.Mean, 1e-12);
        Assert.Equal(NinetyNinth(kl), report.Kl.P99, 1e-12);
        Assert.Equal(nllB.Average() - nllA.Average(), report.NllDifference, 1e-12);
        double spread = Math.Sqrt(nllA.Zip(nllB).Sum(pair => Math.Pow(pair.Second - pair.First - report.NllDifference, 2)) / (n - 1));
        Assert.Equal(spread / Math.Sqrt(n), report.NllStandardError!.Value, 1e-12);
        Assert.Equal(Enumerable.Range(0, n).Count(t => Array.IndexOf(p[t], p[t].Max()) == ids[t + 1]) / (double)n, report.Base.Accuracy, 1e-12);
        Assert.Equal(
            Enumerable.Range(0, n).Where(t => Array.IndexOf(p[t], p[t].Max()) != Array.IndexOf(q[t], q[t].Max())), report.Flips.Select(f => f.Position));
        Assert.All(report.Layers, layer =>
        {
            // Rows of the text: the first row is the prefix's.
            double[] x = [.. layersA[layer.Layer].Skip(1).SelectMany(row => row)], y = [.. layersB[layer.Layer].Skip(1).SelectMany(row => row)];
            Assert.Equal(Norm(y.Zip(x, (u, v) => u - v)) / Norm(x), layer.RelativeRms, 1e-12);
            Assert.Equal(layersA[layer.Layer].Zip(layersB[layer.Layer]).Skip(1).Max(r => Norm(r.Second.Zip(r.First, (u, v) => u - v)) / Norm(r.First)), layer.WorstToken, 1e-12);
            Assert.InRange(layer.RelativeRms, 1e-6, 1);
        });
    }

    /// <summary>Perplexity of a prompt from the logits that transformers computed.</summary>
    [Theory, InlineData("story_cat"), InlineData("story_words")]
    public void Perplexity_is_that_of_HuggingFace(string name)
    {
        using SafetensorsFile goldens = SafetensorsFile.Open(Path.Combine(Goldens.TinyModel, "golden.safetensors"));
        int[] ids = goldens.Find($"{name}.prompt_ids")!.ToInt32s();
        double[][] rows = [.. goldens.Find($"{name}.prompt_logits")!.ToSingles().Select(v => (double)v).Chunk(6144)];
        double[] expected = [.. Enumerable.Range(0, ids.Length - 1).Select(t => Math.Log(rows[t].Sum(Math.Exp)) - rows[t][ids[t + 1]])];

        using MeasuredModel model = Open([]), erf = Open(["activation=gelu"]);
        QualityReport report = Run(model, erf, EvaluationText.Of(ids[1..], ids[..1], 512));
        Assert.InRange(Math.Abs(report.Base.Perplexity / Math.Exp(expected.Average()) - 1), 0, 2e-6);
        Assert.InRange(report.Tokens.Zip(expected).Max(pair => Math.Abs(pair.First.BaseNll - pair.Second)), 0, 2e-5);
        Assert.True(report.Tokens.Zip(expected).Max(pair => Math.Abs(pair.First.AgainstNll - pair.Second)) > 1e-4, "the erf form passes for the model's own");
    }

    /// <summary>Scaling one layer's output by 1 + ε shows there as ε, and before it as nothing.</summary>
    [Fact]
    public void The_error_curve_starts_where_the_error_is()
    {
        const double Epsilon = 1e-3;
        using ScaledLayer scaled = new(new CpuKernels(), layer: 3, layers: 8, (float)(1 + Epsilon));
        using MeasuredModel a = Open([]), b = Open([], scaled);
        QualityReport report = Run(a, b, EvaluationText.Of(a.Model.Tokenizer, Story, 512));
        Assert.All(report.Layers.Take(3), layer => Assert.Equal(0, layer.RelativeRms));
        Assert.Equal(Epsilon, report.Layers[3].RelativeRms, Epsilon * 1e-2);
        Assert.All(report.Layers.Skip(4), layer => Assert.True(layer.RelativeRms > 0));
    }

    [Fact]
    public void Windows_of_a_long_text_are_computed_each_on_its_own()
    {
        using MeasuredModel a = Open([]), b = Open(["backend=reference"]);
        int[] ids = a.Model.Tokenizer.Encode(Story, Lapidary.Tokenizers.SpecialTokens.Omit), bos = [.. a.Model.Tokenizer.Prefix];
        QualityReport whole = Run(a, b, EvaluationText.Of(ids, bos, 11));
        List<TokenDivergence> parts = [];
        foreach (int[] part in ids.Chunk(10))
        {
            int start = parts.Count;
            parts.AddRange(Run(a, b, EvaluationText.Of(part, bos, 512)).Tokens.Select(t => t with { Position = t.Position + start }));
        }
        Assert.Equal((ids.Length + 9) / 10, whole.Windows);
        Assert.Equal(ids, whole.Tokens.Select(t => t.TokenId));
        Assert.Equal(parts, whole.Tokens);
    }

    [Fact]
    public void A_wrong_activation_shows_more_than_the_other_form_of_the_right_one()
    {
        QualityReport erf = Compare([], ["activation=gelu"]), silu = Compare([], ["activation=silu"]);
        Assert.Equal(("gelu_tanh", "gelu", "gelu_tanh", "silu"), (erf.Base.Activation, erf.Against.Activation, silu.Base.Activation, silu.Against.Activation));
        Assert.InRange(erf.Kl.Mean, 1e-9, 1e-3);
        Assert.True(silu.Kl.Mean > 100 * erf.Kl.Mean, $"{silu.Kl.Mean} against {erf.Kl.Mean}");
        Assert.True(silu.FlipRate > 0 && silu.Against.Perplexity > erf.Against.Perplexity);
    }

    [Fact]
    public void Greedy_texts_are_compared_up_to_their_first_difference()
    {
        GreedyComparison greedy = Compare([], ["activation=relu2"], greedyTokens: 40).Greedy;
        Assert.NotNull(greedy.FirstDifference);
        Assert.Equal(greedy.Base.Zip(greedy.Against).TakeWhile(pair => pair.First == pair.Second).Count(), greedy.FirstDifference);
    }

    [Fact]
    public void Two_expert_backends_differ_by_rounding_only()
    {
        QualityReport report = Compare([], ["backend=reference"]);
        Assert.Equal(("grouped", "reference"), (report.Base.ExpertBackend, report.Against.ExpertBackend));
        Assert.InRange(report.Kl.Max, 0, 1e-7);
        Assert.All(report.Layers, layer => Assert.InRange(layer.RelativeRms, 0, 1e-5));
    }

    /// <summary>The last token of a prompt, from the logits that transformers and PEFT computed with and without the adapter.</summary>
    [Fact]
    public void An_adapter_is_compared_as_PEFT_computes_it()
    {
        const string Name = "attention_mlp_experts";
        const int Next = 321;
        double[] without = Probabilities(AdapterGoldens.Logits("base")[1]), with = Probabilities(AdapterGoldens.Logits(Name)[1]);
        int[] prompt = AdapterGoldens.Prompts[1];
        using MeasuredModel a = Open([]), b = Open([$"lora={AdapterGoldens.Case(Name)}"]);
        TokenDivergence last = Run(a, b, EvaluationText.Of([.. prompt[1..], Next], prompt[..1], 512)).Tokens[^1];
        double kl = without.Zip(with).Sum(pair => pair.First * Math.Log(pair.First / pair.Second));
        Assert.InRange(kl, 0.01, 100);
        Assert.Equal(-Math.Log(without[Next]), last.BaseNll, 2e-4);
        Assert.Equal(-Math.Log(with[Next]), last.AgainstNll, 2e-4);
        Assert.Equal(kl, last.Kl, 2e-4);
        Assert.Equal((Array.IndexOf(without, without.Max()), Array.IndexOf(with, with.Max())), (last.BaseTop, last.AgainstTop));

        static double[] Probabilities(float[] logits)
        {
            double sum = logits.Sum(x => Math.Exp(x));
            return [.. logits.Select(x => Math.Exp(x) / sum)];
        }
    }

    /// <summary>Every token, from the logits that transformers computed for both.</summary>
    [Theory, InlineData("gptq4_act", "fp8_block"), InlineData("awq", "ct_int4_asym_act"), InlineData("ct_nvfp4", "mxfp4")]
    public void Two_quantised_checkpoints_of_one_model_are_compared_as_transformers_computes_them(string one, string other)
    {
        using SafetensorsFile goldens = SafetensorsFile.Open(Path.Combine(QuantFixtures.Folder, one, "golden.safetensors"));
        using SafetensorsFile otherGoldens = SafetensorsFile.Open(Path.Combine(QuantFixtures.Folder, other, "golden.safetensors"));
        int[] ids = goldens.Find("p0.input_ids")!.ToInt32s();
        using MeasuredModel a = MeasuredModel.Open(Path.Combine(QuantFixtures.Folder, one), ModelVariant.Parse([]), kernels, 16);
        using MeasuredModel b = MeasuredModel.Open(a.Model.Location, ModelVariant.Parse([$"model={Path.Combine(QuantFixtures.Folder, other)}"]), kernels, 16);
        QualityReport report = Run(a, b, EvaluationText.Of(ids, [], 16));
        Assert.NotNull(report.Base.Weights);
        Assert.NotEqual(report.Base.Weights, report.Against.Weights);
        double[][] p = Probabilities(goldens), q = Probabilities(otherGoldens);
        Assert.All(report.Tokens, token =>
        {
            int row = token.Position - 1;
            Assert.Equal(-Math.Log(p[row][token.TokenId]), token.BaseNll, 2e-5);
            Assert.Equal(-Math.Log(q[row][token.TokenId]), token.AgainstNll, 2e-5);
            Assert.Equal(p[row].Zip(q[row]).Sum(pair => pair.First * Math.Log(pair.First / pair.Second)), token.Kl, 1e-6);
        });
        Assert.InRange(report.Kl.Mean, 5e-5, 10);

        static double[][] Probabilities(SafetensorsFile file) => [.. file.Find("p0.logits")!.ToSingles().Chunk(64).Select(row =>
        {
            double sum = row.Sum(x => Math.Exp(x));
            return row.Select(x => Math.Exp(x) / sum).ToArray();
        })];
    }

    [Fact]
    public void Another_model_is_refused()
    {
        using MeasuredModel a = Open([]), b = MeasuredModel.Open(Goldens.Case("moe_silu"), ModelVariant.Parse([]), kernels, 16);
        RequestException error = Assert.Throws<RequestException>(() => Run(a, b, EvaluationText.Of([5, 6, 7], [], 16)));
        Assert.Contains("vocab_size is 6144", error.Message, StringComparison.Ordinal);
    }

    private QualityReport Compare(string[] settings, string[] against, int greedyTokens = 24)
    {
        using MeasuredModel a = Open(settings), b = Open(against);
        return Run(a, b, EvaluationText.Of(a.Model.Tokenizer, Story, 512), greedyTokens);
    }

    private static QualityReport Run(MeasuredModel a, MeasuredModel b, EvaluationText text, int greedyTokens = 1)
        => QualityComparison.Run(a, b, text, greedyTokens, cancel: TestContext.Current.CancellationToken);

    private MeasuredModel Open(string[] settings, IKernels? device = null) => MeasuredModel.Open(Goldens.TinyModel, ModelVariant.Parse(settings), device ?? kernels, 512);

    /// <summary>[t, vocab] probabilities and [layer][t, h] outputs, from one step over all tokens.</summary>
    private static (double[][] Probabilities, double[][][] Outputs) Everything(LanguageModel model, int[] ids)
    {
        Keep keep = new(model.Kernels);
        using CacheSequence sequence = model.Cache.NewSequence();
        model.Batch.Clear();
        model.Batch.Add(sequence, ids, LogitRows.All);
        model.Network.Observer = keep;
        var logits = new float[ids.Length * model.Config.VocabSize];
        model.Kernels.Read(model.Network.Forward(model.Batch, model.Cache), logits);
        model.Network.Observer = null;
        double[][] probabilities = [.. logits.Chunk(model.Config.VocabSize).Select(row =>
        {
            double[] e = [.. row.Select(x => Math.Exp(x))]; // the softcap keeps logits within ±30
            double sum = e.Sum();
            return e.Select(x => x / sum).ToArray();
        })];
        return (probabilities, [.. Enumerable.Range(0, model.Config.Layers.Count).Select(l => keep.Outputs[l].Select(v => (double)v).Chunk(model.Config.HiddenSize).ToArray())]);
    }

    private static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(v => v * v));

    private static double NinetyNinth(double[] values)
    {
        double[] sorted = [.. values.Order()];
        double rank = 0.99 * (sorted.Length - 1), weight = rank - Math.Floor(rank);
        return (1 - weight) * sorted[(int)Math.Floor(rank)] + weight * sorted[(int)Math.Ceiling(rank)];
    }

    private sealed class Keep(IKernels kernels) : ITensorObserver
    {
        public Dictionary<int, float[]> Outputs { get; } = [];

        public void Observe(int? layer, string name, IBuffer tensor)
        {
            if (layer is not { } index || name != "out") return;
            kernels.Read(tensor, Outputs[index] = new float[tensor.Rows * tensor.Columns]);
        }
    }

    /// <summary>Multiplies one layer's output by a factor: the layer's scalar is its last operation.</summary>
    private sealed class ScaledLayer(IKernels inner, int layer, int layers, float by) : ForwardingKernels(inner)
    {
        private int calls;

        public override void Scale(IBuffer x, float factor) => base.Scale(x, calls++ % layers == layer ? factor * by : factor);
    }
}
