using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Lapidary.Cpu;

namespace Lapidary.Benchmarks;

/// <summary>Memory of one gated call: 64-byte aligned, gates normal with deviation 2, small enough for the nearest cache.</summary>
public abstract unsafe class GatedCall
{
    protected const int N = 2816;
    private protected float* gate, up, output, scratch;

    protected void Allocate()
    {
        gate = Filled(1);
        up = Filled(2);
        output = Filled(3);
        scratch = Filled(4);
    }

    [GlobalCleanup]
    public void Free()
    {
        foreach (nint memory in (nint[])[(nint)gate, (nint)up, (nint)output, (nint)scratch]) NativeMemory.AlignedFree((void*)memory);
    }

    private static float* Filled(int seed)
    {
        float* memory = (float*)NativeMemory.AlignedAlloc(N * sizeof(float), 64);
        Random random = new(seed);
        for (int i = 0; i < N; i++) memory[i] = (float)(2 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return memory;
    }
}

/// <summary>The two commonest activations: the one definition against code written by hand and against the base library.</summary>
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory), CategoriesColumn, SimpleJob(warmupCount: 3, iterationCount: 10)]
public unsafe class ActivationBenchmarks : GatedCall
{
    private CpuActivation silu512 = null!, silu256 = null!, gelu512 = null!, gelu256 = null!;

    [GlobalSetup]
    public void Setup()
    {
        Allocate();
        silu512 = CpuActivation.Load<V16>(Activation.Of<Silu>());
        silu256 = CpuActivation.Load<V8>(Activation.Of<Silu>());
        gelu512 = CpuActivation.Load<V16>(Activation.Of<GeluTanh>());
        gelu256 = CpuActivation.Load<V8>(Activation.Of<GeluTanh>());
    }

    [BenchmarkCategory("silu, 512"), Benchmark(Baseline = true)]
    public void SiluHand512() => HandWrittenActivations.Silu512(gate, up, output, N);

    [BenchmarkCategory("silu, 512"), Benchmark]
    public void SiluDefinition512() => silu512.Combine(gate, up, output, N);

    [BenchmarkCategory("silu, 512"), Benchmark]
    public void SiluTensors()
    {
        TensorPrimitives.Sigmoid(new ReadOnlySpan<float>(gate, N), Output);
        TensorPrimitives.Multiply(Output, new ReadOnlySpan<float>(gate, N), Output);
        TensorPrimitives.Multiply(Output, new ReadOnlySpan<float>(up, N), Output);
    }

    [BenchmarkCategory("silu, 256"), Benchmark(Baseline = true)]
    public void SiluHand256() => HandWrittenActivations.Silu256(gate, up, output, N);

    [BenchmarkCategory("silu, 256"), Benchmark]
    public void SiluDefinition256() => silu256.Combine(gate, up, output, N);

    [BenchmarkCategory("gelu_tanh, 512"), Benchmark(Baseline = true)]
    public void GeluTanhHand512() => HandWrittenActivations.GeluTanh512(gate, up, output, N);

    [BenchmarkCategory("gelu_tanh, 512"), Benchmark]
    public void GeluTanhDefinition512() => gelu512.Combine(gate, up, output, N);

    [BenchmarkCategory("gelu_tanh, 512"), Benchmark]
    public void GeluTanhTensors()
    {
        ReadOnlySpan<float> x = new(gate, N);
        Span<float> half = new(scratch, N);
        TensorPrimitives.Multiply(x, x, Output);
        TensorPrimitives.Multiply(Output, 0.7978845608f * 0.044715f, Output);
        TensorPrimitives.Add(Output, 0.7978845608f, Output);
        TensorPrimitives.Multiply(Output, x, Output);
        TensorPrimitives.Tanh(Output, Output);
        TensorPrimitives.Multiply(x, 0.5f, half);
        TensorPrimitives.MultiplyAdd(Output, half, half, Output);
        TensorPrimitives.Multiply(Output, new ReadOnlySpan<float>(up, N), Output);
    }

    [BenchmarkCategory("gelu_tanh, 256"), Benchmark(Baseline = true)]
    public void GeluTanhHand256() => HandWrittenActivations.GeluTanh256(gate, up, output, N);

    [BenchmarkCategory("gelu_tanh, 256"), Benchmark]
    public void GeluTanhDefinition256() => gelu256.Combine(gate, up, output, N);

    private Span<float> Output => new(output, N);
}

/// <summary>Every activation there is, at the width that this machine uses.</summary>
[SimpleJob(warmupCount: 3, iterationCount: 10)]
public unsafe class AllActivationsBenchmarks : GatedCall
{
    private CpuActivation activation = null!;

    public IEnumerable<string> Names => ActivationRegistry.Default.All.Select(definition => definition.Info.Name);

    [ParamsSource(nameof(Names))]
    public string Name { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        Allocate();
        ActivationInfo info = ActivationRegistry.Default.All.Single(definition => definition.Info.Name == Name).Info;
        double? Given(string parameter, double value) => info.Parameters.Contains(parameter) ? value : null;
        activation = CpuActivation.Load(Activation.FromHuggingFace(
            Name, new ActivationParameters(Given("Alpha", 1.702), Given("Beta", 1), Given("Limit", 7), Given("LinearBeta", 2))));
    }

    [Benchmark(OperationsPerInvoke = N)]
    public void PerElement() => activation.Combine(gate, up, output, N);
}
