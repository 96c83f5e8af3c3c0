using Lapidary.Cpu;

namespace Lapidary.Tests.Activations;

/// <summary>Every activation, form and vector width against float64 formulas written elsewhere.</summary>
public sealed unsafe class ActivationTests
{
    /// <summary>Name, parameters, gated truth, non-gated truth (null where vLLM has no such form).</summary>
    private static readonly (string Name, ActivationParameters Parameters, Func<double, double, double> Gated, Func<double, double>? NonGated)[] Truths =
    [
        ("silu", ActivationParameters.None, (g, u) => Formula64.Silu(g) * u, Formula64.Silu),
        ("gelu", ActivationParameters.None, (g, u) => Formula64.Gelu(g) * u, Formula64.Gelu),
        ("gelu_tanh", ActivationParameters.None, (g, u) => Formula64.GeluTanh(g) * u, Formula64.GeluTanh),
        ("relu2", ActivationParameters.None, (g, u) => Formula64.Relu2(g) * u, Formula64.Relu2),
        ("swigluoai", ActivationParameters.None, (g, u) => Formula64.SwigluOai(g, u), null),
        ("swiglustep", ActivationParameters.None, Formula64.SwigluStep, null),
        ("swigluoai_uninterleave", new(Limit: 7), (g, u) => Formula64.SwigluOai(g, u, 1, 0, 7), null),
        ("swigluoai_uninterleave", new(Alpha: 1.3, Beta: 0.5, Limit: 3), (g, u) => Formula64.SwigluOai(g, u, 1.3, 0.5, 3), null),
        ("situ", new(Beta: 2), (g, u) => Formula64.Situ(g, u, 2, 0), null),
        ("situ", new(Beta: 1.5, LinearBeta: 4), (g, u) => Formula64.Situ(g, u, 1.5, 4), null),
    ];

    public static TheoryData<int> Indices() => [.. Enumerable.Range(0, Truths.Length)];

    [Fact]
    public void Every_registered_activation_has_a_truth_here()
        => Assert.Equal(ActivationRegistry.Default.All.Select(d => d.Info.Name).Order(), Truths.Select(t => t.Name).Distinct().Order());

    [Theory, MemberData(nameof(Indices))]
    public void Every_width_computes_the_gated_form(int index)
    {
        (string name, ActivationParameters parameters, Func<double, double, double> truth, _) = Truths[index];
        Activation activation = Activation.FromHuggingFace(name, parameters);
        (float[] gate, float[] up) = Inputs();
        foreach (CpuActivation kernel in Widths(activation))
        {
            float[] actual = Run(kernel, gate, up);
            Assert.InRange(Error(i => actual[i], i => truth(gate[i], up[i]), gate.Length), 0, activation.Info.Tolerance);
        }
    }

    [Theory, MemberData(nameof(Indices))]
    public void Every_width_computes_the_non_gated_form(int index)
    {
        (string name, ActivationParameters parameters, _, Func<double, double>? truth) = Truths[index];
        ActivationInfo info = Activation.FromHuggingFace(name, parameters).Info;
        Assert.Equal(truth is not null, info.HasNonGated);
        if (truth is null) return;
        (Activation activation, ActivationForm form) = ActivationRegistry.Default.Resolve(info.NonGatedName);
        Assert.Equal(ActivationForm.NonGated, form);
        (float[] x, _) = Inputs();
        foreach (CpuActivation kernel in Widths(activation))
        {
            float[] actual = Run(kernel, x, null);
            Assert.InRange(Error(i => actual[i], i => truth(x[i]), x.Length), 0, info.Tolerance);
        }
    }

    [Theory, MemberData(nameof(Indices))]
    public void All_widths_agree_to_the_last_bit(int index)
    {
        (string name, ActivationParameters parameters, _, _) = Truths[index];
        (float[] gate, float[] up) = Inputs();
        float[][] results = [.. Widths(Activation.FromHuggingFace(name, parameters)).Select(k => Run(k, gate, up))];
        foreach (float[] result in results) Assert.Equal(results[0].Select(BitConverter.SingleToInt32Bits), result.Select(BitConverter.SingleToInt32Bits));
    }

    [Theory, MemberData(nameof(Indices))]
    public void The_oracle_agrees_with_the_formula(int index)
    {
        (string name, ActivationParameters parameters, Func<double, double, double> truth, _) = Truths[index];
        (float[] gate, float[] up) = Inputs();
        double[] oracle = Activation.FromHuggingFace(name, parameters).Accept(new Oracle(gate, up));
        Assert.InRange(Error(i => oracle[i], i => truth(gate[i], up[i]), gate.Length), 0, 1e-11);
    }

    [Fact]
    public void Wrong_functions_are_far_outside_the_tolerance()
    {
        (float[] gate, float[] up) = Inputs();
        double Distance(Func<double, double, double> a, Func<double, double, double> b) => Error(i => a(gate[i], up[i]), i => b(gate[i], up[i]), gate.Length);
        Func<double, double, double> tanh = Truths[2].Gated;
        Assert.True(Distance(Truths[1].Gated, tanh) > 1e-4, "erf for tanh");
        Assert.True(Distance(Truths[0].Gated, tanh) > 1e-2, "silu for tanh");
        Assert.True(Distance((g, u) => Formula64.QuickGelu(g) * u, tanh) > 1e-3, "quick gelu for tanh");
        Assert.True(Distance((g, u) => tanh(u, g), tanh) > 1e-2, "swapped halves");
        Assert.True(Distance((g, u) => Formula64.SwigluOai(g, u, limit: 1e9), Truths[4].Gated) > 1e-2, "missing clamp");
        Assert.True(Distance((g, u) => Formula64.Silu(Math.Min(g, 7)) * Math.Clamp(u, -7, 7), Truths[5].Gated) > 1e-4, "clamp before and not after");
    }

    [Fact]
    public void Not_a_number_stays_not_a_number_and_extremes_are_finite()
    {
        foreach (CpuActivation kernel in Widths(Activation.FromHuggingFace("gelu_pytorch_tanh")).Concat(Widths(Activation.FromHuggingFace("silu"))).Concat(Widths(Activation.FromHuggingFace("gelu"))))
        {
            float[] x = [.. Enumerable.Repeat(0f, 16), float.NaN, 3e38f, -3e38f, 200, -200, 1e-40f, -1e-40f, 0];
            float[] y = Run(kernel, x, null);
            Assert.True(float.IsNaN(y[16]));
            Assert.All(y[17..], value => Assert.False(float.IsNaN(value)));
            Assert.Equal(0, y[20], 1e-30);
            Assert.Equal(200, y[19]);
        }
    }

    private static IEnumerable<CpuActivation> Widths(Activation activation) =>
        [CpuActivation.Load<V1>(activation), CpuActivation.Load<V4>(activation), CpuActivation.Load<V8>(activation), CpuActivation.Load<V16>(activation)];

    private static (float[] Gate, float[] Up) Inputs()
    {
        Random random = new(1);
        float[] gate = [.. Enumerable.Range(0, 4001).Select(i => (i - 2000) / 125f), .. Enumerable.Range(0, 999).Select(_ => (float)(random.NextDouble() * 40 - 20)), 88.8f, -88.8f, 0.625f, 1e-30f];
        float[] up = [.. gate.Select(_ => (float)(random.NextDouble() * 20 - 10))];
        return (gate, up);
    }

    private static float[] Run(CpuActivation kernel, float[] gate, float[]? up)
    {
        var output = new float[gate.Length];
        fixed (float* g = gate, u = up, o = output)
        {
            if (up is null) kernel.Apply(g, o, gate.Length);
            else kernel.Combine(g, u, o, gate.Length);
        }
        return output;
    }

    private static double Error(Func<int, double> actual, Func<int, double> expected, int n)
        => Enumerable.Range(0, n).Max(i => Math.Abs(actual(i) - expected(i)) / Math.Max(1, Math.Abs(expected(i))));

    private static double Error(Func<int, float> actual, Func<int, double> expected, int n) => Error(i => (double)actual(i), expected, n);

    private sealed class Oracle(float[] gate, float[] up) : IActivationVisitor<double[]>
    {
        public double[] Visit<TActivation>(TActivation activation) where TActivation : struct, IActivation<TActivation>
            => [.. gate.Zip(up).Select(pair => TActivation.Combine(activation, new F64(pair.First), new F64(pair.Second)).Value)];
    }
}
