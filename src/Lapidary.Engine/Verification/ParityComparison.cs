using Lapidary.Checkpoints;
using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>Collects the observed tensors of a prompt over its steps and compares each with its golden.</summary>
internal sealed class ParityComparison(IKernels kernels) : ITensorObserver
{
    private readonly List<ParityRow> rows = [];
    private readonly Dictionary<(int? Layer, string Name), List<float>> observed = [];
    private readonly List<(int? Layer, string Name)> order = [];
    private GoldenPrompt? prompt;
    private int layers;

    public IReadOnlyList<ParityRow> Rows => rows;
    public int ArgmaxAgreed { get; private set; }
    public int Positions { get; private set; }

    public void Begin(GoldenPrompt golden, int layerCount)
    {
        prompt = golden;
        layers = layerCount;
        observed.Clear();
        order.Clear();
    }

    public void Observe(int? layer, string name, IBuffer tensor)
    {
        if (prompt!.Find(layer, name, layers) is null) return;
        if (!observed.TryGetValue((layer, name), out List<float>? values))
        {
            observed[(layer, name)] = values = [];
            order.Add((layer, name));
        }
        int count = tensor.Rows * tensor.Columns;
        if (tensor.DType == DType.F32)
        {
            var step = new float[count];
            kernels.Read(tensor, step);
            values.AddRange(step);
        }
        else
        {
            var step = new int[count];
            kernels.Read(tensor, step);
            values.AddRange(step.Select(i => (float)i)); // ids are far below 2^24
        }
    }

    public void End()
    {
        foreach ((int? layer, string name) in order)
        {
            (string label, StoredTensor golden) = prompt!.Find(layer, name, layers)!.Value;
            int width = Width(golden);
            float[] expected = Values(golden), actual = [.. observed[(layer, name)]];
            if (name is "topk_index" or "topk_weight" && prompt.Find(layer, "topk_index", layers) is { } ids)
            {
                SortByExpert(expected, Values(ids.Tensor), width);
                SortByExpert(actual, [.. observed[(layer, "topk_index")]], width);
            }
            rows.Add(Row(label, name, actual, expected, width));
            if (name == "logits") CountArgmax(actual, expected, width);
        }
    }

    private static int Width(StoredTensor golden) => golden.Shape.Count == 0 ? 1 : (int)golden.Shape[^1];

    private static float[] Values(StoredTensor golden)
        => golden.DType is DType.I32 or DType.I64 ? [.. golden.ToInt32s().Select(i => (float)i)] : golden.ToSingles();

    /// <summary>Puts each token's chosen experts in order of their ids. Two with nearly the same probability may come in
    /// either order, with the same result.</summary>
    private static void SortByExpert(float[] values, float[] experts, int width)
    {
        for (int start = 0; start + width <= Math.Min(values.Length, experts.Length); start += width)
            experts.AsSpan(start, width).ToArray().AsSpan().Sort(values.AsSpan(start, width));
    }

    public void Greedy(GoldenPrompt golden, int[] tokens, float[] logits, float[] expected)
    {
        if (expected.Length > 0) rows.Add(Row($"{golden.Name}.greedy_logits", "greedy_logits", logits, expected, Width(golden.GreedyLogits!)));
        rows.Add(Row($"{golden.Name}.greedy_tokens", "greedy_tokens", [.. tokens.Select(t => (float)t)], [.. golden.Greedy.Select(t => (float)t)], golden.Greedy.Length));
        ArgmaxAgreed += tokens.Zip(golden.Greedy).Count(pair => pair.First == pair.Second);
        Positions += tokens.Length;
    }

    /// <summary>The last row of a step's logits.</summary>
    public void LastRow(IBuffer logits, float[] destination)
    {
        var all = new float[logits.Rows * logits.Columns];
        kernels.Read(logits, all);
        all.AsSpan(all.Length - destination.Length).CopyTo(destination);
    }

    private void CountArgmax(float[] actual, float[] expected, int vocab)
    {
        for (int start = 0; start + vocab <= Math.Min(actual.Length, expected.Length); start += vocab)
        {
            Positions++;
            if (Parity.ArgMax(actual.AsSpan(start, vocab)) == Parity.ArgMax(expected.AsSpan(start, vocab))) ArgmaxAgreed++;
        }
    }

    /// <param name="width">Elements of a row; each row sets its own scale.</param>
    private static ParityRow Row(string label, string name, float[] actual, float[] expected, int width)
    {
        double tolerance = ParityTolerances.For(name), max = 0, sum = 0, worst = 0;
        if (actual.Length != expected.Length || actual.Length == 0) return new ParityRow(label, double.PositiveInfinity, double.PositiveInfinity, tolerance, double.PositiveInfinity);
        for (int start = 0; start < expected.Length; start += width)
        {
            double scale = 1, rowMax = 0;
            for (int i = start; i < start + width; i++)
            {
                double difference = Math.Abs((double)actual[i] - expected[i]);
                if (double.IsNaN(difference)) difference = double.PositiveInfinity;
                scale = Math.Max(scale, Math.Abs(expected[i]));
                rowMax = Math.Max(rowMax, difference);
                sum += difference;
            }
            max = Math.Max(max, rowMax);
            worst = Math.Max(worst, rowMax / scale);
        }
        return new ParityRow(label, max, sum / expected.Length, tolerance, worst);
    }
}
