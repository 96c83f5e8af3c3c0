using Lapidary.Checkpoints;

namespace Lapidary.Quantization.Encoding;

/// <summary>A matrix to quantise.</summary>
/// <param name="Module">Full name of its module in the written checkpoint.</param>
internal sealed record PlannedMatrix(string Module, StoredMatrix Matrix)
{
    public RoundingError Error { get; } = new();
}

/// <summary>Which tensors of a checkpoint are quantised and which are copied.</summary>
internal sealed class QuantizationPlan
{
    private const string Weight = ".weight", GateUp = "gate_up_proj";

    private readonly Dictionary<string, string> left = new(StringComparer.Ordinal);
    private readonly List<PlannedMatrix> matrices = [];
    private readonly List<IReadOnlyList<TensorToWrite>> tensors = [];
    private int written;

    private QuantizationPlan()
    {
    }

    public IReadOnlyList<PlannedMatrix> Matrices => matrices;

    /// <summary>Modules of matrices that stay as they are, and why.</summary>
    public IReadOnlyDictionary<string, string> Left => left;

    /// <summary>Everything to write; tensors of one matrix are together.</summary>
    public IReadOnlyList<IReadOnlyList<TensorToWrite>> Tensors => tensors;

    /// <summary>Told how many matrices have been written.</summary>
    public Action<int>? Written { get; set; }

    /// <exception cref="LapidaryException">No text model, an ignored name that is not there, or weights that are not finite.</exception>
    public static QuantizationPlan Of(ICheckpoint checkpoint, QuantizeOptions options)
    {
        QuantizationPlan plan = new();
        string prefix = WeightNames.TextPrefix(checkpoint);
        JsonConfig none = JsonConfig.Parse("{}"u8.ToArray(), "--ignore", config => config);
        ModulePattern[] ignore = [.. options.Ignore.Select(text => ModulePattern.Parse(text, none))];
        HashSet<ModulePattern> used = [];
        foreach (string name in checkpoint.Names.Order(StringComparer.Ordinal))
        {
            StoredTensor tensor = checkpoint.Find(name)!;
            if (Projection(name, prefix, tensor) is not { } module)
            {
                plan.tensors.Add([TensorToWrite.From(tensor)]);
                if (IsLinear(name, prefix, tensor)) plan.left[name[..^Weight.Length]] = "kept precise";
                continue;
            }
            string? reason = Reason(tensor, new ModuleName(prefix, module[prefix.Length..]));
            if (tensor.Shape.Count == 2) plan.Add(module, new DenseMatrix(tensor), reason, options.Encoder, checkpoint.LocationOf(name));
            else plan.AddExperts(tensor, module, reason, options.Encoder, checkpoint.LocationOf(name));
        }
        if (Array.FindIndex(ignore, pattern => !used.Contains(pattern)) is >= 0 and var at)
            throw new RequestException($"--ignore {MessageText.Quote(options.Ignore[at])} names no weight matrix of this checkpoint");
        if (plan.matrices.Count == 0) throw new CheckpointException($"{checkpoint.Location}: nothing to quantise; every matrix is left as it is ({MessageText.Some([.. plan.left.Values.Distinct()], 3)})");
        return plan;

        string? Reason(StoredTensor tensor, ModuleName module)
        {
            foreach (ModulePattern pattern in ignore)
            {
                if (pattern.Matches(module) == Match.None) continue;
                used.Add(pattern);
                return "ignored on request";
            }
            return options.Encoder.Inapplicable((int)tensor.Shape[^1]);
        }
    }

    /// <summary>The module of a tensor that is quantised by default: projections of the text model's layers, routers excepted; else null.</summary>
    private static string? Projection(string name, string prefix, StoredTensor tensor)
    {
        if (!name.StartsWith(prefix + "layers.", StringComparison.Ordinal) || tensor.DType is not (DType.F32 or DType.F16 or DType.BF16)) return null;
        if (tensor.Shape.Count == 3 && name.Contains(".experts.", StringComparison.Ordinal) && name.EndsWith("_proj", StringComparison.Ordinal)) return name;
        if (tensor.Shape.Count != 2 || !name.EndsWith(Weight, StringComparison.Ordinal)) return null;
        string module = name[..^Weight.Length], last = module[(module.LastIndexOf('.') + 1)..];
        return last.EndsWith("_proj", StringComparison.Ordinal) || last is "per_layer_input_gate" or "per_layer_projection" ? module : null;
    }

    /// <summary>Weights that belong to a linear layer or a tower's, so that a configuration has to name them as left out.</summary>
    private static bool IsLinear(string name, string prefix, StoredTensor tensor)
        => tensor.Shape.Count == 2 && name.EndsWith(Weight, StringComparison.Ordinal) && !name.StartsWith($"{prefix}embed_tokens", StringComparison.Ordinal);

    /// <summary>Each expert's matrix by itself, whether quantised or left as it is.</summary>
    private void AddExperts(StoredTensor tensor, string parameter, string? reason, WeightEncoder encoder, string location)
    {
        int dot = parameter.LastIndexOf('.');
        string experts = parameter[..dot], projection = parameter[(dot + 1)..];
        for (int e = 0; e < tensor.Shape[0]; e++)
        {
            DenseMatrix matrix = new(tensor[e]);
            if (projection != GateUp)
            {
                Add($"{experts}.{e}.{projection}", matrix, reason, encoder, location);
                continue;
            }
            Add($"{experts}.{e}.gate_proj", matrix.SliceRows(0, matrix.Rows / 2), reason, encoder, location);
            Add($"{experts}.{e}.up_proj", matrix.SliceRows(matrix.Rows / 2, matrix.Rows / 2), reason, encoder, location);
        }
    }

    /// <param name="reason">Why the matrix is left as it is; null when it is quantised.</param>
    private void Add(string module, StoredMatrix matrix, string? reason, WeightEncoder encoder, string location)
    {
        StoredTensor tensor = ((DenseMatrix)matrix).Tensor;
        if (reason is not null)
        {
            left[module] = reason;
            tensors.Add([TensorToWrite.From(tensor) with { Name = module + Weight }]);
            return;
        }
        PlannedMatrix planned = new(module, matrix);
        matrices.Add(planned);
        TensorToWrite[] parts = [.. encoder.Encode(module, matrix, tensor.DType, planned.Error)];
        Action<Stream> codes = parts[0].WriteBytes;
        parts[0] = parts[0] with
        {
            WriteBytes = stream =>
            {
                Written?.Invoke(written);
                matrix.RequireFinite(location);
                codes(stream);
                Written?.Invoke(++written);
            },
        };
        tensors.Add(parts);
    }
}
