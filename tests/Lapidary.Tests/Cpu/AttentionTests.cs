using Lapidary.Cpu;

namespace Lapidary.Tests.Cpu;

/// <summary>
/// Attention over paged keys and values against plain float64 over the same values, rounded here once more by other code; and
/// each token alone against the whole batch, for every type that keys and values are kept in.
/// </summary>
public sealed class AttentionTests
{
    private const int BlockSize = 16;

    /// <summary>Sequences of a step: (positions before the step, tokens of the step).</summary>
    private sealed class Step : IDisposable
    {
        private readonly CpuKernels kernels;
        private readonly (int Before, int Tokens)[] parts;
        private readonly int heads, kvHeads, headDim;
        private readonly float[] queries, keys, values;
        private readonly int[] positions, sequences, tables;
        private readonly int blocks;
        private readonly IKeyValues cache;

        public Step((int Before, int Tokens)[] parts, Shape shape, KeyValueType type, int threads = 2)
        {
            kernels = new CpuKernels(threads);
            (this.parts, heads, kvHeads, headDim) = (parts, shape.Heads, shape.KvHeads, shape.HeadDim);
            blocks = (parts.Max(p => p.Before + p.Tokens) + BlockSize - 1) / BlockSize;
            Random random = new(7);
            float[] Numbers(int count, float scale) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2 - 1) * scale)];
            queries = Numbers(parts.Sum(p => p.Tokens) * heads * headDim, 8 / MathF.Sqrt(headDim)); // scores that differ: some weights near 1
            keys = Numbers(parts.Length * blocks * BlockSize * kvHeads * headDim, 1);
            values = Numbers(keys.Length, 1);
            positions = [.. parts.SelectMany(p => Enumerable.Range(p.Before, p.Tokens))];
            sequences = [.. parts.SelectMany((p, s) => Enumerable.Repeat(s, p.Tokens))];
            tables = [.. Enumerable.Range(0, parts.Length * blocks).Reverse()]; // blocks lie in another order than their positions
            cache = kernels.AllocateKeyValues(type, tables.Length, BlockSize, kvHeads, headDim);
            int slots = tables.Length * BlockSize;
            using IBuffer k = Floats(keys, slots, kvHeads * headDim), v = Floats(values, slots, kvHeads * headDim), rows = Ints([.. Enumerable.Range(0, slots)], slots, 1);
            kernels.StoreKeysValues(k, v, rows, cache);
            (keys, values) = (Rounding.Of(type, keys, headDim), Rounding.Of(type, values, headDim));
        }

        public int Tokens => positions.Length;

        public void Dispose()
        {
            cache.Dispose();
            kernels.Dispose();
        }

        /// <summary>Output of the tokens of that range computed in one call.</summary>
        public float[] Compute(int from, int to, int? window)
        {
            int count = to - from, width = heads * headDim;
            using IBuffer q = Floats(queries[(from * width)..(to * width)], count, width), o = kernels.Allocate(DType.F32, count, width);
            using IBuffer p = Ints(positions[from..to], count, 1), s = Ints(sequences[from..to], count, 1), t = Ints(tables, parts.Length, blocks);
            o.Rows = count;
            kernels.Attention(q, cache, new AttentionBatch(p, s, t, BlockSize), window, o);
            float[] result = new float[count * width];
            kernels.Read(o, result);
            return result;
        }

        public double[] Expected(int? window)
        {
            double[] result = new double[Tokens * heads * headDim];
            Parallel.For(0, Tokens * heads, item =>
            {
                int t = item / heads, head = item % heads, first = window is { } w ? Math.Max(0, positions[t] - w + 1) : 0;
                double[] scores = [.. Enumerable.Range(first, positions[t] - first + 1).Select(j => Enumerable.Range(0, headDim).Sum(i => (double)queries[item * headDim + i] * At(keys, t, head, j, i)))];
                double max = scores.Max(), sum = scores.Sum(x => Math.Exp(x - max));
                for (int i = 0; i < headDim; i++)
                    result[item * headDim + i] = scores.Select((x, j) => Math.Exp(x - max) / sum * At(values, t, head, first + j, i)).Sum();
            });
            return result;
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

    /// <summary>What each type makes of values, written without the kernels.</summary>
    private static class Rounding
    {
        public static float[] Of(KeyValueType type, float[] values, int headDim) => type switch
        {
            KeyValueType.BF16 => [.. values.Select(BFloat16)],
            KeyValueType.Q8_0 => [.. values.Chunk(headDim).SelectMany(head => head.Chunk(32)).SelectMany(Q8)],
            _ => values,
        };

        // Of the two bfloat16 around a value, the nearer; of two equally near, the one with an even last bit.
        private static float BFloat16(float value)
        {
            uint bits = BitConverter.SingleToUInt32Bits(value) & 0xffff0000;
            float down = BitConverter.UInt32BitsToSingle(bits), up = BitConverter.UInt32BitsToSingle(bits + 0x10000);
            double below = Math.Abs((double)value - down), above = Math.Abs((double)up - value);
            return below < above || (below == above && (bits & 0x10000) == 0) ? down : up;
        }

        private static IEnumerable<float> Q8(float[] block)
        {
            float scale = block.Max(MathF.Abs) / 127;
            return block.Select(value => scale == 0 ? 0 : MathF.Round(value / scale, MidpointRounding.ToEven) * scale);
        }
    }

    public sealed record Shape(int Heads, int KvHeads, int HeadDim, int? Window);

    private static readonly Shape[] Shapes =
    [
        new(4, 2, 64, 100), new(8, 1, 128, null), new(3, 3, 24, 7), new(6, 2, 33, null), new(16, 8, 96, 128), new(5, 1, 20, 70), new(4, 2, 256, 100), new(16, 2, 512, null),
    ];

    public static TheoryData<int, KeyValueType> Cells
    {
        get
        {
            TheoryData<int, KeyValueType> cells = [];
            for (int shape = 0; shape < Shapes.Length; shape++)
                foreach (KeyValueType type in Enum.GetValues<KeyValueType>()) cells.Add(shape, type);
            return cells;
        }
    }

    private static readonly (int, int)[] Ragged = [(0, 9), (130, 1), (200, 5), (63, 2), (0, 1), (127, 30)];

    [Theory, MemberData(nameof(Cells))]
    public void Results_are_those_of_softmax_in_float64(int shape, KeyValueType type)
    {
        using Step step = new(Ragged, Shapes[shape], type);
        AssertClose(step.Expected(Shapes[shape].Window), step.Compute(0, step.Tokens, Shapes[shape].Window));
    }

    [Theory]
    [InlineData(KeyValueType.F32, 1e-3)]
    [InlineData(KeyValueType.BF16, 1e-4)]
    [InlineData(KeyValueType.Q8_0, 1e-4)]
    public void What_is_rounded_otherwise_is_noticed(KeyValueType type, double least)
    {
        Shape shape = Shapes[0];
        using Step step = new(Ragged, shape, type), other = new(Ragged, shape, type == KeyValueType.F32 ? KeyValueType.BF16 : KeyValueType.F32);
        Assert.True(LargestDifference(step.Expected(shape.Window), other.Compute(0, other.Tokens, shape.Window)) > least);
    }

    [Fact]
    public void A_window_one_shorter_is_noticed()
    {
        using Step step = new(Ragged, Shapes[0], KeyValueType.F32);
        Assert.True(LargestDifference(step.Expected(100), step.Compute(0, step.Tokens, 99)) > 1e-3);
    }

    [Theory, MemberData(nameof(Cells))]
    public void A_token_does_not_depend_on_what_it_is_computed_with(int shape, KeyValueType type)
    {
        using Step step = new(Ragged, Shapes[shape], type);
        int? window = Shapes[shape].Window;
        float[] all = step.Compute(0, step.Tokens, window);
        int width = all.Length / step.Tokens;
        for (int t = 0; t < step.Tokens; t++) Assert.Equal(all[(t * width)..((t + 1) * width)], step.Compute(t, t + 1, window));
        for (int cut = 1; cut < step.Tokens; cut += 7) Assert.Equal(all[(cut * width)..], step.Compute(cut, step.Tokens, window));
    }

    /// <summary>Contexts of several chunks: one thread walks through them, several share them out.</summary>
    [Theory]
    [InlineData(KeyValueType.F32)]
    [InlineData(KeyValueType.BF16)]
    [InlineData(KeyValueType.Q8_0)]
    public void Long_contexts_give_the_same_bits_however_they_are_shared_out(KeyValueType type)
    {
        (int, int)[] parts = [(2500, 3), (1023, 2), (700, 1)];
        foreach (int? window in (int?[])[null, 1500])
        {
            Shape shape = new(2, 1, 64, window);
            using Step one = new(parts, shape, type, threads: 1), several = new(parts, shape, type, threads: 3);
            float[] expected = one.Compute(0, one.Tokens, window);
            AssertClose(one.Expected(window), expected);
            Assert.Equal(expected, several.Compute(0, several.Tokens, window));
            int width = expected.Length / one.Tokens;
            for (int t = 0; t < one.Tokens; t++) Assert.Equal(expected[(t * width)..((t + 1) * width)], several.Compute(t, t + 1, window));
        }
    }

    [Theory]
    [InlineData(KeyValueType.F32)]
    [InlineData(KeyValueType.BF16)]
    [InlineData(KeyValueType.Q8_0)]
    public void What_is_not_finite_stays_so(KeyValueType type)
    {
        foreach (float bad in (float[])[float.NaN, float.PositiveInfinity])
        {
            using CpuKernels kernels = new(threads: 1);
            using IKeyValues cache = kernels.AllocateKeyValues(type, 1, BlockSize, 1, 40);
            float[] value = [.. Enumerable.Range(0, 40).Select(i => i == 37 ? bad : i)];
            using IBuffer x = kernels.Allocate(DType.F32, 1, 40), zero = kernels.Allocate(DType.I32, 1, 1), output = kernels.Allocate(DType.F32, 1, 40);
            kernels.Write(x, new float[40]);
            using IBuffer v = kernels.Allocate(DType.F32, 1, 40);
            kernels.Write(v, value);
            kernels.Write(zero, [0]);
            kernels.StoreKeysValues(x, v, zero, cache);
            output.Rows = 1;
            kernels.Attention(x, cache, new AttentionBatch(zero, zero, zero, BlockSize), null, output);
            float[] result = new float[40];
            kernels.Read(output, result);
            Assert.False(float.IsFinite(result[37]));
            Assert.Equal(31, result[31], 1e-4);
        }
    }

    private static void AssertClose(double[] expected, float[] actual) => Assert.InRange(LargestDifference(expected, actual), 0, 1e-5);

    private static double LargestDifference(double[] expected, float[] actual)
        => expected.Zip(actual, (e, a) => float.IsNaN(a) ? double.PositiveInfinity : Math.Abs(e - a)).Max();
}
