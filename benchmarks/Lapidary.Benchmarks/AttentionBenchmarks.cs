using BenchmarkDotNet.Attributes;
using Lapidary.Cpu;

namespace Lapidary.Benchmarks;

/// <summary>
/// Attention of one token in the layers of Gemma 4 26B-A4B, one thread. Layers take turns, as in a model, so that keys and values
/// come from memory.
/// </summary>
public class AttentionBenchmarks : IDisposable
{
    private const int BlockSize = 16, Heads = 16, Layers = 6;
    private readonly List<IDisposable> owned = [];
    private IKeyValues[] caches = [];
    private CpuKernels kernels = null!;
    private IBuffer queries = null!, output = null!;
    private AttentionBatch batch = null!;
    private int layer;

    [ParamsAllValues]
    public KeyValueType Type { get; set; }

    [ParamsAllValues]
    public LayerKind Kind { get; set; }

    private int Positions => Kind == LayerKind.Sliding ? 1024 : 8192;

    [GlobalSetup]
    public void Setup()
    {
        (int kvHeads, int headDim) = Kind == LayerKind.Sliding ? (8, 256) : (2, 512);
        owned.Add(kernels = new CpuKernels(threads: 1));
        Random random = new(1);
        float[] values = [.. Enumerable.Range(0, Positions * kvHeads * headDim).Select(_ => random.NextSingle() - 0.5f)];
        IBuffer x = Floats(values, kvHeads * headDim), slots = Ints([.. Enumerable.Range(0, Positions)], 1);
        caches = new IKeyValues[Layers];
        for (int i = 0; i < Layers; i++)
        {
            owned.Add(caches[i] = kernels.AllocateKeyValues(Type, Positions / BlockSize, BlockSize, kvHeads, headDim));
            kernels.StoreKeysValues(x, x, slots, caches[i]);
        }
        queries = Floats(values[..(Heads * headDim)], Heads * headDim);
        output = Floats(new float[Heads * headDim], Heads * headDim);
        batch = new AttentionBatch(Ints([Positions - 1], 1), Ints([0], 1), Ints([.. Enumerable.Range(0, Positions / BlockSize)], Positions / BlockSize), BlockSize);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        for (int i = owned.Count - 1; i >= 0; i--) owned[i].Dispose();
        owned.Clear();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public void Token() => kernels.Attention(queries, caches[layer = (layer + 1) % Layers], batch, Kind == LayerKind.Sliding ? Positions : null, output);

    private IBuffer Floats(float[] values, int columns)
    {
        IBuffer buffer = kernels.Allocate(DType.F32, values.Length / columns, columns);
        owned.Add(buffer);
        kernels.Write(buffer, values);
        return buffer;
    }

    private IBuffer Ints(int[] values, int columns)
    {
        IBuffer buffer = kernels.Allocate(DType.I32, values.Length / columns, columns);
        owned.Add(buffer);
        kernels.Write(buffer, values);
        return buffer;
    }
}

/// <summary>Shapes of layers: 8 heads of 256 over 1024 positions, or 2 of 512 over 8192; 16 query heads.</summary>
public enum LayerKind
{
    Sliding,
    Full,
}
