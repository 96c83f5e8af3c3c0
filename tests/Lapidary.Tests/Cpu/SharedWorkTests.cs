using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.Experts;
using Lapidary.Quantization;
using Lapidary.Tests.Cpu.Assembly;

namespace Lapidary.Tests.Cpu;

/// <summary>However many workers share an operation, by rows, columns or tokens, every bit is the same.</summary>
public sealed unsafe class SharedWorkTests
{
    private const int Columns = 64;

    /// <summary>Few tokens and many: from 24 for each worker on, small matrices are shared by tokens.</summary>
    public static MatrixTheoryData<Arithmetic, int> Cases() => new(Enum.GetValues<Arithmetic>(), [1, 5, 47, 48, 75, 130]);

    [Theory, MemberData(nameof(Cases))]
    public void Products_of_small_and_large_matrices(Arithmetic arithmetic, int tokens)
        => Compare(arithmetic, tokens, (kernels, x) =>
        {
            // A router; a small matrix; one whose rows are shared at any number of tokens.
            (DType DType, int Rows)[] shapes = [(DType.F32, 5), (DType.BF16, 96), (DType.BF16, 8192)];
            List<float> results = [];
            foreach ((DType dtype, int rows) in shapes)
            {
                ushort[] weights = CompactWeights.Weights(CompactWeights.Kind.Normal, rows * Columns * dtype.Size() / sizeof(ushort));
                fixed (ushort* w = weights)
                {
                    using ILinear linear = kernels.LoadLinear(new DenseMatrix(new StoredTensor("w", dtype, [rows, Columns], (nint)w, owner: null)));
                    using IBuffer output = kernels.Allocate(DType.F32, tokens, rows);
                    output.Rows = tokens;
                    kernels.Linear(linear, x, output);
                    results.AddRange(Values(kernels, output));
                }
            }
            return results;
        });

    /// <summary>Large enough to be taken in pieces, of which one matrix ends within the other's.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void Products_with_several_matrices_at_once(Arithmetic arithmetic, int tokens)
        => Compare(arithmetic, tokens, (kernels, x) =>
        {
            int[] rows = [8200, 1000, 8192];
            ushort[] weights = CompactWeights.Weights(CompactWeights.Kind.Normal, rows.Sum() * Columns);
            fixed (ushort* w = weights)
            {
                nint at = (nint)w;
                ILinear[] linears = [.. rows.Select((count, i) => kernels.LoadLinear(new DenseMatrix(
                    new StoredTensor("w", DType.BF16, [count, Columns], at + rows[..i].Sum() * Columns * sizeof(ushort), owner: null))))];
                IBuffer[] outputs = [.. rows.Select(count => kernels.Allocate(DType.F32, tokens, count))];
                foreach (IBuffer output in outputs) output.Rows = tokens;
                kernels.Linears(linears, x, outputs);
                List<float> results = [.. outputs.SelectMany(output => Values(kernels, output))];
                foreach (IDisposable used in (IDisposable[])[.. linears, .. outputs]) used.Dispose();
                return results;
            }
        });

    [Theory, MemberData(nameof(Cases))]
    public void What_goes_token_by_token(Arithmetic arithmetic, int tokens)
        => Compare(arithmetic, tokens, (kernels, x) =>
        {
            const int Frequencies = 24;
            using IBuffer positions = kernels.Allocate(DType.I32, tokens, 1), frequencies = kernels.Allocate(DType.F32, 1, Frequencies);
            using IBuffer cosSin = kernels.Allocate(DType.F32, tokens, 2 * Frequencies), rows = kernels.Allocate(DType.F32, tokens, Columns);
            kernels.Write(positions, [.. Enumerable.Range(0, tokens).Select(t => t * 37 % 101)]);
            kernels.Write(frequencies, [.. Enumerable.Range(0, Frequencies).Select(i => MathF.Pow(100, -i / (float)Frequencies))]);
            (cosSin.Rows, rows.Rows) = (tokens, tokens);
            kernels.RotaryTable(positions, frequencies, cosSin);
            List<float> results = [.. Values(kernels, cosSin)];

            fixed (ushort* w = CompactWeights.Weights(CompactWeights.Kind.Normal, 101 * Columns))
            {
                using IEmbedding table = kernels.LoadEmbedding(new DenseMatrix(new StoredTensor("w", DType.BF16, [101, Columns], (nint)w, owner: null)));
                kernels.Embed(table, positions, 3, rows);
                results.AddRange(Values(kernels, rows));
            }
            float[] before = Values(kernels, rows);
            kernels.GatedActivation(kernels.LoadActivation(ActivationRegistry.Default.Resolve("gelu_pytorch_tanh").Activation), x, rows, rows);
            Assert.All(before.Zip(Values(kernels, rows)), pair => Assert.NotEqual(pair.First, pair.Second));
            results.AddRange(Values(kernels, rows));
            kernels.RmsNorm(rows, weight: null, 1e-6f, rows);
            results.AddRange(Values(kernels, rows));
            return results;
        });

    public static MatrixTheoryData<Arithmetic, string, int> ExpertCases() => new(Enum.GetValues<Arithmetic>(), ["grouped", "batched"], [1, 150]);

    /// <summary>Shares of 256 columns, whose rows lie apart, and blocks that are full; a token alone, whose three experts workers take in pieces.</summary>
    [Theory, MemberData(nameof(ExpertCases))]
    public void Experts(Arithmetic arithmetic, string backend, int tokens)
    {
        const int Hidden = 512, Intermediate = 512, Count = 4, TopK = 3;
        ushort[] weights = CompactWeights.Weights(CompactWeights.Kind.Normal, 3 * Count * Hidden * Intermediate);
        fixed (ushort* w = weights)
        {
            nint at = (nint)w;
            DenseMatrix[] Matrices(int first, int rows, int columns) => [.. Enumerable.Range(first * Count, Count).Select(i =>
                new DenseMatrix(new StoredTensor("w", DType.BF16, [rows, columns], at + i * Hidden * Intermediate * sizeof(ushort), owner: null)))];
            ExpertWeights experts = new(Matrices(0, Intermediate, Hidden), Matrices(1, Intermediate, Hidden), Matrices(2, Hidden, Intermediate));
            Activation activation = ActivationRegistry.Default.Resolve("gelu_pytorch_tanh").Activation;
            ExpertLayerSpec spec = new(Count, TopK, Hidden, Intermediate, activation, ActivationForm.Gated, experts.Down[0].Format, HasLora: false);
            Compare(arithmetic, tokens, Hidden, (kernels, x) =>
            {
                using IExpertLayer layer = kernels.ExpertBackends.First(other => other.Name == backend).Create(spec, experts, tokens);
                using IBuffer ids = kernels.Allocate(DType.I32, tokens, TopK), factors = kernels.Allocate(DType.F32, tokens, TopK), output = kernels.Allocate(DType.F32, tokens, Hidden), again = kernels.Allocate(DType.F32, tokens, Hidden);
                kernels.Write(ids, [.. Enumerable.Range(0, tokens).SelectMany(t => (int[])[t % 7 == 0 ? 2 : 1, 0, 3])]);
                kernels.Write(factors, [.. Enumerable.Range(0, tokens * TopK).Select(i => 1f / (i % 5 + 1))]);
                (output.Rows, again.Rows) = (tokens, tokens);
                layer.Forward(x, ids, factors, adapters: null, output);
                layer.Forward(output, ids, factors, adapters: null, again); // what the first left behind is not taken for its own
                return [.. Values(kernels, output), .. Values(kernels, again)];
            });
        }
    }

    private static void Compare(Arithmetic arithmetic, int tokens, Func<CpuKernels, IBuffer, List<float>> compute) => Compare(arithmetic, tokens, Columns, compute);

    private static void Compare(Arithmetic arithmetic, int tokens, int columns, Func<CpuKernels, IBuffer, List<float>> compute)
    {
        float[][] byThreads = [.. new[] { 1, 2, 3, 7 }.Select(threads =>
        {
            using CpuKernels kernels = new(new CpuOptions { Threads = threads, Arithmetic = arithmetic });
            Random random = new(3);
            using IBuffer x = kernels.Allocate(DType.F32, tokens, columns);
            kernels.Write(x, [.. Enumerable.Range(0, tokens * columns).Select(_ => random.NextSingle() - 0.5f)]);
            return compute(kernels, x).ToArray();
        })];
        Assert.True(byThreads[0].Distinct().Count() > byThreads[0].Length / 4, "results that are alike prove nothing");
        foreach (float[] results in byThreads[1..]) Assert.Equal(-1, FirstDifference(byThreads[0], results));
    }

    private static int FirstDifference(float[] a, float[] b)
    {
        Assert.Equal(a.Length, b.Length);
        for (int i = 0; i < a.Length; i++)
            if (BitConverter.SingleToUInt32Bits(a[i]) != BitConverter.SingleToUInt32Bits(b[i])) return i;
        return -1;
    }

    private static float[] Values(CpuKernels kernels, IBuffer buffer)
    {
        float[] values = new float[buffer.Rows * buffer.Columns];
        kernels.Read(buffer, values);
        return values;
    }
}
