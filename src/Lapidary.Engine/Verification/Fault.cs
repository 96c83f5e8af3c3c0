using System.Runtime.InteropServices;
using Lapidary.Checkpoints;
using Lapidary.Models;

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

    public ICheckpoint Apply(ICheckpoint checkpoint, Gemma4Config config) => Name switch
    {
        "one-plus-norm" => new Altered(checkpoint, name => name.EndsWith("norm.weight", StringComparison.Ordinal), AddOne),
        "swap-halves" when config.Experts is not null => new Altered(checkpoint, name => name.EndsWith("gate_up_proj", StringComparison.Ordinal), SwapHalves),
        "swap-halves" => new Renamed(checkpoint, ("mlp.gate_proj", "mlp.up_proj")),
        "drop-expert" => new Altered(checkpoint, name => name.EndsWith("experts.down_proj", StringComparison.Ordinal), DropExperts),
        _ => checkpoint,
    };

    private Activation? Replacement => Name switch
    {
        "erf" => Activation.FromHuggingFace("gelu"),
        "silu" => Activation.FromHuggingFace("silu"),
        _ => null,
    };

    private static void AddOne(StoredTensor tensor, Span<byte> bytes)
    {
        float[] values = tensor.ToSingles();
        if (tensor.DType != DType.F32)
            for (int i = 0; i < values.Length; i++)
                MemoryMarshal.Cast<byte, ushort>(bytes)[i] = (ushort)(BitConverter.SingleToUInt32Bits(values[i] + 1) >> 16);
        else
            for (int i = 0; i < values.Length; i++) MemoryMarshal.Cast<byte, float>(bytes)[i] = values[i] + 1;
    }

    private static void SwapHalves(StoredTensor tensor, Span<byte> bytes)
    {
        int half = bytes.Length / (int)tensor.Shape[0] / 2;
        for (int start = 0; start < bytes.Length; start += 2 * half)
        {
            byte[] gate = bytes.Slice(start, half).ToArray();
            bytes.Slice(start + half, half).CopyTo(bytes[start..]);
            gate.CopyTo(bytes[(start + half)..]);
        }
    }

    private static void DropExperts(StoredTensor tensor, Span<byte> bytes) => bytes[..(bytes.Length / (int)tensor.Shape[0])].Clear();

    /// <summary>Values pass as they are. Only values are normalised by head without a weight.</summary>
    private sealed class NoValueNorm(IKernels inner) : ForwardingKernels(inner)
    {
        public override void RmsNormHeads(IBuffer x, IBuffer? weight, int headDim, float eps)
        {
            if (weight is not null) base.RmsNormHeads(x, weight, headDim, eps);
        }
    }

    private delegate void Alteration(StoredTensor tensor, Span<byte> bytes);

    /// <summary>A checkpoint of which some tensors are changed copies.</summary>
    private sealed class Altered(ICheckpoint inner, Func<string, bool> matches, Alteration alter) : ICheckpoint
    {
        public string Location => inner.Location;
        public IReadOnlyCollection<string> Names => inner.Names;

        public StoredTensor? Find(string name)
        {
            if (inner.Find(name) is not { } tensor || !matches(name)) return inner.Find(name);
            byte[] bytes = GC.AllocateUninitializedArray<byte>(checked((int)tensor.ByteLength), pinned: true);
            tensor.Bytes(0, bytes.Length).CopyTo(bytes);
            alter(tensor, bytes);
            return new StoredTensor(name, tensor.DType, tensor.Shape, Marshal.UnsafeAddrOfPinnedArrayElement(bytes, 0), bytes);
        }

        public void Dispose() => inner.Dispose();
    }

    /// <summary>A checkpoint in which two kinds of tensors have exchanged their names.</summary>
    private sealed class Renamed(ICheckpoint inner, (string A, string B) names) : ICheckpoint
    {
        public string Location => inner.Location;
        public IReadOnlyCollection<string> Names => inner.Names;

        public StoredTensor? Find(string name)
            => name.Contains(names.A, StringComparison.Ordinal) ? inner.Find(name.Replace(names.A, names.B, StringComparison.Ordinal))
             : name.Contains(names.B, StringComparison.Ordinal) ? inner.Find(name.Replace(names.B, names.A, StringComparison.Ordinal))
             : inner.Find(name);

        public void Dispose() => inner.Dispose();
    }
}
