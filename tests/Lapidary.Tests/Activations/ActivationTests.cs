using Lapidary.Conformance;
using Lapidary.Cpu;

namespace Lapidary.Tests.Activations;

/// <summary>Every registered activation, form and vector width against the float64 formulas of the conformance matrix.</summary>
public sealed unsafe class ActivationTests
{
    /// <summary>Every one that is registered, and parameters that take other ways.</summary>
    private static readonly (string Name, ActivationParameters Parameters)[] Cases =
    [
        .. ConformanceActivation.All(ActivationRegistry.Default).Where(a => a.Form == ActivationForm.Gated).Select(a => (a.Activation.Name, a.Parameters)),
        ("swigluoai_uninterleave", new(Limit: 7)), ("situ", new(Beta: 2)),
    ];

    public static TheoryData<int> Indices() => [.. Enumerable.Range(0, Cases.Length)];

    [Theory, MemberData(nameof(Indices))]
    public void Every_width_computes_the_gated_form(int index)
    {
        (Activation activation, ReferenceFormula truth) = Case(index);
        (float[] gate, float[] up) = Inputs();
        foreach (CpuActivation kernel in Widths(activation))
        {
            float[] actual = Run(kernel, gate, up);
            Assert.InRange(Error(i => actual[i], i => truth.Gated(gate[i], up[i]), gate.Length), 0, activation.Info.Tolerance);
        }
    }

    [Theory, MemberData(nameof(Indices))]
    public void Every_width_computes_the_non_gated_form(int index)
    {
        (Activation gated, ReferenceFormula formula) = Case(index);
        ActivationInfo info = gated.Info;
        Assert.Equal(formula.NonGated is not null, info.HasNonGated);
        if (formula.NonGated is not { } truth) return;
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
        (float[] gate, float[] up) = Inputs();
        float[][] results = [.. Widths(Case(index).Activation).Select(k => Run(k, gate, up))];
        foreach (float[] result in results) Assert.Equal(results[0].Select(BitConverter.SingleToInt32Bits), result.Select(BitConverter.SingleToInt32Bits));
    }

    [Theory, MemberData(nameof(Indices))]
    public void The_oracle_agrees_with_the_formula(int index)
    {
        (Activation activation, ReferenceFormula truth) = Case(index);
        (float[] gate, float[] up) = Inputs();
        double[] oracle = activation.Accept(new Oracle(gate, up));
        Assert.InRange(Error(i => oracle[i], i => truth.Gated(gate[i], up[i]), gate.Length), 0, 1e-11);
    }

    [Fact]
    public void Wrong_functions_are_far_outside_the_tolerance()
    {
        (float[] gate, float[] up) = Inputs();
        double Distance(Func<double, double, double> a, Func<double, double, double> b) => Error(i => a(gate[i], up[i]), i => b(gate[i], up[i]), gate.Length);
        Func<double, double, double> tanh = Truth("gelu_tanh"), silu = Truth("silu");
        Assert.True(Distance(Truth("gelu"), tanh) > 1e-4, "erf for tanh");
        Assert.True(Distance(silu, tanh) > 1e-2, "silu for tanh");
        Assert.True(Distance((g, u) => QuickGelu.Truth(g) * u, tanh) > 1e-3, "quick gelu for tanh");
        Assert.True(Distance((g, u) => tanh(u, g), tanh) > 1e-2, "swapped halves");
        Assert.True(Distance(Truth("swigluoai_uninterleave", new(1.702, 1, 1e9)), Truth("swigluoai")) > 1e-2, "missing clamp");
        Assert.True(Distance((g, u) => silu(Math.Min(g, 7), Math.Clamp(u, -7, 7)), Truth("swiglustep")) > 1e-4, "clamp before and not after");
    }

    /// <summary>The one formula that is no textbook one: erfc(-x/√2)/2 = ∫ e^(-t²/2) dt / √(2π) up to x, here by Simpson's rule.</summary>
    [Fact]
    public void The_reference_of_the_erf_form_is_an_integral()
    {
        for (double x = -8; x <= 8; x += 0.31)
        {
            const int Steps = 20000;
            double h = (x + 12) / Steps, sum = 0;
            for (int i = 0; i <= Steps; i++) sum += Math.Exp(-Math.Pow(-12 + i * h, 2) / 2) * (i is 0 or Steps ? 1 : i % 2 == 1 ? 4 : 2);
            Assert.Equal(x * sum * h / 3 / Math.Sqrt(2 * Math.PI), Truth("gelu")(x, 1), 1e-14 * Math.Max(1, Math.Abs(x)));
        }
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

    private static (Activation Activation, ReferenceFormula Truth) Case(int index)
        => (Activation.FromHuggingFace(Cases[index].Name, Cases[index].Parameters), ReferenceFormulas.Find(Cases[index].Name, Cases[index].Parameters)!);

    private static Func<double, double, double> Truth(string name, ActivationParameters? parameters = null)
        => ReferenceFormulas.Find(name, parameters ?? ActivationParameters.None)!.Gated;

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
