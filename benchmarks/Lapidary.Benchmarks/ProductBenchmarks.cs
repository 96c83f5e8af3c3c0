using BenchmarkDotNet.Attributes;
using Lapidary.Cpu;

namespace Lapidary.Benchmarks;

/// <summary>
/// Tokens times a matrix of random weights on one thread, with what is done to hidden states before. The shapes are those of Gemma 4
/// 26B-A4B's experts and of the embedded model's layers.
/// </summary>
[Config(typeof(RateColumns))]
public class ProductBenchmarks : IDisposable
{
    private readonly List<IDisposable> owned = [];
    private ILinear[] weights = [];
    private CpuKernels kernels = null!;
    private IBuffer x = null!, output = null!;
    private int next;

    public static IEnumerable<ProductCase> Cases =>
    [
        .. from format in (string[])["q4_0", "q8_0", "bf16"] from tokens in (int[])[1, 4, 8, 32] select new ProductCase(format, 1408, 2816, tokens, WeightsFrom.Memory),
        .. from format in (string[])["q4_0", "q5_0", "q8_0", "bf16"] from tokens in (int[])[1, 4, 16, 64, 512] select new ProductCase(format, 704, 2816, tokens, WeightsFrom.Cache),
        .. from rows in (int[])[6144, 512, 128] from tokens in (int[])[1, 4, 16, 64] select new ProductCase("bf16", rows, 256, tokens, WeightsFrom.Cache),
    ];

    [ParamsSource(nameof(Cases))]
    public ProductCase Case { get; set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        owned.Add(kernels = Case.Open());
        weights = Case.Load(kernels);
        owned.AddRange(weights);
        owned.Add(x = kernels.Allocate(DType.F32, Case.Tokens, Case.Columns));
        owned.Add(output = kernels.Allocate(DType.F32, Case.Tokens, Case.Rows));
        float[] values = new float[Case.Tokens * Case.Columns];
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
    public void Product() => kernels.Linear(weights[next = (next + 1) % weights.Length], x, output);
}
