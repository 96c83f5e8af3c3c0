namespace Lapidary.Models;

/// <summary>The head that computes logits of the likeliest clusters of tokens only.</summary>
/// <param name="NumCentroids">Clusters, all of the same size.</param>
/// <param name="CentroidIntermediateTopK">Clusters whose tokens get logits.</param>
public sealed record CentroidHeadConfig(int NumCentroids, int CentroidIntermediateTopK);

/// <summary>Gemma4AssistantConfig, with the names of HuggingFace, checked against the target it drafts for.</summary>
public sealed record Gemma4AssistantConfig
{
    internal static readonly string[] ModelTypes = ["gemma4_assistant", "gemma4_unified_assistant"];

    /// <summary>The layers, of which each reads the keys and values of the target's last layer of its type that computes them.</summary>
    public required Gemma4Config Text { get; init; }

    /// <summary>hidden_size of the target.</summary>
    public required int BackboneHiddenSize { get; init; }

    /// <summary>With use_ordered_embeddings; null when every token gets a logit.</summary>
    public required CentroidHeadConfig? Centroids { get; init; }

    /// <param name="folder">Holds config.json.</param>
    /// <exception cref="ConfigException">Missing, malformed, not implemented, or of a drafter for another target.</exception>
    public static Gemma4AssistantConfig Load(string folder, Gemma4Config target)
    {
        if (!Directory.Exists(folder)) throw new ConfigException($"{folder}: no such folder; a drafter is a folder with config.json and *.safetensors, e.g. of google/gemma-4-26B-A4B-it-assistant");
        return JsonConfig.Load(Path.Combine(folder, "config.json"), root => Read(root, folder, target));
    }

    private static Gemma4AssistantConfig Read(JsonConfig root, string folder, Gemma4Config target)
    {
        string? type = root.String("model_type");
        if (Array.IndexOf(ModelTypes, type) < 0)
            throw root.Error($"model_type is {(type is null ? "missing" : MessageText.Quote(type))}; drafters are {string.Join(" and ", ModelTypes)}");
        int backbone = root.Int("backbone_hidden_size", 1536);
        if (backbone != target.HiddenSize) throw root.Error($"backbone_hidden_size is {backbone}, and the model's hidden_size is {target.HiddenSize}; this drafter is for another model");
        Gemma4Config text = Gemma4ConfigReader.ReadDrafter(root, folder, target) with { TieWordEmbeddings = root.Bool("tie_word_embeddings", true) };
        Check(text, root, target);
        return new Gemma4AssistantConfig { Text = text, BackboneHiddenSize = backbone, Centroids = ReadCentroids(root, text) };
    }

    private static void Check(Gemma4Config text, JsonConfig root, Gemma4Config target)
    {
        if (text.VocabSize != target.VocabSize) throw root.Error($"vocab_size is {text.VocabSize}, and the model's is {target.VocabSize}; this drafter is for another model");
        if (text.SlidingWindow > target.SlidingWindow) throw root.Error($"sliding_window is {text.SlidingWindow}, and the model keeps no more than {target.SlidingWindow} positions");
        if (text.Experts is not null) throw root.Error("enable_moe_block is true, expected false in a drafter");
    }

    private static CentroidHeadConfig? ReadCentroids(JsonConfig root, Gemma4Config text)
    {
        if (!root.Bool("use_ordered_embeddings", false)) return null;
        CentroidHeadConfig head = new(root.Int("num_centroids", 2048), root.Int("centroid_intermediate_top_k", 32));
        if (text.VocabSize % head.NumCentroids != 0) throw root.Error($"vocab_size {text.VocabSize} is not a multiple of num_centroids {head.NumCentroids}");
        if (head.CentroidIntermediateTopK > head.NumCentroids)
            throw root.Error($"centroid_intermediate_top_k {head.CentroidIntermediateTopK} is more than num_centroids {head.NumCentroids}");
        return head;
    }
}
