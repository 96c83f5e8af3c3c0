using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

/// <summary>Attention over paged keys and values against plain float64, and each token alone against the whole batch.</summary>
public sealed class AttentionTests
{
    private const int BlockSize = 16;

    /// <summary>Sequences of a step: (positions before the step, tokens of the step).</summary>
    private sealed class Step : IDisposable
    {
        private readonly CpuKernels kernels = new(threads: 2);
        private readonly (int Before, int Tokens)[] parts;
        private readonly int heads, kvHeads, headDim;
        private readonly float[] queries, keys, values;
        private readonly int[] positions, sequences, tables;
        private readonly int blocks;

        public Step((int Before, int Tokens)[] parts, int heads, int kvHeads, int headDim)
        {
            (this.parts, this.heads, this.kvHeads, this.headDim) = (parts, heads, kvHeads, headDim);
            blocks = (parts.Max(p => p.Before + p.Tokens) + BlockSize - 1) / BlockSize;
            Random random = new(7);
            float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
            queries = Numbers(parts.Sum(p => p.Tokens) * heads * headDim);
            keys = Numbers(parts.Length * blocks * BlockSize * kvHeads * headDim);
            values = Numbers(keys.Length);
            positions = [.. parts.SelectMany(p => Enumerable.Range(p.Before, p.Tokens))];
            sequences = [.. parts.SelectMany((p, s) => Enumerable.Repeat(s, p.Tokens))];
            tables = [.. Enumerable.Range(0, parts.Length * blocks).Reverse()]; // blocks lie in another order than their positions
        }

        public int Tokens => positions.Length;

        public void Dispose() => kernels.Dispose();

        /// <summary>Output of the tokens of that range computed in one call.</summary>
        public float[] Compute(int from, int to, int? window)
        {
            int count = to - from, width = heads * headDim;
            using IBuffer q = Floats(queries[(from * width)..(to * width)], count, width), k = Floats(keys, keys.Length / (kvHeads * headDim), kvHeads * headDim), v = Floats(values, values.Length / (kvHeads * headDim), kvHeads * headDim), o = kernels.Allocate(DType.F32, count, width);
            using IBuffer p = Ints(positions[from..to], count, 1), s = Ints(sequences[from..to], count, 1), t = Ints(tables, parts.Length, blocks);
            o.Rows = count;
            kernels.Attention(q, k, v, new AttentionBatch(p, s, t, BlockSize), headDim, window, o);
            float[] result = new float[count * width];
            kernels.Read(o, result);
            return result;
        }

        public double[] Expected(int? window)
        {
            List<double> result = [];
            for (int t = 0; t < Tokens; t++)
                for (int head = 0; head < heads; head++)
                {
                    int first = window is { } w ? Math.Max(0, positions[t] - w + 1) : 0;
                    double[] scores = [.. Enumerable.Range(first, positions[t] - first + 1).Select(j => Enumerable.Range(0, headDim).Sum(i => (double)queries[(t * heads + head) * headDim + i] * At(keys, t, head, j, i)))];
                    double max = scores.Max(), sum = scores.Sum(x => Math.Exp(x - max));
                    for (int i = 0; i < headDim; i++)
                        result.Add(scores.Select((x, j) => Math.Exp(x - max) / sum * At(values, t, head, first + j, i)).Sum());
                }
            return [.. result];
        }

        private float At(float[] cache, int token, int head, int position, int i)
        {
            int row = tables[sequences[token] * blocks + position / BlockSize] * BlockSize + position % BlockSize;
            return cache[(row * kvHeads + head / (heads / kvHeads)) * headDim + i];
        }

        private IBuffer Floats(float[] values, int rows, int columns)
        {
            IBuffer buffer = kernels.Allocate(DType.F32, rows, columns);
            kernels.Write(buffer, values);
            return buffer;
        }

        private IBuffer Ints(int[] values, int rows, int columns)
        {
            IBuffer buffer = kernels.Allocate(DType.I32, rows, columns);
            kernels.Write(buffer, values);
            return buffer;
        }
    }

    public static TheoryData<int, int, int, int?> Shapes => new()
    {
        { 4, 2, 64, 100 }, { 8, 1, 128, null }, { 3, 3, 24, 7 }, { 6, 2, 33, null }, { 16, 8, 96, 128 },
    };

    private static readonly (int, int)[] Ragged = [(0, 9), (130, 1), (200, 5), (63, 2), (0, 1), (127, 66)];

    [Theory, MemberData(nameof(Shapes))]
    public void Results_are_those_of_softmax_in_float64(int heads, int kvHeads, int headDim, int? window)
    {
        using Step step = new(Ragged, heads, kvHeads, headDim);
        float[] actual = step.Compute(0, step.Tokens, window);
        double[] expected = step.Expected(window);
        for (int i = 0; i < actual.Length; i++) Assert.Equal(expected[i], actual[i], 1e-5);
    }

    [Fact]
    public void A_window_one_shorter_is_noticed()
    {
        using Step step = new(Ragged, 4, 2, 64);
        double[] expected = step.Expected(100);
        Assert.Contains(step.Compute(0, step.Tokens, 99).Select((value, i) => Math.Abs(value - expected[i])), difference => difference > 1e-3);
    }

    [Theory, MemberData(nameof(Shapes))]
    public void A_token_does_not_depend_on_what_it_is_computed_with(int heads, int kvHeads, int headDim, int? window)
    {
        using Step step = new(Ragged, heads, kvHeads, headDim);
        float[] all = step.Compute(0, step.Tokens, window);
        int width = heads * headDim;
        for (int t = 0; t < step.Tokens; t++) Assert.Equal(all[(t * width)..((t + 1) * width)], step.Compute(t, t + 1, window));
        for (int cut = 1; cut < step.Tokens; cut += 7) Assert.Equal(all[(cut * width)..], step.Compute(cut, step.Tokens, window));
    }
}
