using BenchmarkDotNet.Attributes;
using Lapidary.Cpu;
using Lapidary.Models.Synthetic;
using Lapidary.Quantization;

namespace Lapidary.Benchmarks;

/// <summary>
/// Tokens times a matrix of the size that gate and up of one of Gemma 4 26B-A4B's experts have, one thread, hidden states
/// rounded. Matrices take turns, as experts do, so that weights come from memory. One product computes 7.93 MFLOP a token.
/// </summary>
public class ProductBenchmarks : IDisposable
{
    private const int Rows = 1408, Columns = 2816, Matrices = 48;
    private readonly List<IDisposable> owned = [];
    private readonly ILinear[] weights = new ILinear[Matrices];
    private CpuKernels kernels = null!;
    private IBuffer x = null!, output = null!;
    private int next;

    [Params("bf16", "q8_0", "q4_0")]
    public string Format { get; set; } = "";

    [Params(1, 4, 8, 32)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        owned.Add(kernels = new CpuKernels(new CpuOptions { Threads = 1, Arithmetic = Arithmetic.Fast }));
        SyntheticWeights random = new(SyntheticWeights.FormatNamed(Format));
        for (int i = 0; i < Matrices; i++)
        {
            StoredMatrix matrix = random.Matrix($"experts.{i}", Rows, Columns);
            owned.Add(weights[i] = kernels.LoadLinear(matrix));
        }
        owned.Add(x = kernels.Allocate(DType.F32, Tokens, Columns));
        owned.Add(output = kernels.Allocate(DType.F32, Tokens, Rows));
        float[] values = new float[Tokens * Columns];
        Random hidden = new(1);
        for (int i = 0; i < values.Length; i++) values[i] = hidden.NextSingle() - 0.5f;
        kernels.Write(x, values);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        for (int i = owned.Count - 1; i >= 0; i--) owned[i].Dispose();
        owned.Clear();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Product() => kernels.Linear(weights[next = (next + 1) % Matrices], x, output);
}
