using Lapidary.Conformance;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Tests.Conformance;

/// <summary>
/// Every expert backend on a sample of the matrix in which each pair of backend, activation, format and shape meets; the whole
/// of it is `lapidary moe conformance`. Every fault must be noticed in every cell it can be put into.
/// </summary>
public sealed class MoeConformanceTests : IDisposable
{
    private readonly CpuKernels kernels = new(threads: 2);

    public void Dispose() => kernels.Dispose();

    [Fact]
    public void Every_backend_agrees_with_float64()
    {
        ConformanceReport report = MoeConformance.Run(kernels, new ConformanceOptions { Stride = 7 });
        ConformanceCell[] failed = [.. report.Cells.Where(c => c.Outcome == CellOutcome.Failed)];
        Assert.True(failed.Length == 0, string.Join("\n", failed.Take(20)));
        Assert.True(report.Ok && report.CellsRun > 3000, $"{report.CellsRun} cells run");
        Assert.Equal(report.CellsTotal, report.CellsRun + report.CellsRefused);
    }

    public static TheoryData<string> Faults() => [.. MoeFault.All.Select(f => f.Name)];

    /// <summary>In every backend and format, with a third of the activations each; where scales have groups for the fault that needs them.</summary>
    [Theory, MemberData(nameof(Faults))]
    public void Every_fault_is_noticed_in_every_cell_it_can_be_put_into(string name)
    {
        string shape = name == "transposed-scales" ? "704" : "1 token";
        ConformanceReport report = MoeConformance.Run(kernels, new ConformanceOptions { Fault = MoeFault.Parse(name), Shape = shape, Stride = 3 });
        Assert.True(report.Caught, string.Join("\n", report.Cells.Where(c => c.Outcome == CellOutcome.Passed).Take(20)));
        Assert.False(report.Ok);
        Assert.Equal(kernels.ExpertBackends.Select(b => b.Name).Order(), Ran(c => c.Backend));
        int formats = ConformanceFormat.All.Count(f => name != "transposed-scales" || f.Weights.GroupSize > 0);
        Assert.Equal(formats, Ran(c => c.Format).Length);

        string[] Ran(Func<ConformanceCell, string> of)
            => [.. report.Cells.Where(c => c.Outcome == CellOutcome.Failed).Select(of).Distinct().Order()];
    }

    [Theory]
    [InlineData("gelu_tanh", "erf", true)]
    [InlineData("gelu", "erf", false)]
    [InlineData("silu", "silu", false)]
    [InlineData("swiglustep", "silu", true)]
    [InlineData("silu", "missing-clamp", false)]
    [InlineData("swigluoai", "missing-clamp", true)]
    [InlineData("swigluoai_uninterleave", "missing-clamp", true)]
    [InlineData("silu_no_mul", "swap-halves", false)]
    [InlineData("silu", "swap-halves", true)]
    public void Faults_say_where_they_cannot_be_put_in(string activation, string fault, bool applies)
    {
        ConformanceReport report = MoeConformance.Run(kernels, new ConformanceOptions
        {
            Fault = MoeFault.Parse(fault),
            Activation = activation,
            Format = "BF16",
            Shape = "odd 22",
            Backend = "grouped",
        });
        Assert.Equal(applies ? CellOutcome.Failed : CellOutcome.Inapplicable, Assert.Single(report.Cells).Outcome);
    }

    [Fact]
    public void Every_activation_of_the_product_has_an_independent_formula()
        => Assert.All(ActivationRegistry.Default.All, d => Assert.NotNull(ReferenceFormulas.Find(d.Info.Name, new(1, 1, 1, 1))));

    /// <summary>In float64 the definitions and the independent formulas are the same functions.</summary>
    [Fact]
    public void Independent_formulas_and_definitions_agree_in_float64()
    {
        foreach (ConformanceActivation activation in ConformanceActivation.All(ActivationRegistry.Default))
        {
            ReferenceFormula own = ReferenceFormulas.OwnDefinition(activation.Activation), independent = ReferenceFormulas.Find(activation.Activation.Name, activation.Parameters)!;
            Assert.Equal(own.NonGated is null, independent.NonGated is null);
            for (double x = -9; x <= 9; x += 0.37)
            {
                Assert.InRange(Math.Abs(own.Gated(x, 1.3 * x + 2) - independent.Gated(x, 1.3 * x + 2)), 0, 1e-11);
                if (own.NonGated is not null) Assert.InRange(Math.Abs(own.NonGated(x) - independent.NonGated!(x)), 0, 1e-11);
            }
        }
    }

    [Fact]
    public void Published_numbers_and_the_products_tables_agree()
        => Assert.All(CodeType.All, code => Assert.Equal(
            code.Values.ToArray().Select(v => float.IsFinite(v) ? v : double.NaN), PublishedNumbers.Of(code.Name)));

    [Fact]
    public void Every_code_type_is_in_a_format_of_the_matrix()
        => Assert.Empty(CodeType.All.Except(ConformanceFormat.All.Select(f => f.Weights.Code)));

    [Fact]
    public void Gates_reach_two_to_five_in_magnitude_and_the_tail_lies_there_as_a_whole()
    {
        foreach (ConformanceFormat format in ConformanceFormat.All)
        {
            ConformanceData data = new(format, ConformanceShape.All.First(s => s.Name == "17 tokens"));
            for (int t = 0; t < 17; t++)
            {
                ConformanceMatrix gate = data.Gate[data.Calls[0].Ids[3 * t]];
                double[] gates = [.. Enumerable.Range(0, 40).Select(row => Enumerable.Range(0, 72).Sum(c => gate.Values[row * 72 + c] * data.Calls[0].X[t * 72 + c]))];
                if (ConformanceCall.IsTail(0, t)) Assert.All(gates, g => Assert.InRange(g, -5, -2));
                else Assert.Contains(gates, g => Math.Abs(g) is > 2 and < 6);
            }
        }
    }

    [Fact]
    public void Unknown_names_list_the_known_ones()
    {
        Assert.Contains("known: marlin, grouped", Assert.Throws<RequestException>(() => MoeConformance.Run(kernels, new() { Backend = "marlon" })).Message);
        Assert.Contains("known: F32, BF16", Assert.Throws<RequestException>(() => MoeConformance.Run(kernels, new() { Format = "int9" })).Message);
        Assert.Contains("known: erf, silu", Assert.Throws<RequestException>(() => MoeFault.Parse("elf")).Message);
    }

    /// <summary>A backend that throws, and one that computes nothing, fail their cells and stop nothing.</summary>
    [Fact]
    public void A_broken_backend_fails_its_cells()
    {
        using Broken device = new();
        ConformanceReport report = MoeConformance.Run(device, new() { Format = "F32", Activation = "silu" });
        Assert.Equal(2 * ConformanceShape.All.Count, report.CellsFailed);
        Assert.Contains("no luck", report.Cells.First(c => c.Backend == "throws").Reason);
        Assert.All(report.Cells.Where(c => c.Backend == "nothing"), c => Assert.Equal(1, c.Error!.Value, 1e-6));
    }

    private sealed class Broken() : ForwardingKernels(new CpuKernels(threads: 1))
    {
        public override IReadOnlyList<IExpertBackend> ExpertBackends { get; } = [new Backend("throws"), new Backend("nothing")];

        private sealed class Backend(string name) : IExpertBackend
        {
            public string Name => name;
            public string Purpose => "test";
            public HiddenPrecision HiddenStates(WeightFormat weights) => HiddenPrecision.Unrounded;
            public Support Supports(ExpertLayerSpec spec) => Support.Yes;
            public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new Layer(name);
        }

        private sealed class Layer(string name) : IExpertLayer
        {
            public long BytesPerExpert => 0;

            public unsafe void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output)
            {
                if (name == "throws") throw new BackendException("no luck");
                for (int row = 0; row < output.Rows; row++) new Span<float>(((CpuBuffer)output).Row(row), output.Columns).Clear();
            }

            public void Dispose()
            {
            }
        }
    }
}
