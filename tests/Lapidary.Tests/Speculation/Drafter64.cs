namespace Lapidary.Tests.Speculation;

/// <summary>What a faulty drafter would do.</summary>
public enum DrafterFault
{
    None,
    HiddenBeforeEmbedding,
    EmbeddingNotScaled,
    OnePositionEarlier,
    WindowOfTheTarget,
    DonorOfTheOtherType,
    FirstDonor,
    StateBeforeTheFinalNorm,
    EveryFrequencyRotates,
    ScaledScores,
    NoLayerScalar,
}

/// <summary>
/// The drafter written out in float64 from its description (HuggingFace's modeling_gemma4_assistant, eager attention), with
/// the target's keys and values given. Shares no code with the product.
/// </summary>
/// <param name="tensors">By full name.</param>
/// <param name="keyValues">For each layer of the target: keys and values by position.</param>
internal sealed class Drafter64(
    Dictionary<string, (long[] Shape, float[] Values)> tensors, int heads, int slidingDim, int fullDim, int targetWindow,
    IReadOnlyList<(double[][] Keys, double[][] Values)> keyValues, int slidingDonor, int fullDonor, DrafterFault fault)
{
    /// <summary>One step of one query.</summary>
    /// <param name="embedding">The target's row of the newest token, not scaled.</param>
    /// <param name="carried">The target's hidden state of the token before, or the drafter's own.</param>
    /// <param name="position">Of the newest token; keys and values of all before it are there.</param>
    /// <returns>The state after the final norm, what is carried on, and logits of all tokens.</returns>
    public (double[] Last, double[] Carried, double[] Logits) Step(double[] embedding, double[] carried, int position)
    {
        double scale = fault == DrafterFault.EmbeddingNotScaled ? 1 : Math.Sqrt(embedding.Length);
        double[] embedded = [.. embedding.Select(v => v * scale)];
        double[] x = Multiply("pre_projection.weight", fault == DrafterFault.HiddenBeforeEmbedding ? [.. carried, .. embedded] : [.. embedded, .. carried]);
        for (int layer = 0; tensors.ContainsKey($"model.layers.{layer}.layer_scalar"); layer++) x = Layer($"model.layers.{layer}.", layer == 2, x, position);
        double[] last = Norm(x, "model.norm.weight");
        double[] next = Multiply("post_projection.weight", fault == DrafterFault.StateBeforeTheFinalNorm ? x : last);
        return (last, next, Multiply("model.embed_tokens.weight", last));
    }

    public double[] Centroids(double[] last) => Multiply("masked_embedding.centroids.weight", last);

    private double[] Layer(string p, bool full, double[] x, int position)
    {
        double[] attended = Norm(Attention(p, full, Norm(x, $"{p}input_layernorm.weight"), position), $"{p}post_attention_layernorm.weight");
        double[] middle = [.. x.Zip(attended, (a, b) => a + b)];
        double[] normed = Norm(middle, $"{p}pre_feedforward_layernorm.weight");
        double[] gate = Multiply($"{p}mlp.gate_proj.weight", normed), up = Multiply($"{p}mlp.up_proj.weight", normed);
        double[] fed = Multiply($"{p}mlp.down_proj.weight", [.. gate.Zip(up, (g, u) => Gelu(g) * u)]);
        double scalar = fault == DrafterFault.NoLayerScalar ? 1 : tensors[$"{p}layer_scalar"].Values[0];
        return [.. middle.Zip(Norm(fed, $"{p}post_feedforward_layernorm.weight"), (a, b) => (a + b) * scalar)];
    }

    private double[] Attention(string p, bool full, double[] x, int position)
    {
        int dim = full ? fullDim : slidingDim, window = fault == DrafterFault.WindowOfTheTarget ? targetWindow : DrafterFolder.Window;
        double[] queries = Multiply($"{p}self_attn.q_proj.weight", x), output = new double[heads * dim];
        (double[][] keys, double[][] values) = keyValues[fault == DrafterFault.FirstDonor && !full ? 0 : full ? fullDonor : slidingDonor];
        if (fault == DrafterFault.DonorOfTheOtherType) (keys, values) = (values, keys);
        int group = heads / (keys[0].Length / dim), first = full ? 0 : Math.Max(0, position - window);
        for (int head = 0; head < heads; head++)
        {
            double[] q = Rotate(Norm(queries[(head * dim)..((head + 1) * dim)], $"{p}self_attn.q_norm.weight"), full, fault == DrafterFault.OnePositionEarlier ? position - 1 : position);
            int column = head / group * dim;
            double scale = fault == DrafterFault.ScaledScores ? 1 / Math.Sqrt(dim) : 1;
            double[] scores = [.. Enumerable.Range(first, position - first).Select(j => scale * Enumerable.Range(0, dim).Sum(i => q[i] * keys[j][column + i]))];
            double max = scores.Max(), sum = scores.Sum(s => Math.Exp(s - max));
            for (int j = 0; j < scores.Length; j++)
                for (int i = 0; i < dim; i++) output[head * dim + i] += Math.Exp(scores[j] - max) / sum * values[first + j][column + i];
        }
        return Multiply($"{p}self_attn.o_proj.weight", output);
    }

    /// <summary>Full layers: θ 10⁶ over the whole head, a quarter of the frequencies; sliding ones: θ 10⁴, all of them.</summary>
    private double[] Rotate(double[] q, bool full, int position)
    {
        int half = q.Length / 2, rotating = full && fault != DrafterFault.EveryFrequencyRotates ? half / 4 : half;
        double[] result = [.. q];
        for (int i = 0; i < rotating; i++)
        {
            double angle = position * Math.Pow(full ? 1e6 : 1e4, -2.0 * i / q.Length);
            result[i] = q[i] * Math.Cos(angle) - q[i + half] * Math.Sin(angle);
            result[i + half] = q[i + half] * Math.Cos(angle) + q[i] * Math.Sin(angle);
        }
        return result;
    }

    private double[] Norm(double[] x, string weight)
    {
        double root = Math.Sqrt(x.Sum(v => v * v) / x.Length + 1e-6);
        return [.. x.Select((v, i) => v / root * tensors[weight].Values[i])];
    }

    private double[] Multiply(string name, double[] x)
    {
        float[] w = tensors[name].Values;
        return [.. Enumerable.Range(0, w.Length / x.Length).Select(row => x.Select((v, i) => v * w[row * x.Length + i]).Sum())];
    }

    private static double Gelu(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}
