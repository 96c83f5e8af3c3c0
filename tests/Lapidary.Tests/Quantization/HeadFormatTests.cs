using Lapidary.Checkpoints;
using Lapidary.Cpu;
using Lapidary.KvCache;
using Lapidary.Models;
using Lapidary.Quantization;

namespace Lapidary.Tests.Quantization;

/// <summary>A head in a format of its own: the nearest codes, and a model that differs in nothing else.</summary>
public sealed unsafe class HeadFormatTests
{
    private const double Bound = 2e-6; // of products with rounded hidden states, docs/numerics.md §4; nothing rounded is no worse

    private static readonly int[] Text = [2, 30, 7, 11, 5, 19, 23, 8];

    public static TheoryData<string> Names => [.. HeadFormat.Names];

    [Theory, MemberData(nameof(Names))]
    public void Each_weight_is_within_half_a_step(string name)
    {
        const int Rows = 6, Columns = 80; // the last group is of 16
        Random random = new(4);
        float[] weights = [.. Enumerable.Range(0, Rows * Columns).Select(i => (random.NextSingle() - 0.5f) * (1 + i / Columns))];
        weights.AsSpan(3 * Columns, Columns).Fill(1e-12f); // less than float16 has
        HeadFormat format = HeadFormat.Parse(name);
        fixed (float* w = weights)
        {
            QuantizedMatrix matrix = Assert.IsAssignableFrom<QuantizedMatrix>(format.Round(Dense(w, Rows, Columns)).SliceRows(1, Rows - 1));
            Assert.Equal((format.Bits, 32, 3), (matrix.Code.Bits, matrix.GroupSize, matrix.Groups));
            float[] rounded = new float[Columns], scales = new float[3], offsets = new float[3];
            Half[] halfScales = new Half[3], halfOffsets = new Half[3];
            for (int row = 0; row < matrix.Rows; row++)
            {
                matrix.ReadRow(row, rounded);
                matrix.ReadScales(row, scales, offsets);
                matrix.ReadHalfScales(row, halfScales, halfOffsets);
                Assert.Equal(scales, halfScales.Select(scale => (float)scale));
                Assert.All([.. offsets, .. halfOffsets.Select(offset => (float)offset)], offset => Assert.Equal(0, offset));
                for (int i = 0; i < Columns; i++)
                {
                    float weight = weights[(row + 1) * Columns + i], step = scales[i / 32], most = step * ((1 << (format.Bits - 1)) - 1);
                    if (row == 2) Assert.Equal(0, rounded[i]);
                    else Assert.InRange(Math.Abs(Math.Clamp(weight, -most - step, most) - rounded[i]), 0, step * 0.501f);
                }
            }
        }
    }

    [Fact]
    public void Weights_beyond_float16s_scales_are_refused()
    {
        float[] weights = [.. Enumerable.Repeat(3e7f, 64)];
        fixed (float* w = weights)
        {
            var matrix = (QuantizedMatrix)HeadFormat.Parse("int8").Round(Dense(w, 2, 32));
            Assert.Contains("row 1 holds weights too large for int8 g32", Assert.Throws<RequestException>(() => matrix.ReadCodes(1, new byte[32])).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("int8", Arithmetic.Exact)]
    [InlineData("int4", Arithmetic.Exact)]
    [InlineData("int8", Arithmetic.Fast)]
    public void Logits_are_those_of_the_rounded_head_and_all_before_them_as_without(string name, Arithmetic arithmetic)
    {
        HeadFormat format = HeadFormat.Parse(name);
        using CpuKernels kernels = new(new CpuOptions { Arithmetic = arithmetic });
        Capture plain = Run(kernels, format: null), rounded = Run(kernels, format);
        Assert.Equal(plain.Hidden, rounded.Hidden); // every bit: embeddings are not rounded
        Assert.NotEqual(plain.Logits, rounded.Logits);

        using ICheckpoint checkpoint = Checkpoint.Open(Goldens.TinyModel);
        Gemma4Config config = Gemma4ConfigReader.Load(Goldens.TinyModel);
        StoredMatrix head = new TensorSource(checkpoint, config.Quantization).Matrix("embed_tokens", config.VocabSize, config.HiddenSize);
        double[] hidden = [.. rounded.Hidden.Select(value => (double)value)];
        if (arithmetic == Arithmetic.Fast) RoundInGroups(hidden);
        Assert.InRange(Error(format.Round(head), hidden, rounded.Logits), 0, Bound);
        Assert.True(Error(head, hidden, rounded.Logits) > 100 * Bound, "the head was not rounded");
    }

    /// <summary>To 127 steps of the largest magnitude either way, as docs/numerics.md §4 says.</summary>
    private static void RoundInGroups(double[] hidden)
    {
        for (int from = 0; from < hidden.Length; from += 32)
        {
            Span<double> group = hidden.AsSpan(from, 32);
            double step = 0;
            foreach (double value in group) step = Math.Max(step, Math.Abs(value) / 127);
            foreach (ref double value in group) value = step * Math.Round(value / step);
        }
    }

    /// <summary>Relative RMS difference of logits to products with that head in float64.</summary>
    private static double Error(StoredMatrix head, double[] hidden, float[] logits)
    {
        double difference = 0, total = 0;
        float[] row = new float[head.Columns];
        for (int token = 0; token < head.Rows; token++)
        {
            head.ReadRow(token, row);
            for (int t = 0; t < Text.Length; t++)
            {
                double product = 0;
                for (int i = 0; i < row.Length; i++) product += row[i] * hidden[t * row.Length + i];
                difference += Math.Pow(product - logits[t * head.Rows + token], 2);
                total += product * product;
            }
        }
        return Math.Sqrt(difference / total);
    }

    private static Capture Run(CpuKernels kernels, HeadFormat? format)
    {
        using LanguageModel model = LanguageModel.Open(Goldens.TinyModel, kernels, new LanguageModelOptions { ContextLength = 64, MaxLogitRows = Text.Length, HeadFormat = format });
        Capture capture = new(kernels);
        model.Network.Observer = capture;
        using CacheSequence sequence = model.Cache.NewSequence();
        model.Batch.Clear();
        model.Batch.Add(sequence, Text, LogitRows.All);
        model.Network.Forward(model.Batch, model.Cache);
        return capture;
    }

    private static DenseMatrix Dense(float* weights, int rows, int columns) => new(new StoredTensor("w", DType.F32, [rows, columns], (nint)weights, owner: null));

    private sealed class Capture(IKernels kernels) : ITensorObserver
    {
        public float[] Hidden { get; private set; } = [];
        public float[] Logits { get; private set; } = [];

        public void Observe(int? layer, string name, IBuffer tensor)
        {
            if (name is not ("final_norm" or "lm_head_out")) return;
            float[] values = new float[tensor.Rows * tensor.Columns];
            kernels.Read(tensor, values);
            if (name == "final_norm") Hidden = values;
            else Logits = values;
        }
    }
}
