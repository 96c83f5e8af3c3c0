using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Checkpoints;

/// <summary>
/// The text model's weights in a HuggingFace checkpoint, with shape and dtype checked.
/// </summary>
public sealed class TensorSource : IWeightSource
{
    private readonly ICheckpoint checkpoint;
    private readonly QuantizationConfig? quantization;
    private readonly HashSet<string> accounted = new(StringComparer.Ordinal);
    private readonly Lazy<HashSet<string>> modules;

    /// <param name="quantization">What config.json says of quantised weights; null when it says nothing.</param>
    /// <exception cref="CheckpointException">The checkpoint has no text model, or more than one.</exception>
    public TensorSource(ICheckpoint checkpoint, QuantizationConfig? quantization)
    {
        this.checkpoint = checkpoint;
        this.quantization = quantization;
        modules = new(() => [.. checkpoint.Names.SelectMany(name => (string[])[name[..Math.Max(0, name.LastIndexOf('.'))], name[..Math.Max(0, name.LastIndexOf('_'))]])]);
        Prefix = WeightNames.TextPrefix(checkpoint);
    }

    /// <summary>What full names have before the short name, e.g. "model.language_model.".</summary>
    public string Prefix { get; }

    /// <summary>What to show in messages.</summary>
    public string Location => checkpoint.Location;

    /// <summary>Bytes of all tensors.</summary>
    public long ByteLength => checkpoint.Names.Sum(name => checkpoint.Find(name)!.ByteLength);

    /// <summary>The weight of that short name and exactly that shape, in F32, F16 or BF16.</summary>
    /// <exception cref="CheckpointException">It is missing or has another shape or dtype.</exception>
    public StoredTensor Require(string name, params ReadOnlySpan<long> shape)
    {
        if (Optional(name, shape) is { } tensor) return tensor;
        string fullName = WeightNames.Resolve(Prefix, name);
        string parent = fullName[..(fullName.LastIndexOf('.') + 1)];
        string[] siblings = [.. checkpoint.Names.Where(other => other.StartsWith(parent, StringComparison.Ordinal))];
        string nearby = siblings.Length == 0 ? $"nothing under \"{parent}\" is present" : $"beside it: {MessageText.Some(siblings, 4)}";
        throw new CheckpointException($"{checkpoint.Location}: tensor \"{fullName}\" is missing, expected shape {Text(shape)} ({nearby}); "
            + "the checkpoint may be partly downloaded, or config.json may describe another model");
    }

    /// <summary>The weight matrix of a linear layer or an embedding in whatever layout the checkpoint has it.</summary>
    /// <param name="name">The module's short name, e.g. "layers.0.self_attn.q_proj".</param>
    /// <exception cref="CheckpointException">It is missing, of another shape or dtype, or not stored as the configuration says.</exception>
    public StoredMatrix Matrix(string name, int rows, int columns)
    {
        ModuleName module = new(Prefix, name);
        if (IsFloating($"{module.Full}.weight") || !HasModule(name)) return new DenseMatrix(Require($"{name}.weight", rows, columns));
        return Layout(module).Read(Parts(module, rows, columns, stacked: null), Location);
    }

    /// <summary>Matrices stacked in one parameter along its first axis, e.g. those of all experts, in whatever layout.</summary>
    /// <param name="name">The parameter's short name, e.g. "layers.0.experts.gate_up_proj".</param>
    /// <exception cref="CheckpointException">As for <see cref="Matrix"/>.</exception>
    public StoredMatrix[] StackedMatrices(string name, int count, int rows, int columns)
    {
        ModuleName module = new(Prefix, name);
        if (IsFloating(module.Full) || !checkpoint.Names.Any(other => other.StartsWith(module.Full, StringComparison.Ordinal)))
        {
            StoredTensor dense = Require(name, count, rows, columns);
            return [.. Enumerable.Range(0, count).Select(index => new DenseMatrix(dense[index]))];
        }
        WeightLayout layout = Layout(module);
        return [.. Enumerable.Range(0, count).Select(index => layout.Read(Parts(module, rows, columns, new Stacked(index, count)), Location))];
    }

    /// <summary>Fused [e, 2i, h] and [e, h, i], or one matrix per expert and projection.</summary>
    /// <exception cref="CheckpointException">As for <see cref="Matrix"/>.</exception>
    public ExpertWeights Experts(string name, int count, int intermediateSize, int hiddenSize)
    {
        if (!HasModule($"{name}.0.gate_proj"))
            return ExpertWeights.FromFused(
                StackedMatrices($"{name}.gate_up_proj", count, 2 * intermediateSize, hiddenSize),
                StackedMatrices($"{name}.down_proj", count, hiddenSize, intermediateSize));
        return new ExpertWeights(
            [.. Enumerable.Range(0, count).Select(e => Matrix($"{name}.{e}.gate_proj", intermediateSize, hiddenSize))],
            [.. Enumerable.Range(0, count).Select(e => Matrix($"{name}.{e}.up_proj", intermediateSize, hiddenSize))],
            [.. Enumerable.Range(0, count).Select(e => Matrix($"{name}.{e}.down_proj", hiddenSize, intermediateSize))]);
    }

    /// <summary>Whether anything of the module of that short name is there.</summary>
    public bool HasModule(string name) => modules.Value.Contains(WeightNames.Resolve(Prefix, name));

    /// <summary>As <see cref="Require"/>, but null when there is no tensor of that name.</summary>
    /// <exception cref="CheckpointException">It is there but has another shape or dtype.</exception>
    public StoredTensor? Optional(string name, params ReadOnlySpan<long> shape)
    {
        string fullName = WeightNames.Resolve(Prefix, name);
        accounted.Add(fullName);
        if (checkpoint.Find(fullName) is not { } tensor) return null;
        if (!shape.SequenceEqual([.. tensor.Shape]))
        {
            throw new CheckpointException($"{checkpoint.LocationOf(fullName)}: tensor \"{fullName}\" has shape {tensor.ShapeText}, expected {Text(shape)}; "
                + "config.json and the weights are probably of different models");
        }
        if (tensor.DType is not (DType.F32 or DType.F16 or DType.BF16))
        {
            throw new CheckpointException($"{checkpoint.LocationOf(fullName)}: tensor \"{fullName}\" has dtype {tensor.DType}, "
                + "expected F32, F16 or BF16; the checkpoint is probably quantised in a way that is not supported");
        }
        return tensor;
    }

    /// <summary>The tensor of that short name as it is, unchecked and not noted; null when there is none.</summary>
    public StoredTensor? Find(string name) => checkpoint.Find(WeightNames.Resolve(Prefix, name));

    /// <summary>Notes a weight that may be present but is not used, e.g. k_proj of a layer that shares its keys.</summary>
    public void Ignore(string name) => accounted.Add(WeightNames.Resolve(Prefix, name));

    /// <summary>Notes a module that may be present but is not used, all its tensors.</summary>
    public void IgnoreModule(string name)
    {
        string module = WeightNames.Resolve(Prefix, name) + ".";
        accounted.UnionWith(checkpoint.Names.Where(other => other.StartsWith(module, StringComparison.Ordinal)));
    }

    /// <summary>Full names, sorted, that were neither asked for nor ignored and belong to no vision or audio tower.</summary>
    public IReadOnlyList<string> Unused()
    {
        string[] unused = [.. checkpoint.Names.Where(name => !accounted.Contains(name) && !WeightNames.IsTower(name)).Order(StringComparer.Ordinal)];
        return quantization is null || unused.Length == 0 ? unused : [.. ActivationScales.Without(unused, accounted)];
    }

    private bool IsFloating(string fullName) => checkpoint.Find(fullName) is { DType: DType.F32 or DType.F16 or DType.BF16 };

    private WeightLayout Layout(ModuleName module)
    {
        if (quantization?.LayoutOf(module) is { } layout) return layout;
        string[] names = [.. checkpoint.Names.Where(name => name.StartsWith(module.Full, StringComparison.Ordinal))];
        string[] parts = [.. names.Select(name => $"{name} ({checkpoint.Find(name)!.DType})")];
        throw new CheckpointException($"{checkpoint.LocationOf(names[0])}: {MessageText.Quote(module.Full)} is stored as {MessageText.Some(parts, 6)}, "
            + (quantization is null
                ? "so it is quantised, but config.json has no quantization_config; take the config.json of this checkpoint"
                : $"so it is quantised, but quantization_config ({quantization.Summary}) leaves it out; config.json is of another version of this checkpoint"));
    }

    private MatrixParts Parts(ModuleName module, int rows, int columns, Stacked? stacked)
        => new(checkpoint, module.Full, rows, columns, stacked, name => accounted.Add(name));

    private static string Text(ReadOnlySpan<long> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
