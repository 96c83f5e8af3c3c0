using Lapidary.Checkpoints;
using Lapidary.Checkpoints.Gguf;
using Lapidary.Experts;
using Lapidary.Quantization;

namespace Lapidary.Models.Gguf;

/// <summary>Gemma 4's weights in a GGUF file.</summary>
internal sealed class GgufWeights(GgufFile file) : IWeightSource
{
    private const string SplitGate = "ffn_gate_exps", SplitUp = "ffn_up_exps", Fused = "ffn_gate_up_exps";
    private readonly HashSet<string> accounted = new(["rope_freqs.weight"], StringComparer.Ordinal); // read as configuration

    public string Location => file.Location;
    public long ByteLength => file.Tensors.Sum(tensor => tensor.ByteLength);

    public StoredTensor Require(string name, params ReadOnlySpan<long> shape)
    {
        GgufTensor tensor = Tensor(GgufNames.Tensor(name) ?? name, shape);
        return file.Matrix(tensor) is DenseMatrix dense
            ? new StoredTensor(dense.Name, dense.Tensor.DType, tensor.Shape, dense.Tensor.Address, dense)
            : throw new CheckpointException($"{Location}: tensor {MessageText.Quote(tensor.Name)} is {tensor.Type.Name}, expected F32, F16 or BF16");
    }

    public StoredMatrix Matrix(string name, int rows, int columns)
        => file.Matrix(Tensor(GgufNames.Tensor(name) ?? name, [rows, columns]));

    /// <summary>Fused [e, 2i, h], or gate and up in tensors of their own as older converters wrote them.</summary>
    public ExpertWeights Experts(string name, int count, int intermediateSize, int hiddenSize)
    {
        string fused = GgufNames.Tensor($"{name}.gate_up_proj")!;
        StoredMatrix[] down = Stacked(GgufNames.Tensor($"{name}.down_proj")!, count, hiddenSize, intermediateSize);
        if (file.Find(fused) is not null) return ExpertWeights.FromFused(Stacked(fused, count, 2 * intermediateSize, hiddenSize), down);
        return new ExpertWeights(
            Stacked(fused.Replace(Fused, SplitGate, StringComparison.Ordinal), count, intermediateSize, hiddenSize),
            Stacked(fused.Replace(Fused, SplitUp, StringComparison.Ordinal), count, intermediateSize, hiddenSize), down);
    }

    public void IgnoreModule(string name)
    {
        if (GgufNames.Tensor(name) is { } stored) accounted.Add(stored);
    }

    public IReadOnlyList<string> Unused()
        => [.. file.Tensors.Select(tensor => tensor.Name).Where(name => !accounted.Contains(name)).Order(StringComparer.Ordinal)];

    private StoredMatrix[] Stacked(string name, int count, int rows, int columns)
    {
        StoredMatrix all = file.Matrix(Tensor(name, [count, rows, columns]));
        return [.. Enumerable.Range(0, count).Select(index => all.SliceRows(index * rows, rows))];
    }

    private GgufTensor Tensor(string name, ReadOnlySpan<long> shape)
    {
        accounted.Add(name);
        string expected = $"[{string.Join(", ", shape.ToArray())}]";
        if (file.Find(name) is not { } tensor)
            throw new CheckpointException($"{Location}: tensor {MessageText.Quote(name)} is missing, expected shape {expected}; the file may be of another model or of an older converter");
        if (!shape.SequenceEqual([.. tensor.Shape]))
            throw new CheckpointException($"{Location}: tensor {MessageText.Quote(name)} has shape [{string.Join(", ", tensor.Shape)}], expected {expected}; the metadata describes another model");
        return tensor;
    }
}
