using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Lora;

/// <summary>The tensors of one update, as they are found; then the update, with its shapes checked.</summary>
/// <param name="error">Makes the error for a tensor and a reason.</param>
internal sealed class LoraTensors(LoraTensorName name, string firstTensor, LoraConfig config, Func<string, string, AdapterException> error)
{
    private readonly Dictionary<LoraPart, StoredTensor> parts = [];

    public LoraTensorName Name => name;
    public string FirstTensor => firstTensor;
    public LoraConfig Config => config;

    public void Add(LoraPart part, StoredTensor tensor) => parts[part] = tensor;

    /// <summary>A [r, in] and B [out, r] of one weight matrix.</summary>
    public LoraWeights OfLinear(int outFeatures, int inFeatures)
    {
        (StoredTensor a, StoredTensor b) = Pair(LoraPart.A, LoraPart.B);
        string pattern = config.PatternName(name.Module);
        int rank = config.RankOf(pattern);
        Expect(a, rank, inFeatures, "[rank, in features]");
        Expect(b, outFeatures, rank, "[out features, rank]");
        StoredTensor? bias = parts.GetValueOrDefault(LoraPart.Bias);
        if (bias is not null && bias.ElementCount != outFeatures) throw error(bias.Name, $"its shape is {bias.ShapeText}, expected [{outFeatures}]");
        return new LoraWeights(new DenseMatrix(a), new DenseMatrix(b), config.ScaleOf(pattern), bias is null ? null : new DenseMatrix(bias.AsRow()));
    }

    /// <summary>A [r, rows] and B [columns, r] of a table; the table's own scale applies to the update too.</summary>
    public LoraWeights OfEmbedding(EmbeddingSite site)
    {
        string pattern = config.PatternName(name.Module);
        int rank = config.RankOf(pattern), rows = site.Stored.Rows, columns = site.Stored.Columns;
        float scale = config.ScaleOf(pattern) * site.Scale;
        if (parts.ContainsKey(LoraPart.A)) // adapted as a parameter: B · A is the table's own shape
        {
            (StoredTensor right, StoredTensor left) = Pair(LoraPart.A, LoraPart.B);
            Expect(right, rank, columns, "[rank, width]");
            Expect(left, rows, rank, "[vocabulary, rank]");
            return new LoraWeights(
                new StridedMatrix(left.Name, left, 0, rank, rows, 1, rank), new StridedMatrix(right.Name, right, 0, columns, rank, 1, columns), scale);
        }
        (StoredTensor a, StoredTensor b) = Pair(LoraPart.EmbeddingA, LoraPart.EmbeddingB);
        Expect(a, rank, rows, "[rank, vocabulary]");
        Expect(b, columns, rank, "[width, rank]");
        return new LoraWeights(new DenseMatrix(a), new DenseMatrix(b), scale);
    }

    /// <summary>A and B of a tensor of all experts.</summary>
    public (StoredTensor A, StoredTensor B) OfStack()
    {
        (StoredTensor a, StoredTensor b) = Pair(LoraPart.A, LoraPart.B);
        if (a.Shape.Count != 2) throw error(a.Name, $"its shape is {a.ShapeText}, expected [experts · rank, in features]");
        if (b.Shape.Count != 2) throw error(b.Name, $"its shape is {b.ShapeText}, expected [out features, rank · experts]");
        return (a, b);
    }

    public AdapterException Error(string tensor, string reason) => error(tensor, reason);

    public void Expect(StoredTensor tensor, long rows, long columns, string meaning)
    {
        if (tensor.Shape is [var r, var c] && r == rows && c == columns) return;
        string trained = config.BaseModelNameOrPath is { } model ? $"; the adapter was trained on {MessageText.Quote(model)}" : "";
        throw error(tensor.Name, $"its shape is {tensor.ShapeText}, expected [{rows}, {columns}], which is {meaning} for this model with the rank that {LoraConfig.FileName} gives{trained}");
    }

    /// <summary>Both tensors of an update; nothing else may be there but a bias.</summary>
    private (StoredTensor A, StoredTensor B) Pair(LoraPart first, LoraPart second)
    {
        LoraPart wrong = parts.Keys.FirstOrDefault(p => p != first && p != second && (p != LoraPart.Bias || first != LoraPart.A), first);
        if (wrong != first) throw error(parts[wrong].Name, $"expected lora_A and lora_B of this kind of module, found {wrong}");
        if (!parts.TryGetValue(first, out StoredTensor? a)) throw error(firstTensor, "it has no lora_A beside it; the file is incomplete");
        if (!parts.TryGetValue(second, out StoredTensor? b)) throw error(firstTensor, "it has no lora_B beside it; the file is incomplete");
        return (a, b);
    }
}
