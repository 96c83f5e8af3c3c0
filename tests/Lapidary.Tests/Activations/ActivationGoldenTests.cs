using Lapidary.Checkpoints;
using Lapidary.Cpu;

namespace Lapidary.Tests.Activations;

/// <summary>Against PyTorch's values in activations.safetensors.</summary>
public sealed unsafe class ActivationGoldenTests : IDisposable
{
    private readonly ICheckpoint goldens = Checkpoint.Open(Path.Combine(Goldens.Folder, "activations.safetensors"));

    public void Dispose() => goldens.Dispose();

    // Product name, golden name.
    public static TheoryData<string, string> Names() => new() { { "gelu", "gelu_none" }, { "gelu_tanh", "gelu_tanh" }, { "silu", "silu" }, { "relu2", "relu2" } };

    [Theory, MemberData(nameof(Names))]
    public void Float32_grid_is_within_tolerance_of_the_float64_truth(string name, string golden)
    {
        float[] x = Values("f32.x"), truth = Values($"f32.{golden}.f64"), y = Apply(name, x);
        for (int i = 0; i < x.Length; i++)
        {
            if (float.IsNaN(truth[i]) || float.IsInfinity(truth[i])) continue;
            Assert.True(Math.Abs(y[i] - truth[i]) <= 1e-6 * Math.Max(1, Math.Abs(truth[i])), $"{name}({x[i]}) = {y[i]}, truth {truth[i]}");
        }
    }

    /// <summary>
    /// All 65,536 bfloat16 patterns. PyTorch evaluates in float32, where 1 + tanh is a multiple of 6e-8 for negative x and
    /// its erf errs by 1.5e-7, so its tails are good to an absolute 2e-7 · |x| only: there patterns may differ by as much.
    /// Infinite input is left out: PyTorch's vector erf has produced NaN for it; ours gives the limits (tested with the lanes).
    /// </summary>
    [Theory, MemberData(nameof(Names))]
    public void Every_bfloat16_pattern_rounds_as_PyTorch_rounds_it(string name, string golden)
    {
        float[] x = Values("bf16.x"), expected = Values($"bf16.{golden}"), y = [.. Apply(name, x).Select(RoundToBf16)];
        Assert.Equal(65536, x.Length);
        int different = 0;
        for (int i = 0; i < x.Length; i++)
        {
            if (float.IsInfinity(x[i]) || float.IsNaN(expected[i]) && float.IsNaN(y[i]) || expected[i] == y[i]) continue;
            different++;
            float ulp = MathF.Abs(expected[i]) / 128;
            Assert.True(Math.Abs(y[i] - expected[i]) <= Math.Max(ulp, 2e-7f * Math.Abs(x[i]) + 1.2e-38f), $"{name}({x[i]}) = {y[i]}, PyTorch {expected[i]}");
        }
        TestContext.Current.SendDiagnosticMessage($"{name}: {different} of 65536 bf16 patterns differ from PyTorch");
        Assert.InRange(different, 0, name == "gelu" ? 700 : 10);
    }

    [Theory, MemberData(nameof(Names))]
    public void Float32_is_at_least_as_close_to_the_truth_as_PyTorch(string name, string golden)
    {
        float[] x = Values("f32.x"), truth = Values($"f32.{golden}.f64"), torch = Values($"f32.{golden}"), y = Apply(name, x);
        double Worst(float[] values) => Enumerable.Range(0, x.Length).Where(i => float.IsFinite(truth[i]) && float.IsFinite(torch[i])).Max(i => Math.Abs((double)values[i] - truth[i]) / Math.Max(1, Math.Abs(truth[i])));
        TestContext.Current.SendDiagnosticMessage($"{name}: largest scaled error {Worst(y):e2}, PyTorch {Worst(torch):e2}");
        Assert.InRange(Worst(y), 0, Math.Max(1.2e-7, Worst(torch)));
    }

    [Fact]
    public void The_comparison_tells_erf_from_tanh()
    {
        float[] x = Values("bf16.x"), erf = Values("bf16.gelu_none"), tanh = [.. Apply("gelu_tanh", x).Select(RoundToBf16)];
        int different = Enumerable.Range(0, x.Length).Count(i => !float.IsNaN(erf[i]) && erf[i] != tanh[i]);
        TestContext.Current.SendDiagnosticMessage($"erf and tanh: {different} patterns differ");
        Assert.True(different > 800, $"{different}");
    }

    [Theory, MemberData(nameof(Names))]
    public void Gated_products_round_once_or_twice_as_PyTorch_does(string name, string golden)
    {
        if (goldens.Find($"glu.{golden}.one_rounding") is null) return; // relu2 has no gated golden
        float[] gate = Values("glu.gate"), up = Values("glu.up"), act = Apply(name, gate);
        AssertSame(gate.Length, i => RoundToBf16(act[i] * up[i]), Values($"glu.{golden}.one_rounding"), $"{name}, one rounding");
        AssertSame(gate.Length, i => RoundToBf16(RoundToBf16(act[i]) * up[i]), Values($"glu.{golden}.two_rounding"), $"{name}, two roundings");
        // The two differ in a quarter of the elements, so each comparison excludes the other.
        Assert.True(Enumerable.Range(0, gate.Length).Count(i => RoundToBf16(act[i] * up[i]) != RoundToBf16(RoundToBf16(act[i]) * up[i])) > gate.Length / 10);
    }

    [Theory, MemberData(nameof(Names))]
    public void Half_precision_rounds_as_PyTorch_rounds_it(string name, string golden)
    {
        float[] x = Values("f16.x"), expected = Values($"f16.{golden}"), y = Apply(name, x);
        AssertSame(x.Length, i => (float)(Half)y[i], expected, name);
    }

    private static void AssertSame(int n, Func<int, float> actual, float[] expected, string what)
    {
        int[] different = [.. Enumerable.Range(0, n).Where(i => actual(i) != expected[i] && !(float.IsNaN(actual(i)) && float.IsNaN(expected[i])))];
        Assert.True(different.Length <= n / (what.StartsWith("gelu_tanh", StringComparison.Ordinal) || !what.StartsWith("gelu", StringComparison.Ordinal) ? 200 : 10), $"{what}: {different.Length} of {n} differ, e.g. element {different.FirstOrDefault()}");
        Assert.All(different, i => Assert.True(Math.Abs(actual(i) - expected[i]) <= Math.Max(Math.Abs(expected[i]) / 60, 2e-6f), $"{what}: element {i} {actual(i)} {expected[i]}"));
    }

    private float[] Values(string key) => goldens.Find(key)!.ToSingles();

    private static float[] Apply(string name, float[] x)
    {
        CpuActivation kernel = CpuActivation.Load(Activation.FromHuggingFace(name));
        var y = new float[x.Length];
        fixed (float* source = x, target = y) kernel.Apply(source, target, x.Length);
        return y;
    }

    /// <summary>Round to nearest even on the upper 16 bits.</summary>
    private static float RoundToBf16(float value)
    {
        if (float.IsNaN(value)) return value;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000);
    }
}
