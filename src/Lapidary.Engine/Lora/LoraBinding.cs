using System.Text.RegularExpressions;
using Lapidary.Checkpoints;
using Lapidary.Quantization;

namespace Lapidary.Lora;

/// <summary>Finds for each tensor of an adapter the place in the model it updates.</summary>
internal sealed partial class LoraBinding(LoraConfig config, SafetensorsFile tensors, LoraSites sites)
{
    private readonly Dictionary<LinearSite, LoraWeights> linears = [];
    private readonly Dictionary<EmbeddingSite, LoraWeights> embeddings = [];
    private readonly Dictionary<ExpertSite, ExpertBinding> experts = [];

    public IReadOnlyDictionary<LinearSite, LoraWeights> Linears => linears;
    public IReadOnlyDictionary<EmbeddingSite, LoraWeights> Embeddings => embeddings;
    public IReadOnlyDictionary<ExpertSite, ExpertLoraWeights> Experts => experts.ToDictionary(e => e.Key, e => e.Value.Weights());

    /// <exception cref="AdapterException">The first tensor, by name, that fits nowhere.</exception>
    public void Bind()
    {
        Dictionary<string, LoraTensors> updates = new(StringComparer.Ordinal);
        foreach (string name in tensors.Names.Order(StringComparer.Ordinal))
        {
            if (LoraTensorName.Parse(name) is not { } parsed)
            {
                if (!IsCopyOfModel(name)) throw Error(name, LoraTensorName.Reason(name));
                continue;
            }
            if (!updates.TryGetValue(parsed.Wrapper, out LoraTensors? update))
                updates[parsed.Wrapper] = update = new LoraTensors(parsed, name, config, Error);
            update.Add(parsed.Part, Checked(name));
        }
        if (updates.Count == 0) throw new AdapterException($"{tensors.Location}: holds no low-rank update, so it would change nothing");
        foreach (LoraTensors update in updates.Values) Bind(update);
    }

    private void Bind(LoraTensors update)
    {
        string module = update.Name.ShortModule;
        if (sites.Embeddings.TryGetValue(module, out EmbeddingSite? embedding))
        {
            if (!embeddings.TryAdd(embedding, update.OfEmbedding(embedding))) throw Twice(update);
        }
        else if (sites.Linears.TryGetValue(module, out LinearSite? linear))
        {
            if (!linears.TryAdd(linear, update.OfLinear(linear.OutFeatures, linear.InFeatures))) throw Twice(update);
        }
        else if (sites.Experts.TryGetValue(module, out ExpertSite? fused))
        {
            if (!ExpertsOf(fused).AddStacked(update)) throw Twice(update);
        }
        else if (OneExpert().Match(module) is { Success: true } match && sites.Experts.TryGetValue(match.Groups[1].Value, out ExpertSite? layer)
            && int.TryParse(match.Groups[2].Value, out int expert) && expert < layer.NumExperts)
        {
            if (!ExpertsOf(layer).AddOne(update, expert, match.Groups[3].Value)) throw Twice(update);
        }
        else
        {
            throw Error(update.FirstTensor, WhyNoSite(module));
        }
    }

    private ExpertBinding ExpertsOf(ExpertSite site)
        => experts.TryGetValue(site, out ExpertBinding? binding) ? binding : experts[site] = new ExpertBinding(site);

    /// <summary>PEFT saves the embedding and the head as they are beside the updates of them.</summary>
    private bool IsCopyOfModel(string name)
    {
        if (LoraTensorName.WholeModule(name) is not ("embed_tokens" or "lm_head") || !sites.Embeddings.TryGetValue("embed_tokens", out EmbeddingSite? embedding))
            return false;
        StoredTensor tensor = Checked(name);
        StoredMatrix stored = embedding.Stored;
        if (tensor.Shape is not [var rows, var columns] || rows != stored.Rows || columns != stored.Columns)
            throw Error(name, $"it has shape {tensor.ShapeText}, the model's table [{stored.Rows}, {stored.Columns}]: the adapter came with a changed vocabulary");
        float[] saved = new float[columns], original = new float[columns];
        for (int row = 0; row < rows; row++)
        {
            tensor.ReadSingles(row * columns, saved);
            stored.ReadRow(row, original);
            if (!saved.AsSpan().SequenceEqual(original)) throw Error(name, $"it differs from the model's own in row {row}; merge the adapter into its model and serve that");
        }
        return true;
    }

    private StoredTensor Checked(string name)
    {
        StoredTensor tensor = tensors.Find(name)!;
        if (tensor.DType is not (DType.F32 or DType.F16 or DType.BF16)) throw Error(name, $"its dtype is {tensor.DType}, expected F32, F16 or BF16");
        FiniteCheck.Require(tensor, tensors.Location);
        return tensor;
    }

    private string WhyNoSite(string module)
    {
        if (WeightNames.IsTower(module)) return "it adapts the vision or audio part, which is not served";
        string belongs = config.BaseModelNameOrPath is { } name ? $"; the adapter was trained on {MessageText.Quote(name)}" : "";
        if (Layer().Match(module) is { Success: true } match && !sites.Linears.ContainsKey($"layers.{match.Groups[1].Value}.self_attn.q_proj"))
            return $"the model has no layer {match.Groups[1].Value}{belongs}";
        string parent = module[..(module.LastIndexOf('.') + 1)];
        string[] siblings = [.. sites.Linears.Keys.Concat(sites.Experts.Keys).Where(n => n.StartsWith(parent, StringComparison.Ordinal))];
        return siblings.Length == 0
            ? $"the model has no module {MessageText.Quote(module)}{belongs}"
            : $"the model has no module {MessageText.Quote(module)}, only {MessageText.Some(siblings, 6)}{belongs}";
    }

    private AdapterException Twice(LoraTensors update) => Error(update.FirstTensor, "another tensor of the adapter updates the same weight already");

    private AdapterException Error(string tensor, string reason)
        => new(MessageText.OneLine($"{tensors.Location}: tensor {MessageText.Quote(tensor)} cannot be used: {reason}"));

    [GeneratedRegex(@"\A(layers\.\d+\.experts)\.(\d{1,6})\.(gate_proj|up_proj|down_proj|gate_up_proj)\z", RegexOptions.CultureInvariant)]
    private static partial Regex OneExpert();

    [GeneratedRegex(@"\Alayers\.(\d+)\.", RegexOptions.CultureInvariant)]
    private static partial Regex Layer();
}
