using System.Text.Json.Nodes;
using Lapidary.Conformance;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;

namespace Lapidary.Tests.Activations;

/// <summary>Tests that add to the registry of the process; no other test runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChangesTheRegistry
{
    public const string Name = "changes the registry of activations";
}

/// <summary>
/// An activation from another assembly, in one file and registered in one line, works everywhere: by name, in a
/// configuration, in every vector width, as CUDA text, in a whole model, in the conformance matrix.
/// </summary>
[Collection(ChangesTheRegistry.Name)]
public sealed unsafe class AddedActivationTests : IDisposable
{
    public AddedActivationTests() => ActivationRegistry.Default.Register<QuickGelu>();

    public void Dispose() => ActivationRegistry.Default.Unregister(QuickGelu.Info.Name);

    [Theory, InlineData("quick_gelu", ActivationForm.Gated), InlineData("gelu_quick", ActivationForm.Gated)]
    [InlineData("quick_gelu_and_mul", ActivationForm.Gated), InlineData("quick_gelu_no_mul", ActivationForm.NonGated)]
    public void It_resolves_by_each_of_its_names(string name, ActivationForm form)
    {
        (Activation activation, ActivationForm resolved) = ActivationRegistry.Default.Resolve(name);
        Assert.Equal(("quick_gelu", form), (activation.Name, resolved));
    }

    [Fact]
    public void It_is_listed_where_an_unknown_name_is_refused()
        => Assert.Contains("quick_gelu", Assert.Throws<ConfigException>(() => Activation.FromHuggingFace("slow_gelu")).Message, StringComparison.Ordinal);

    [Fact]
    public void Without_its_line_it_is_unknown()
    {
        ActivationRegistry.Default.Unregister("quick_gelu");
        Assert.Throws<ConfigException>(() => Activation.FromHuggingFace("quick_gelu"));
    }

    [Fact]
    public void Every_vector_width_computes_its_truth_and_not_another()
    {
        Activation activation = Activation.FromHuggingFace("quick_gelu");
        float[] x = [.. Enumerable.Range(-2000, 4001).Select(i => i / 200f)], up = [.. x.Select(v => 3 - v)];
        foreach (CpuActivation kernel in (CpuActivation[])[CpuActivation.Load<V1>(activation), CpuActivation.Load<V4>(activation), CpuActivation.Load<V8>(activation), CpuActivation.Load<V16>(activation)])
        {
            float[] gated = new float[x.Length], plain = new float[x.Length];
            fixed (float* g = x, u = up, o = gated, p = plain)
            {
                kernel.Combine(g, u, o, x.Length);
                kernel.Apply(g, p, x.Length);
            }
            double Worst(float[] actual, Func<int, double> truth) => Enumerable.Range(0, x.Length).Max(i => Math.Abs(actual[i] - truth(i)) / Math.Max(1, Math.Abs(truth(i))));
            Assert.InRange(Worst(gated, i => QuickGelu.Truth(x[i]) * up[i]), 0, QuickGelu.Info.Tolerance);
            Assert.InRange(Worst(plain, i => QuickGelu.Truth(x[i])), 0, QuickGelu.Info.Tolerance);
            Assert.True(Worst(plain, i => ReferenceFormulas.Find("gelu_tanh", ActivationParameters.None)!.NonGated!(x[i])) > 1e-2);
        }
    }

    [Fact]
    public void It_has_a_CUDA_expression()
        => Assert.All([ActivationForm.Gated, ActivationForm.NonGated], form => Assert.Contains("1.702", Activation.FromHuggingFace("quick_gelu").CudaExpression(form), StringComparison.Ordinal));

    /// <summary>A sample of the matrix in which it meets every backend, format and shape, each with each other.</summary>
    [Theory, InlineData("quick_gelu"), InlineData("quick_gelu_no_mul")]
    public void The_conformance_matrix_covers_it(string name)
    {
        using CpuKernels kernels = new();
        ConformanceReport report = Matrix(kernels, name, QuickGelu.Formula, fault: null);
        Assert.True(report.Ok, string.Join("\n", report.Cells.Where(c => c.Outcome == CellOutcome.Failed).Take(5)));
        Assert.All(report.Cells.Where(c => c.Outcome == CellOutcome.Passed), cell => Assert.Equal((name, QuickGelu.Formula.Source), (cell.Activation, cell.Reference)));
        Assert.Equal(kernels.ExpertBackends.Select(b => b.Name).Order(), Met(c => c.Backend));
        Assert.Equal(ConformanceFormat.All.Select(f => f.Name).Order(), Met(c => c.Format));
        Assert.Equal(ConformanceShape.All.Select(s => s.Name).Order(), Met(c => c.Shape));

        string[] Met(Func<ConformanceCell, string> of) => [.. report.Cells.Where(c => c.Outcome == CellOutcome.Passed).Select(of).Distinct().Order()];
    }

    [Fact]
    public void The_matrix_notices_that_it_computes_another_function()
    {
        using CpuKernels kernels = new();
        ReferenceFormula other = ReferenceFormulas.Find("silu", ActivationParameters.None)!;
        Assert.All(Matrix(kernels, "quick_gelu", other, fault: null).Cells, cell => Assert.NotEqual(CellOutcome.Passed, cell.Outcome));
        Assert.True(Matrix(kernels, "quick_gelu", QuickGelu.Formula, MoeFault.Parse("erf")).Caught);
    }

    [Fact]
    public void A_configuration_that_names_it_runs_with_it_in_every_expert_backend()
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(Path.Combine(Goldens.TinyModel, "config.json")))!.AsObject();
        json["hidden_activation"] = "quick_gelu";
        Gemma4Config config = Gemma4ConfigReader.Parse(System.Text.Encoding.UTF8.GetBytes(json.ToJsonString()), "config.json");
        Assert.Equal("quick_gelu", config.HiddenActivation.Name);

        using CpuKernels kernels = new();
        float[] own = Logits(kernels, "gelu_tanh", null);
        using LanguageModel model = Open(kernels, "quick_gelu", null);
        float[][] added = [.. model.Network.Experts!.Answers.Where(a => a.Support.Supported).Select(a => Logits(kernels, "quick_gelu", a.Backend.Name))];
        Assert.True(added.Length >= 2, $"{added.Length} backends serve the model");
        Assert.All(added, logits => Assert.InRange(Distance(logits, added[0]), 0, 1e-3));
        Assert.True(Distance(own, added[0]) > 1e-2);
    }

    private static ConformanceReport Matrix(CpuKernels kernels, string name, ReferenceFormula formula, MoeFault? fault) => MoeConformance.Run(kernels, new ConformanceOptions
    {
        Activation = name,
        Fault = fault,
        Stride = 7,
        Formulas = new Dictionary<string, ReferenceFormula> { [QuickGelu.Info.Name] = formula },
    });

    private static float[] Logits(CpuKernels kernels, string activation, string? backend)
    {
        using LanguageModel model = Open(kernels, activation, backend);
        using CacheSequence sequence = model.Cache.NewSequence();
        model.Batch.Clear();
        model.Batch.Add(sequence, model.Tokenizer.Encode("Once upon a time"), LogitRows.Last);
        float[] logits = new float[model.Config.VocabSize];
        kernels.Read(model.Network.Forward(model.Batch, model.Cache), logits);
        return logits;
    }

    private static LanguageModel Open(CpuKernels kernels, string activation, string? backend)
        => LanguageModel.Open(Goldens.TinyModel, kernels, new LanguageModelOptions { ContextLength = 64, ExpertBackend = backend, HiddenActivation = Activation.FromHuggingFace(activation) });

    private static double Distance(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Abs((double)x - y)).Max();
}
