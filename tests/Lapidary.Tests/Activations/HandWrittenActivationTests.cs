using System.Runtime.Intrinsics.X86;
using Lapidary.Benchmarks;
using Lapidary.Cpu;

namespace Lapidary.Tests.Activations;

/// <summary>The benchmark compares like with like: its hand-written twins compute what the definitions compute.</summary>
public sealed unsafe class HandWrittenActivationTests
{
    private const int N = 1 << 16;
    private const double Tolerance = 1e-6; // relative to max(1, |y|)

    [Fact]
    public void Twins_of_512_bits_agree_with_the_definitions()
    {
        Assert.SkipUnless(Avx512DQ.IsSupported, "needs AVX-512");
        Assert.InRange(Difference<V16>(Activation.Of<Silu>(), &HandWrittenActivations.Silu512), 0, Tolerance);
        Assert.InRange(Difference<V16>(Activation.Of<GeluTanh>(), &HandWrittenActivations.GeluTanh512), 0, Tolerance);
    }

    [Fact]
    public void Twins_of_256_bits_agree_with_the_definitions()
    {
        Assert.SkipUnless(Avx2.IsSupported && Fma.IsSupported, "needs AVX2 and FMA");
        Assert.InRange(Difference<V8>(Activation.Of<Silu>(), &HandWrittenActivations.Silu256), 0, Tolerance);
        Assert.InRange(Difference<V8>(Activation.Of<GeluTanh>(), &HandWrittenActivations.GeluTanh256), 0, Tolerance);
    }

    [Fact]
    public void Another_activation_is_noticed()
    {
        Assert.SkipUnless(Avx2.IsSupported && Fma.IsSupported, "needs AVX2 and FMA");
        Assert.True(Difference<V8>(Activation.Of<GeluErf>(), &HandWrittenActivations.GeluTanh256) > 1e-4);
    }

    private static double Difference<TLane>(Activation activation, delegate*<float*, float*, float*, int, void> twin) where TLane : struct, IFloatLane<TLane>
    {
        float[] gate = [.. Enumerable.Range(0, N).Select(i => -20 + 40f * i / N)], up = [.. gate.Select(g => MathF.Cos(g))];
        float[] expected = new float[N], actual = new float[N];
        fixed (float* g = gate, u = up, e = expected, a = actual)
        {
            CpuActivation.Load<TLane>(activation).Combine(g, u, e, N);
            twin(g, u, a, N);
        }
        return expected.Zip(actual, (x, y) => Math.Abs(x - y) / Math.Max(1, Math.Abs(x))).Max();
    }
}
