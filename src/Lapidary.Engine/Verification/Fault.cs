using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.Models;
using Lapidary.Quantization;

namespace Lapidary.Verification;

/// <summary>
/// A deliberate error, put in from outside the product's code, that a check has to notice. A check that passes with a
/// fault in place proves nothing.
/// </summary>
public sealed record Fault(string Name, string Description)
{
    public static IReadOnlyList<Fault> All { get; } =
    [
        new("erf", "GELU in its erf form in place of the model's activation"),
        new("silu", "SiLU in place of the model's activation"),
        new("swap-halves", "gate and up halves of the experts (of the dense MLP without experts) exchanged"),
        new("one-plus-norm", "norms multiply by 1 + weight"),
        new("no-vnorm", "values are not normalised"),
        new("drop-expert", "expert 0 of every layer contributes nothing"),
    ];

    /// <exception cref="RequestException">No fault of that name; the message lists the known ones.</exception>
    public static Fault Parse(string name) => All.FirstOrDefault(f => f.Name == name)
        ?? throw new RequestException($"unknown fault \"{name}\"; known: {string.Join(", ", All.Select(f => f.Name))}");

    /// <summary>Why this fault cannot be put into that model, or null.</summary>
    public string? Inapplicable(Gemma4Config config) => Name switch
    {
        "erf" or "silu" when Replacement!.Name == config.HiddenActivation.Name => $"the model's own activation is {config.HiddenActivation.Name}",
        "drop-expert" when config.Experts is null => "the model has no experts",
        _ => null,
    };

    public Gemma4Config Apply(Gemma4Config config)
        => Replacement is { } activation ? config with { HiddenActivation = activation } : config;

    public IKernels Apply(IKernels kernels) => Name == "no-vnorm" ? new NoValueNorm(kernels) : kernels;

    /// <summary>The weights with the fault, however they are stored.</summary>
    public IWeightSource Apply(IWeightSource weights, Gemma4Config config) => Name switch
    {
        "one-plus-norm" => new OnePlusNorm(weights),
        "swap-halves" when config.Experts is not null => new SwappedExperts(weights),
        "swap-halves" => new SwappedMlp(weights),
        "drop-expert" => new DroppedExpert(weights),
        _ => weights,
    };

    private Activation? Replacement => Name switch
    {
        "erf" => Activation.FromHuggingFace("gelu"),
        "silu" => Activation.FromHuggingFace("silu"),
        _ => null,
    };

    /// <summary>Values pass as they are. Only values are normalised by head without a weight.</summary>
    private sealed class NoValueNorm(IKernels inner) : ForwardingKernels(inner)
    {
        public override void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps)
        {
            if (weight is not null) base.RmsNormHeads(x, weight, headDim, eps);
        }
    }

    /// <summary>The same weights but for what a fault overrides.</summary>
    private abstract class FaultyWeights(IWeightSource inner) : IWeightSource
    {
        public string Location => inner.Location;
        public long ByteLength => inner.ByteLength;
        public virtual StoredTensor Require(string name, params ReadOnlySpan<long> shape) => inner.Require(name, shape);
        public virtual StoredMatrix Matrix(string name, int rows, int columns) => inner.Matrix(name, rows, columns);
        public virtual ExpertWeights Experts(string name, int count, int intermediateSize, int hiddenSize)
            => inner.Experts(name, count, intermediateSize, hiddenSize);
        public void IgnoreModule(string name) => inner.IgnoreModule(name);
        public IReadOnlyList<string> Unused() => inner.Unused();
    }

    private sealed class OnePlusNorm(IWeightSource inner) : FaultyWeights(inner)
    {
        public override StoredTensor Require(string name, params ReadOnlySpan<long> shape)
        {
            StoredTensor tensor = base.Require(name, shape);
            if (!name.EndsWith("norm.weight", StringComparison.Ordinal)) return tensor;
            float[] values = [.. tensor.ToSingles().Select(value => value + 1)];
            return Tensor(tensor, DType.F32, MemoryMarshal.AsBytes<float>(values));
        }
    }

    private sealed class SwappedExperts(IWeightSource inner) : FaultyWeights(inner)
    {
        public override ExpertWeights Experts(string name, int count, int intermediateSize, int hiddenSize)
        {
            ExpertWeights weights = base.Experts(name, count, intermediateSize, hiddenSize);
            return weights with { Gate = weights.Up!, Up = weights.Gate };
        }
    }

    private sealed class SwappedMlp(IWeightSource inner) : FaultyWeights(inner)
    {
        public override StoredMatrix Matrix(string name, int rows, int columns) => base.Matrix(
            name.Contains(".gate_proj", StringComparison.Ordinal) ? name.Replace(".gate_proj", ".up_proj", StringComparison.Ordinal)
            : name.Replace(".up_proj", ".gate_proj", StringComparison.Ordinal), rows, columns);
    }

    private sealed class DroppedExpert(IWeightSource inner) : FaultyWeights(inner)
    {
        public override ExpertWeights Experts(string name, int count, int intermediateSize, int hiddenSize)
        {
            ExpertWeights weights = base.Experts(name, count, intermediateSize, hiddenSize);
            return weights with { Down = [Nothing(weights.Down[0]), .. weights.Down.Skip(1)] };
        }

        private static StoredMatrix Nothing(StoredMatrix matrix) => matrix switch
        {
            DenseMatrix dense => new DenseMatrix(Tensor(dense.Tensor, dense.Tensor.DType, new byte[dense.Tensor.ByteLength])),
            QuantizedMatrix quantized => new NoScales(quantized),
            _ => throw new CheckpointException($"matrix \"{matrix.Name}\" is {matrix.Format}, which cannot be dropped"),
        };
    }

    private sealed class NoScales(QuantizedMatrix inner) : QuantizedMatrix(inner.Name, inner.Rows, inner.Columns, inner.Format)
    {
        public override long ByteLength => inner.ByteLength;
        public override ReadOnlySpan<int> ColumnGroups => inner.ColumnGroups;
        public override StoredMatrix SliceRows(int first, int count) => new NoScales((QuantizedMatrix)inner.SliceRows(first, count));
        public override void ReadCodes(int row, Span<byte> codes) => inner.ReadCodes(row, codes);

        public override void ReadScales(int row, Span<float> scales, Span<float> offsets)
        {
            scales.Clear();
            offsets.Clear();
        }
    }

    /// <summary>A tensor of the name and shape of another, in memory of its own.</summary>
    private static StoredTensor Tensor(StoredTensor like, DType dtype, ReadOnlySpan<byte> values)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(values.Length, pinned: true);
        values.CopyTo(bytes);
        return new StoredTensor(like.Name, dtype, like.Shape, Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), bytes);
    }
}
