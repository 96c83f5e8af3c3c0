using Lapidary.Conformance;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Tests.Conformance;

/// <summary>The matrix judges a backend by what it states of hidden states: the statement is taken at its word, and a wrong one is seen.</summary>
public sealed class ReferenceRoundingTests : IDisposable
{
    private readonly CpuKernels kernels = new(threads: 2);

    public void Dispose() => kernels.Dispose();

    [Fact]
    public void Eight_bits_are_steps_of_a_groups_largest_magnitude()
    {
        double[] x = [127, 0.4, -0.6, 1.5, 2.5, -254, 1, 0];
        Assert.Equal([127, 0, -1, 2, 2, -254, 0, 0], Round(HiddenPrecision.Int8(5), x)); // the second group's step is 2, and 0.5 of it is a tie
        Assert.Equal([128, 0, 0, 2, 2, -254, 0, 0], Round(HiddenPrecision.Int8(8), x));
        Assert.Equal(new double[3], Round(HiddenPrecision.Int8(2), new double[3]));
    }

    [Fact]
    public void Groups_follow_the_order_of_the_weights_groups()
        => Assert.Equal([127, 0, -254, 2], ReferenceRounding.Round(HiddenPrecision.Int8(2), [127, 0.4, -254, 1.1], order: [0, 1, 3, 2]).Select(v => Math.Round(v, 9)));

    [Fact]
    public void Bfloat16_has_eight_digits_and_ties_go_to_even()
    {
        Assert.Equal([1, 1, 1 + 1 / 64.0, 1 + 1 / 128.0, -256, 0], Round(HiddenPrecision.BFloat16, [1, 1 + 1 / 256.0, 1 + 3 / 256.0, 1 + 1 / 256.0 + 1e-9, -255.6, 0]));
        Random random = new(7);
        for (int n = 0; n < 2000; n++)
        {
            float value = (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-40, 40)));
            Assert.Equal(Lapidary.Cpu.Gemm.BFloat16.Round(value), Round(HiddenPrecision.BFloat16, [value])[0]);
        }
    }

    [Fact]
    public void What_nobody_has_written_is_refused()
        => Assert.Contains("F16", Assert.Throws<BackendException>(() => Round(new HiddenPrecision(DType.F16, 0), [1])).Message);

    /// <summary>Rounding alike leaves float32's error in nearly every cell; the rest is values that float32 puts across a half.</summary>
    [Theory, InlineData(Arithmetic.Exact), InlineData(Arithmetic.Fast)]
    public void Backends_round_as_they_state(Arithmetic arithmetic)
    {
        using CpuKernels device = new(new CpuOptions { Threads = 2, Arithmetic = arithmetic });
        ConformanceReport report = MoeConformance.Run(device, new ConformanceOptions { Stride = 19 });
        Assert.True(report.Ok, string.Join("\n", report.Cells.Where(c => c.Outcome == CellOutcome.Failed).Take(20)));
        foreach (IGrouping<string, ConformanceCell> backend in report.Cells.Where(c => c.Outcome == CellOutcome.Passed).GroupBy(c => c.Backend))
            Assert.InRange(backend.Count(c => c.Error <= 1e-5) / (double)backend.Count(), 0.95, 1);
        if (arithmetic == Arithmetic.Exact)
            Assert.InRange(report.Cells.Where(c => c.Backend == "humming-a8").Max(c => c.Unrounded)!.Value, 1e-2, 2e-2);
    }

    public static TheoryData<string, HiddenPrecision> WrongStatements() => new()
    {
        { "humming-a8", HiddenPrecision.Int8(64) },
        { "humming-a8", HiddenPrecision.Int8(16) },
        { "humming-a8", HiddenPrecision.BFloat16 },
        { "humming-a8", HiddenPrecision.Unrounded },
        { "humming", HiddenPrecision.Unrounded },
        { "humming", HiddenPrecision.Int8(32) },
        { "marlin", HiddenPrecision.BFloat16 },
    };

    [Theory, MemberData(nameof(WrongStatements))]
    public void A_backend_that_states_another_rounding_fails(string name, HiddenPrecision stated)
    {
        using Misstating device = new(name, stated);
        ConformanceReport report = MoeConformance.Run(device, new ConformanceOptions { Shape = "aligned", Format = "int4 g32" });
        Assert.True(report.CellsRun > 10 && report.CellsFailed > report.CellsRun / 2, $"{report.CellsFailed} of {report.CellsRun} failed");
    }

    private static double[] Round(HiddenPrecision precision, double[] x) => ReferenceRounding.Round(precision, x, order: []);

    private sealed class Misstating(string name, HiddenPrecision stated) : ForwardingKernels(new CpuKernels(threads: 2))
    {
        public override IReadOnlyList<IExpertBackend> ExpertBackends
            => [.. base.ExpertBackends.Where(b => b.Name == name).Select(b => new Backend(b, stated))];

        private sealed class Backend(IExpertBackend inner, HiddenPrecision stated) : IExpertBackend
        {
            public string Name => inner.Name;
            public string Purpose => inner.Purpose;
            public HiddenPrecision HiddenStates(WeightFormat weights) => stated;
            public Support Supports(ExpertLayerSpec spec) => inner.Supports(spec);
            public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => inner.Create(spec, weights, maxTokens);
        }
    }
}
