using BenchmarkDotNet.Attributes;
using Lapidary.Cpu;
using Lapidary.Sampling;

namespace Lapidary.Benchmarks;

/// <summary>Choosing the next token of 64 texts from logits over Gemma's vocabulary: the host's share of a step.</summary>
[MemoryDiagnoser]
public class SamplingBenchmarks : IHostWork, IDisposable
{
    private const int Texts = 64, Vocab = 262_144;
    private readonly Sampler[] samplers = new Sampler[Texts];
    private readonly int[] output = [1, 2, 3];
    private CpuKernels kernels = null!;
    private IBuffer logits = null!;

    [ParamsAllValues]
    public SamplingKind Kind { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        kernels = new CpuKernels();
        logits = kernels.Allocate(DType.F32, Texts, Vocab);
        logits.Rows = Texts;
        Random random = new(1);
        SamplingParameters parameters = Kind switch
        {
            SamplingKind.Greedy => new() { Temperature = 0 },
            SamplingKind.TopKTopP => new() { TopK = 64, TopP = 0.95 },
            SamplingKind.TopP => new() { TopP = 0.95 },
            SamplingKind.MinP => new() { MinP = 0.05 },
            _ => new(),
        };
        for (int text = 0; text < Texts; text++)
        {
            Span<float> row = kernels.HostRow(logits, text);
            for (int i = 0; i < row.Length; i++) row[i] = Logit(random);
            samplers[text] = new Sampler(parameters, Vocab, seed: text, [], [], []);
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        logits.Dispose();
        kernels.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Step() => kernels.OnHost(this, Texts, (long)Texts * Vocab);

    public void Run(int item) => samplers[item].Sample(kernels.HostRow(logits, item), output);

    /// <summary>Spread as a trained model's: most tokens far below the few likely ones.</summary>
    private static float Logit(Random random) => (float)(-8 + 3 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}

/// <summary>What the requests ask for.</summary>
public enum SamplingKind
{
    Greedy,
    TopKTopP,
    TopP,
    MinP,
    Temperature,
}
