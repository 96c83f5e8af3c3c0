using System.Globalization;
using System.Text;
using Lapidary.Checkpoints;
using Lapidary.Generation;
using Lapidary.Quantization;
using Lapidary.Sampling;
using Lapidary.Templates;
using Lapidary.Tokenizers;

namespace Lapidary.Models.Synthetic;

/// <summary>
/// A model of a published shape with random weights, made in memory: for speed and memory, where the file is not at hand.
/// Its text means nothing.
/// </summary>
public sealed class SyntheticModelFiles : ModelFiles
{
    private SyntheticModelFiles(WeightFormat format) => Weights = new SyntheticWeights(format);

    public override IWeightSource Weights { get; }

    /// <summary>Nothing is stored.</summary>
    public override IReadOnlyList<StoredPart> Parts => [];
    public override GenerationConfig GenerationConfig => new(new SamplingParameters { Temperature = 0 }, new SamplingParameters(), []);
    public override bool HasTokenizer => true;
    public override Tokenizer LoadTokenizer() => SyntheticTokenizer.Create(Config.VocabSize);

    /// <summary>The embedded model's, of the same family.</summary>
    public override ChatTemplate LoadChatTemplate() => ChatTemplate.Load(DefaultModel.Embedded());

    public override void Dispose()
    {
        // The weights are garbage when nobody holds them.
    }

    /// <param name="description">A shape and changes of it, e.g. "gemma4-26b-a4b:layers=6,experts=32".</param>
    /// <param name="format">A weight format by name, e.g. "q4_0".</param>
    /// <exception cref="RequestException">An unknown shape, change or format; the known ones are listed.</exception>
    public static SyntheticModelFiles Create(string description, string format)
    {
        string[] parts = description.Split(':', 2);
        if (parts[0] != Shape) throw new RequestException($"unknown synthetic model {MessageText.Quote(parts[0])}; known: {Shape}, as {Shape}:layers=6,experts=128,vocab=262144");
        Dictionary<string, int> sizes = new(StringComparer.Ordinal) { ["layers"] = 30, ["experts"] = 128, ["vocab"] = 262144 };
        foreach (string change in parts.Length < 2 ? [] : parts[1].Split(','))
        {
            string[] pair = change.Split('=', 2);
            if (pair.Length != 2 || !sizes.ContainsKey(pair[0]) || !int.TryParse(pair[1], NumberStyles.None, CultureInfo.InvariantCulture, out int value) || value < 1)
                throw new RequestException($"{MessageText.Quote(change)} is no change of {Shape}; expected {string.Join(", ", sizes.Keys.Select(key => $"{key}=N"))}");
            sizes[pair[0]] = value;
        }
        Gemma4Config config = Gemma4ConfigReader.Parse(Encoding.UTF8.GetBytes(Json(sizes["layers"], sizes["experts"], sizes["vocab"])), description);
        return new SyntheticModelFiles(SyntheticWeights.FormatNamed(format)) { Location = $"{description} {format}", Config = config };
    }

    private const string Shape = "gemma4-26b-a4b";

    // Published text_config of the 26B-A4B member (HuggingFace conversion script).
    private static string Json(int layers, int experts, int vocab) => $$"""
        {"model_type": "gemma4_text", "hidden_size": 2816, "num_hidden_layers": {{layers}}, "intermediate_size": 2112, "num_attention_heads": 16,
         "num_key_value_heads": 8, "num_global_key_value_heads": 2, "head_dim": 256, "global_head_dim": 512, "attention_k_eq_v": true,
         "sliding_window": 1024, "max_position_embeddings": 262144, "vocab_size": {{vocab}}, "final_logit_softcapping": 30.0, "enable_moe_block": true,
         "num_experts": {{experts}}, "top_k_experts": {{Math.Min(8, experts)}}, "moe_intermediate_size": 704, "hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0,
         "rope_parameters": {"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0},
                             "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0} } }
        """;
}
