using Lapidary.Checkpoints;

namespace Lapidary.Quantization;

/// <summary>Which of the matrices stacked along a tensor's first axis.</summary>
internal readonly record struct Stacked(int Index, int Count);

/// <summary>
/// The tensors that together store one weight matrix [rows, columns], each by the name of its part ("weight_packed",
/// "scales"). A linear layer has them as "module.part"; experts stacked in one parameter as "module_packed" for
/// weight_packed, "module" for weight, "module_scale" and so on, with one more axis in front, which is taken off here.
/// </summary>
/// <param name="module">Full name of the module or of the stacked parameter.</param>
/// <param name="account">Told the full name of each tensor that is used.</param>
internal sealed class MatrixParts(ICheckpoint checkpoint, string module, int rows, int columns, Stacked? stacked, Action<string> account)
{
    private const string Weight = "weight";

    private readonly Dictionary<string, StoredTensor> found = new(StringComparer.Ordinal);

    /// <summary>What to show in messages.</summary>
    public string Name => stacked is { } of ? $"{module}[{of.Index}]" : module;

    /// <summary>The gate's and the up projection's rows one after the other, which may have been quantised by themselves.</summary>
    public bool IsGateUp => module.EndsWith("gate_up_proj", StringComparison.Ordinal);

    public int Rows => rows;
    public int Columns => columns;

    /// <summary>Bytes of all tensors found so far, of this matrix alone.</summary>
    public long ByteLength => found.Values.Sum(tensor => tensor.ByteLength);

    /// <summary>All tensors found so far, of this matrix alone.</summary>
    public IEnumerable<StoredTensor> Tensors => found.Values;

    /// <summary>Whether the part is there.</summary>
    public bool Has(string part) => Names(part).Any(name => checkpoint.Find(name) is not null);

    /// <summary>The part as it is, or null.</summary>
    public StoredTensor? Find(string part)
    {
        if (found.TryGetValue(part, out StoredTensor? known)) return known;
        if (FindWhole(part) is not { } tensor) return null;
        return found[part] = Unstack(tensor);
    }

    /// <summary>The part with that dtype and shape.</summary>
    /// <exception cref="CheckpointException">It is missing or different.</exception>
    public StoredTensor Require(string part, ReadOnlySpan<DType> dtypes, params ReadOnlySpan<long> shape)
    {
        StoredTensor tensor = Find(part) ?? throw Missing(part);
        if (!dtypes.Contains(tensor.DType)) throw WrongType(tensor, dtypes);
        return shape.SequenceEqual([.. tensor.Shape]) ? tensor : throw WrongShape(tensor, shape);
    }

    /// <summary>As <see cref="Require"/>; axes of extent 1 may be left out or added: [out], [out, 1].</summary>
    /// <exception cref="CheckpointException">It is missing or different.</exception>
    public StoredTensor RequireSqueezed(string part, ReadOnlySpan<DType> dtypes, params ReadOnlySpan<long> shape)
    {
        StoredTensor tensor = Find(part) ?? throw Missing(part);
        if (!dtypes.Contains(tensor.DType)) throw WrongType(tensor, dtypes);
        return Squeezed([.. tensor.Shape]).SequenceEqual(Squeezed(shape.ToArray())) ? tensor : throw WrongShape(tensor, shape);
    }

    /// <summary>The part with every matrix of the stack, or null.</summary>
    public StoredTensor? FindWhole(string part)
    {
        foreach (string name in Names(part))
        {
            if (checkpoint.Find(name) is not { } tensor) continue;
            account(name);
            return tensor;
        }
        return null;
    }

    /// <summary>Refuses a part that would change the result if it were left out.</summary>
    /// <exception cref="CheckpointException">It is there.</exception>
    public void Refuse(string part, string reason)
    {
        if (Find(part) is { } tensor) throw Error(tensor, $"is present; {reason}");
    }

    /// <exception cref="CheckpointException">A bias that is not zero: this model has none.</exception>
    public void RefuseBias()
    {
        if (Find("bias") is not { } bias) return;
        if (bias.DType is not (DType.F32 or DType.F16 or DType.BF16) || bias.ElementCount > 1 << 24 || bias.ToSingles().Any(value => value != 0))
            throw Error(bias, "is a bias; this model has none, so the weights are probably of another one");
    }

    public CheckpointException Error(StoredTensor tensor, string message) => new(
        $"{checkpoint.LocationOf(tensor.Name.Split('[')[0])}: tensor {MessageText.Quote(tensor.Name)} {message}");

    public CheckpointException Missing(string part)
    {
        string[] siblings = [.. checkpoint.Names.Where(name => name.StartsWith(module, StringComparison.Ordinal))];
        return new($"{checkpoint.Location}: tensor {MessageText.Quote(Names(part).First())} is missing, which quantization_config asks for "
            + $"({(siblings.Length == 0 ? "nothing of this module is present" : $"present: {MessageText.Some(siblings, 6)}")}); "
            + "the checkpoint may be partly downloaded, or config.json of another version");
    }

    public CheckpointException WrongShape(StoredTensor tensor, ReadOnlySpan<long> expected) => Error(tensor,
        $"has shape {tensor.ShapeText}, expected [{string.Join(", ", expected.ToArray())}] for a [{rows}, {columns}] matrix; "
        + "quantization_config and the weights disagree, check num_bits and group_size");

    private CheckpointException WrongType(StoredTensor tensor, ReadOnlySpan<DType> expected) => Error(tensor,
        $"has dtype {tensor.DType}, expected {string.Join(" or ", expected.ToArray())}; quantization_config and the weights disagree");

    /// <summary>Names under which a part may be stored, the usual one first.</summary>
    private string[] Names(string part)
    {
        string dotted = $"{module}.{part}", joined = $"{module}_{part}";
        if (!part.StartsWith(Weight, StringComparison.Ordinal)) return stacked is null ? [dotted] : [dotted, joined];
        string bare = module + part[Weight.Length..]; // "module_packed"
        if (stacked is not null) return [bare, joined, dotted];
        return part == Weight ? [dotted] : [dotted, bare];
    }

    private StoredTensor Unstack(StoredTensor tensor)
    {
        if (stacked is not { } of) return tensor;
        if (tensor.Shape.Count > 0 && tensor.Shape[0] == of.Count) return tensor[of.Index];
        return tensor.ElementCount == 1
            ? tensor
            : throw Error(tensor, $"has shape {tensor.ShapeText}, expected {of.Count} matrices along its first axis, one for each expert");
    }

    private static long[] Squeezed(long[] shape) => [.. shape.Where(extent => extent != 1)];
}
