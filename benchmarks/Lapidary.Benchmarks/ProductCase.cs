using Lapidary.Cpu;
using Lapidary.Models.Synthetic;

namespace Lapidary.Benchmarks;

/// <summary>Where weights lie when a product begins.</summary>
public enum WeightsFrom
{
    /// <summary>Many matrices take turns, as experts do.</summary>
    Memory,

    /// <summary>The same matrix again and again.</summary>
    Cache,
}

/// <summary>One product to measure: tokens times a matrix [rows, columns].</summary>
public sealed record ProductCase(string Format, int Rows, int Columns, int Tokens, WeightsFrom From)
{
    private const int TakingTurns = 48;

    public long MultiplyAdds => (long)Rows * Columns * Tokens;

    /// <summary>In the layout of the kernels.</summary>
    public long WeightBytes
    {
        get
        {
            using CpuKernels kernels = Open();
            using ILinear weights = Matrix(kernels, new SyntheticWeights(SyntheticWeights.FormatNamed(Format)), 0);
            return weights.ByteLength;
        }
    }

    /// <summary>Exact arithmetic has kernels of its own for short rows; long ones are measured with hidden states rounded.</summary>
    public CpuKernels Open() => new(new CpuOptions { Threads = 1, Arithmetic = Columns <= 512 ? Arithmetic.Exact : Arithmetic.Fast });

    public ILinear[] Load(CpuKernels kernels)
    {
        SyntheticWeights random = new(SyntheticWeights.FormatNamed(Format));
        return [.. Enumerable.Range(0, From == WeightsFrom.Memory ? TakingTurns : 1).Select(i => Matrix(kernels, random, i))];
    }

    public override string ToString() => $"{Format} {Rows}x{Columns}, {Tokens} tokens, {(From == WeightsFrom.Memory ? "memory" : "cache")}";

    private ILinear Matrix(CpuKernels kernels, SyntheticWeights random, int number) => kernels.LoadLinear(random.Matrix($"weights.{number}", Rows, Columns));
}
