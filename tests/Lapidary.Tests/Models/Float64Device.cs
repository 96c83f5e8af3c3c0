using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.Lora;
using Lapidary.Quantization;

namespace Lapidary.Tests.Models;

/// <summary>
/// A second device: everything in float64 by plain loops, sharing no code with the product's kernels, behind buffers that
/// the host cannot look into. It proves that the model, cache and batch code never touch tensor memory themselves, and it
/// shows how far float32 results are from the truth.
/// </summary>
internal sealed class Float64Device : IKernels
{
    public string Description => "float64 test device";
    public IReadOnlyList<IExpertBackend> ExpertBackends { get; } = [new Experts()];

    public IBuffer Allocate(DType dtype, int rows, int columns) => new Handle(dtype, rows, columns, new double[rows * columns], 0, columns);

    public KeyValueType DefaultKeyValueType => KeyValueType.F32;

    public IKeyValues AllocateKeyValues(KeyValueType type, int blocks, int blockSize, int heads, int headDim)
        => new KeysValues(type, heads, headDim, new double[blocks * blockSize, heads * headDim], new double[blocks * blockSize, heads * headDim]);

    public void Write(IBuffer destination, ReadOnlySpan<int> source)
    {
        Handle d = (Handle)destination;
        d.Rows = source.Length / d.Columns;
        for (int i = 0; i < source.Length; i++) d[i / d.Columns, i % d.Columns] = source[i];
    }

    public void Write(IBuffer destination, ReadOnlySpan<float> source)
    {
        Handle d = (Handle)destination;
        d.Rows = source.Length / d.Columns;
        for (int i = 0; i < source.Length; i++) d[i / d.Columns, i % d.Columns] = source[i];
    }

    public void Read(IBuffer source, Span<float> destination)
    {
        Handle s = (Handle)source;
        for (int i = 0; i < destination.Length; i++) destination[i] = (float)s[i / s.Columns, i % s.Columns];
    }

    public void Read(IBuffer source, Span<int> destination)
    {
        Handle s = (Handle)source;
        for (int i = 0; i < destination.Length; i++) destination[i] = (int)s[i / s.Columns, i % s.Columns];
    }

    public Span<float> HostRow(IBuffer buffer, int row)
    {
        Handle b = (Handle)buffer;
        return Enumerable.Range(0, b.Columns).Select(i => (float)b[row, i]).ToArray(); // a copy: this device is apart from the host
    }

    public void OnHost(IHostWork work, int items, long operations)
    {
        for (int item = 0; item < items; item++) work.Run(item);
    }

    public ILinear LoadLinear(params ReadOnlySpan<StoredMatrix> weights)
    {
        List<double[]> rows = [];
        foreach (StoredMatrix weight in weights) rows.AddRange(Matrix(weight));
        return new Weights([.. rows]);
    }

    public IEmbedding LoadEmbedding(StoredMatrix weight) => new Weights(Matrix(weight));

    public IEmbedding RowsOf(ILinear weight) => (Weights)weight;

    public IBuffer LoadVector(StoredTensor weight, float factor = 1)
        => Vector([.. weight.ToSingles().Select(v => (double)v * factor)]);

    public IBuffer LoadVector(ReadOnlySpan<float> values) => Vector([.. values.ToArray().Select(v => (double)v)]);

    public IGatedActivation LoadActivation(Activation activation) => new GatedFormula(activation);

    public ILora LoadLora(LoraWeights weights) => new Update(weights);

    public ILora LoadEmbeddingLora(LoraWeights weights) => new Update(weights);

    public IExpertLora LoadExpertLora(ExpertLoraWeights weights) => new ExpertUpdates(weights);

    public void Embed(IEmbedding table, IBuffer ids, float scale, IBuffer output)
        => Each(output, (t, c) => ((Weights)table).Matrix[(int)((Handle)ids)[t, 0]][c] * scale);

    public void RmsNorm(IBuffer x, IBuffer? weight, float eps, IBuffer output) => Norm(x, weight, x.Columns, eps, output);

    public void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps) => Norm(x, weight, headDim, eps, x);

    public void RotaryTable(IBuffer positions, IBuffer inverseFrequencies, IBuffer cosSin)
    {
        Handle f = (Handle)inverseFrequencies;
        Each(cosSin, (t, c) =>
        {
            double angle = ((Handle)positions)[t, 0] * f[0, c % f.Columns];
            return c < f.Columns ? Math.Cos(angle) : Math.Sin(angle);
        });
    }

    public void Rotate(IBuffer x, IBuffer cosSin, int headDim)
    {
        Handle h = (Handle)x, table = (Handle)cosSin;
        int n = table.Columns / 2;
        for (int t = 0; t < h.Rows; t++)
            for (int head = 0; head < h.Columns; head += headDim)
                for (int i = 0; i < n; i++)
                {
                    double a = h[t, head + i], b = h[t, head + i + headDim / 2], cos = table[t, i], sin = table[t, n + i];
                    h[t, head + i] = a * cos - b * sin;
                    h[t, head + i + headDim / 2] = b * cos + a * sin;
                }
    }

    public void CopyKeysValues(IKeyValues cache, int fromBlock, int toBlock, int positions) => throw new NotSupportedException("one text has nothing to copy");

    public void StoreKeysValues(IBuffer keys, IBuffer values, IBuffer slots, IKeyValues cache)
    {
        KeysValues kept = (KeysValues)cache;
        if (kept.Type != KeyValueType.F32) throw new NotSupportedException(kept.Type.Name());
        for (int t = 0; t < keys.Rows; t++)
            for (int c = 0; c < keys.Columns; c++)
            {
                int slot = (int)((Handle)slots)[t, 0];
                (kept.Keys[slot, c], kept.Values[slot, c]) = (((Handle)keys)[t, c], ((Handle)values)[t, c]);
            }
    }

    public void Attention(IBuffer queries, IKeyValues cache, AttentionBatch batch, int? window, IBuffer output)
    {
        Handle q = (Handle)queries, result = (Handle)output;
        double[,] k = ((KeysValues)cache).Keys, v = ((KeysValues)cache).Values;
        int headDim = cache.HeadDim, group = q.Columns / headDim / cache.Heads;
        for (int t = 0; t < q.Rows; t++)
        {
            int last = (int)((Handle)batch.Positions)[t, 0], sequence = (int)((Handle)batch.Sequences)[t, 0];
            int first = Math.Max(0, last - (window ?? int.MaxValue / 2) + 1);
            int[] rows = [.. Enumerable.Range(first, last - first + 1).Select(p =>
                (int)((Handle)batch.BlockTables)[sequence, p / batch.BlockSize] * batch.BlockSize + p % batch.BlockSize)];
            for (int head = 0; head < q.Columns / headDim; head++)
            {
                int column = head / group * headDim;
                double[] scores = [.. rows.Select(row => Enumerable.Range(0, headDim).Sum(i => q[t, head * headDim + i] * k[row, column + i]))];
                double max = scores.Max();
                double[] weights = [.. scores.Select(s => Math.Exp(s - max))];
                double sum = weights.Sum();
                for (int i = 0; i < headDim; i++)
                    result[t, head * headDim + i] = rows.Zip(weights).Sum(pair => pair.Second * v[pair.First, column + i]) / sum;
            }
        }
    }

    public void Linear(ILinear weight, IBuffer x, IBuffer output)
        => Each(output, (t, o) => Dot(((Weights)weight).Matrix[o], (Handle)x, t));

    public void LinearRows(IEmbedding table, IBuffer rows, IBuffer x, IBuffer output)
        => Each(output, (t, j) => Dot(((Weights)table).Matrix[(int)((Handle)rows)[t, j]], (Handle)x, t));

    public void AddLora(LoraSlots<ILora> updates, IBuffer x, IBuffer slots, IBuffer lowRank, IBuffer output)
        => AddUpdates(updates, slots, output, (t, i) => ((Handle)x)[t, i]);

    public void AddEmbeddingLora(LoraSlots<ILora> updates, IBuffer ids, IBuffer slots, IBuffer lowRank, IBuffer output)
        => AddUpdates(updates, slots, output, (t, i) => i == (int)((Handle)ids)[t, 0] ? 1 : 0);

    public void GatedActivation(IGatedActivation activation, IBuffer gate, IBuffer up, IBuffer output)
        => Each(output, (t, c) => ((GatedFormula)activation).Combine(((Handle)gate)[t, c], ((Handle)up)[t, c]));

    public void RouteTopK(IBuffer logits, IBuffer perExpertScale, IBuffer ids, IBuffer weights)
    {
        for (int t = 0; t < logits.Rows; t++)
        {
            int[] chosen = [.. Enumerable.Range(0, logits.Columns).OrderByDescending(e => ((Handle)logits)[t, e]).ThenBy(e => e).Take(ids.Columns)];
            double max = ((Handle)logits)[t, chosen[0]], sum = chosen.Sum(e => Math.Exp(((Handle)logits)[t, e] - max));
            for (int slot = 0; slot < chosen.Length; slot++)
            {
                ((Handle)ids)[t, slot] = chosen[slot];
                ((Handle)weights)[t, slot] = Math.Exp(((Handle)logits)[t, chosen[slot]] - max) / sum * ((Handle)perExpertScale)[0, chosen[slot]];
            }
        }
    }

    public void AddBias(IBuffer bias, IBuffer x) => Each(x, (t, c) => ((Handle)x)[t, c] + ((Handle)bias)[0, c]);

    public void Add(IBuffer x, IBuffer residual) => Each(residual, (t, c) => ((Handle)residual)[t, c] + ((Handle)x)[t, c]);

    public void Scale(IBuffer x, float factor) => Each(x, (t, c) => ((Handle)x)[t, c] * factor);

    public void Softcap(IBuffer x, float cap) => Each(x, (t, c) => Math.Tanh(((Handle)x)[t, c] / cap) * cap);

    public void GatherRows(IBuffer x, IBuffer rows, IBuffer output)
        => Each(output, (r, c) => ((Handle)x)[(int)((Handle)rows)[r, 0], c]);

    public void Dispose()
    {
    }

    private static void AddUpdates(LoraSlots<ILora> updates, IBuffer slots, IBuffer output, Func<int, int, double> x)
    {
        Handle result = (Handle)output;
        for (int t = 0; t < result.Rows; t++)
        {
            int slot = (int)((Handle)slots)[t, 0];
            if (slot < 0 || updates[slot] is not Update update) continue;
            double[] delta = update.Of(i => x(t, i));
            for (int o = 0; o < delta.Length; o++) result[t, o] += delta[o];
        }
    }

    private static void Each(IBuffer output, Func<int, int, double> element)
    {
        Handle handle = (Handle)output;
        for (int t = 0; t < handle.Rows; t++)
            for (int c = 0; c < handle.Columns; c++) handle[t, c] = element(t, c);
    }

    private static void Norm(IBuffer x, IBuffer? weight, int group, float eps, IBuffer output)
    {
        Handle h = (Handle)x;
        for (int t = 0; t < h.Rows; t++)
            for (int start = 0; start < h.Columns; start += group)
            {
                double scale = 1 / Math.Sqrt(Enumerable.Range(start, group).Sum(c => h[t, c] * h[t, c]) / group + eps);
                for (int c = 0; c < group; c++)
                    ((Handle)output)[t, start + c] = h[t, start + c] * scale * (weight is null ? 1 : ((Handle)weight)[0, c]);
            }
    }

    private static double Dot(double[] weights, Handle x, int row)
    {
        double sum = 0;
        for (int i = 0; i < weights.Length; i++) sum += weights[i] * x[row, i];
        return sum;
    }

    private static double[][] Matrix(StoredMatrix matrix) => [.. Enumerable.Range(0, matrix.Rows).Select(row =>
    {
        var values = new float[matrix.Columns];
        matrix.ReadRow(row, values);
        return values.Select(v => (double)v).ToArray();
    })];

    private static Handle Vector(double[] values) => new(DType.F32, 1, values.Length, values, 0, values.Length) { Rows = 1 };

    private sealed class Update(LoraWeights weights) : ILora
    {
        private readonly double[][] a = Matrix(weights.A), b = Matrix(weights.B);
        private readonly double[]? bias = weights.Bias is { } row ? Matrix(row)[0] : null;

        public int Rank => a.Length;

        /// <summary>scale · (B · (A · x) + bias)</summary>
        public double[] Of(Func<int, double> x)
        {
            double[] u = [.. a.Select(row => row.Select((value, i) => value * x(i)).Sum())];
            return [.. b.Select((row, o) => weights.Scale * (row.Zip(u).Sum(pair => pair.First * pair.Second) + (bias?[o] ?? 0)))];
        }

        public void Dispose()
        {
        }
    }

    private sealed class ExpertUpdates(ExpertLoraWeights weights) : IExpertLora
    {
        public int Rank => 1;
        public Update?[] Gate { get; } = [.. weights.Gate.Select(w => w is null ? null : new Update(w))];
        public Update?[] Up { get; } = [.. weights.Up.Select(w => w is null ? null : new Update(w))];
        public Update?[] Down { get; } = [.. weights.Down.Select(w => w is null ? null : new Update(w))];

        public void Dispose()
        {
        }
    }

    /// <summary>Nothing but this device sees the elements.</summary>
    private sealed class Handle(DType dtype, int capacity, int columns, double[] values, int offset, int stride, Handle? whole = null) : IBuffer
    {
        private int rows;
        public DType DType => dtype;
        public int Capacity => capacity;
        public int Columns => columns;
        public int Rows
        {
            get => whole?.Rows ?? rows;
            set
            {
                if (whole is null) rows = value;
                else whole.Rows = value;
            }
        }

        public double this[int row, int column]
        {
            get => values[offset + row * stride + column];
            set => values[offset + row * stride + column] = value;
        }

        public IBuffer SliceColumns(int first, int count) => new Handle(dtype, capacity, count, values, offset + first, stride, this);

        public void Dispose()
        {
        }
    }

    private sealed record KeysValues(KeyValueType Type, int Heads, int HeadDim, double[,] Keys, double[,] Values) : IKeyValues
    {
        public void Dispose()
        {
        }
    }

    private sealed record Weights(double[][] Matrix) : ILinear, IEmbedding
    {
        public long ByteLength => 8L * Matrix.Length * Matrix[0].Length;
        public int OutFeatures => Matrix.Length;
        public int InFeatures => Matrix[0].Length;
        public int Rows => Matrix.Length;
        public int Columns => Matrix[0].Length;

        public void Dispose()
        {
        }
    }

    /// <summary>The formulas the goldens use, written out again.</summary>
    private sealed class GatedFormula(Activation activation) : IGatedActivation
    {
        public Activation Activation => activation;

        public double Combine(double gate, double up) => up * activation.Name switch
        {
            "gelu_tanh" => 0.5 * gate * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (gate + 0.044715 * gate * gate * gate))),
            "gelu" => 0.5 * gate * (1 + Erf(gate / Math.Sqrt(2))),
            "silu" => gate / (1 + Math.Exp(-gate)),
            _ => throw new NotSupportedException(activation.Name),
        };

        // Taylor series; the goldens' gates stay below 10, where 200 terms are exact to about 1e-12 up to |x| = 4 and
        // erf is ±1 beyond.
        private static double Erf(double x)
        {
            if (Math.Abs(x) > 4) return Math.Sign(x) * (1 - Math.Exp(-x * x) / (Math.Abs(x) * Math.Sqrt(Math.PI)));
            double term = x, sum = x;
            for (int n = 1; n < 200; n++)
            {
                term *= -x * x / n;
                sum += term / (2 * n + 1);
            }
            return 2 / Math.Sqrt(Math.PI) * sum;
        }
    }

    private sealed class Experts : IExpertBackend
    {
        public string Name => "float64";
        public string Purpose => "test";
        public HiddenPrecision HiddenStates(WeightFormat weights) => HiddenPrecision.Unrounded;
        public Support Supports(ExpertLayerSpec spec) => Support.Yes;
        public IExpertLayer Create(ExpertLayerSpec spec, ExpertWeights weights, int maxTokens) => new ExpertLoop(spec, weights);
    }

    private sealed class ExpertLoop(ExpertLayerSpec spec, ExpertWeights weights) : IExpertLayer
    {
        public long BytesPerExpert => 24L * spec.HiddenSize * spec.IntermediateSize;

        private readonly GatedFormula activation = new(spec.Activation);
        private readonly double[][][] gate = [.. weights.Gate.Select(Matrix)], up = [.. weights.Up!.Select(Matrix)], down = [.. weights.Down.Select(Matrix)];

        public void Forward(IBuffer x, IBuffer ids, IBuffer weights, ExpertLoraBatch? adapters, IBuffer output)
        {
            Each(output, (_, _) => 0);
            Handle input = (Handle)x, result = (Handle)output;
            for (int t = 0; t < input.Rows; t++)
                for (int slot = 0; slot < spec.TopK; slot++)
                {
                    int e = (int)((Handle)ids)[t, slot], adapter = adapters is { } a ? (int)((Handle)a.Slots)[t, 0] : -1;
                    ExpertUpdates? updates = adapter < 0 ? null : (ExpertUpdates?)adapters!.Value.Updates[adapter];
                    double[]? gateDelta = updates?.Gate[e]?.Of(i => input[t, i]), upDelta = updates?.Up[e]?.Of(i => input[t, i]);
                    double[] middle = [.. Enumerable.Range(0, spec.IntermediateSize).Select(i => activation.Combine(
                        Dot(gate[e][i], input, t) + (gateDelta?[i] ?? 0), Dot(up[e][i], input, t) + (upDelta?[i] ?? 0)))];
                    double[]? downDelta = updates?.Down[e]?.Of(i => middle[i]);
                    for (int h = 0; h < spec.HiddenSize; h++)
                        result[t, h] += ((Handle)weights)[t, slot] * (down[e][h].Zip(middle).Sum(pair => pair.First * pair.Second) + (downDelta?[h] ?? 0));
                }
        }

        public void Dispose()
        {
        }
    }
}
