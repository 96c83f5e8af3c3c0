using Lapidary.Checkpoints;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Conformance;

/// <summary>
/// A deliberate error that the matrix has to notice in every cell it can be put into. It changes what a backend is given,
/// never a backend, so that a new backend meets every fault.
/// </summary>
public sealed record MoeFault(string Name, string Description)
{
    private const double NoLimit = 1e30;

    public static IReadOnlyList<MoeFault> All { get; } =
    [
        new("erf", "GELU in its erf form in place of the activation"),
        new("silu", "SiLU in place of the activation"),
        new("quick-gelu", "x · σ(1.702 x) in place of the activation"),
        new("missing-clamp", "the activation without its limits"),
        new("swap-halves", "gate and up exchanged"),
        new("drop-expert", "expert 0 contributes nothing"),
        new("unscaled-routing", "every routing weight is 1"),
        new("transposed-scales", "group scales read as [groups, rows]"),
    ];

    /// <exception cref="RequestException">No fault of that name; the message lists the known ones.</exception>
    public static MoeFault Parse(string name) => All.FirstOrDefault(f => f.Name == name)
        ?? throw new RequestException($"unknown fault {MessageText.Quote(name)}; known: {string.Join(", ", All.Select(f => f.Name))}");

    /// <summary>The activation a backend is given, or null when the fault cannot be put into it.</summary>
    internal Activation? Apply(ConformanceActivation activation) => Name switch
    {
        "erf" => Replaced(activation, Activation.FromHuggingFace("gelu")),
        "silu" => Replaced(activation, Activation.FromHuggingFace("silu")),
        "quick-gelu" => Replaced(activation, Activation.Of<QuickGelu>()),
        "missing-clamp" => Unlimited(activation),
        "swap-halves" when activation.Form == ActivationForm.NonGated => null,
        _ => activation.Activation,
    };

    /// <summary>The weights a backend is given, or null when the fault cannot be put into them.</summary>
    internal ExpertWeights? Apply(ConformanceData data, ActivationForm form)
    {
        ExpertWeights weights = data.Weights(form);
        return Name switch
        {
            "swap-halves" => weights with { Gate = weights.Up!, Up = weights.Gate },
            "drop-expert" => weights with { Down = [Zero(weights.Down[0]), .. weights.Down.Skip(1)] },
            "transposed-scales" when data.Format.Extent == ScaleExtent.Tensor || !HasGroups(weights) => null,
            "transposed-scales" => new([.. weights.Gate.Select(Transposed)], weights.Up?.Select(Transposed).ToArray(), [.. weights.Down.Select(Transposed)]),
            _ => weights,
        };
    }

    /// <summary>The routing weights a backend is given.</summary>
    internal float[] Apply(float[] factors) => Name == "unscaled-routing" ? [.. factors.Select(_ => 1f)] : factors;

    private static Activation? Replaced(ConformanceActivation original, Activation other) => original.Activation.Name == other.Name ? null : other;

    private static Activation? Unlimited(ConformanceActivation activation) => activation.Activation.Name switch
    {
        "swigluoai" => Activation.FromHuggingFace("swigluoai_uninterleave", new(Alpha: 1.702, Beta: 1, Limit: NoLimit)),
        "swiglustep" => Activation.FromHuggingFace("silu"),
        var name when activation.Parameters.Limit is not null => Activation.FromHuggingFace(name, activation.Parameters with { Limit = NoLimit }),
        _ => null,
    };

    private static bool HasGroups(ExpertWeights weights)
        => weights.Gate.Concat(weights.Up ?? []).Concat(weights.Down).Any(m => m is QuantizedMatrix { Groups: > 1, Rows: > 1 });

    private static StoredMatrix Zero(StoredMatrix matrix)
    {
        if (matrix is CodedMatrix coded) return coded.With(scales => new float[scales.Length]);
        StoredTensor tensor = ((DenseMatrix)matrix).Tensor;
        byte[] bytes = GC.AllocateArray<byte>((int)tensor.ByteLength, pinned: true);
        return new DenseMatrix(new StoredTensor(tensor.Name, tensor.DType, tensor.Shape, System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), bytes));
    }

    /// <summary>[rows, groups] taken for [groups, rows].</summary>
    private static StoredMatrix Transposed(StoredMatrix matrix)
    {
        CodedMatrix coded = (CodedMatrix)matrix;
        int rows = coded.Rows, groups = coded.Groups;
        return coded.With(grid => [.. Enumerable.Range(0, grid.Length).Select(n => grid[n % rows * groups + n / rows])]);
    }

    /// <summary>OpenAI's approximation; HuggingFace's "quick_gelu".</summary>
    private readonly struct QuickGelu : IActivation<QuickGelu>
    {
        public static ActivationInfo Info => new(
            "quick_gelu", [], null, "arXiv:1606.08415 §2", HasNonGated: true, ActivationRounding.Twice, Tolerance: 1e-6);

        public static T Apply<T>(QuickGelu activation, T x) where T : struct, ILane<T> => x * LaneMath.Sigmoid(T.Const(1.702) * x);
    }
}
