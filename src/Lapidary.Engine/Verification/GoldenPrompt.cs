using Lapidary.Checkpoints;
using Lapidary.Models;

namespace Lapidary.Verification;

/// <summary>
/// One prompt of a golden file and the names its tensors have there. Two forms exist: full ones of random models
/// ("p0.layers.3.attn_out", with "p0.f32." twins in bf16 files), and those of the trained model ("hello.output_ids",
/// "hello.hidden.3" being the output of layer 2).
/// </summary>
internal sealed class GoldenPrompt
{
    private readonly ICheckpoint goldens;
    private readonly string prefix;
    private readonly bool full;

    private GoldenPrompt(ICheckpoint goldens, string name, string prefix, string ids, bool full)
    {
        this.goldens = goldens;
        this.prefix = prefix;
        this.full = full;
        Name = name;
        TokenIds = goldens.Find(prefix + ids)!.ToInt32s();
    }

    public string Name { get; }
    public int[] TokenIds { get; }

    /// <summary>The greedy continuation.</summary>
    public int[] Greedy => Find(full ? "greedy_tokens" : "output_ids")?.ToInt32s() ?? [];

    /// <summary>[n, vocab] logits of the greedy steps, all of them or (trained model) the first.</summary>
    public StoredTensor? GreedyLogits => Find(full ? "greedy_logits" : "first_logits");

    /// <exception cref="CheckpointException">The golden cannot be of that model.</exception>
    public void Check(Gemma4Config config)
    {
        if (TokenIds.Length == 0) throw new CheckpointException($"{goldens.Location}: prompt \"{Name}\" is empty");
        foreach (int id in TokenIds.Concat(Greedy))
            if (id < 0 || id >= config.VocabSize)
                throw new CheckpointException($"{goldens.Location}: prompt \"{Name}\" holds token id {id}, the model's vocabulary has {config.VocabSize}; the goldens are of another model");
    }

    public static IReadOnlyList<GoldenPrompt> All(ICheckpoint goldens)
    {
        List<GoldenPrompt> prompts = [];
        foreach (string name in goldens.Names.Order(StringComparer.Ordinal))
        {
            if (name.EndsWith(".prompt_ids", StringComparison.Ordinal))
            {
                string prompt = name[..^".prompt_ids".Length];
                prompts.Add(new GoldenPrompt(goldens, prompt, prompt + ".", "prompt_ids", full: false));
            }
            else if (name.EndsWith(".input_ids", StringComparison.Ordinal) && !name.EndsWith(".f32.input_ids", StringComparison.Ordinal))
            {
                string prompt = name[..^".input_ids".Length];
                bool twin = goldens.Find(prompt + ".f32.input_ids") is not null;
                prompts.Add(new GoldenPrompt(goldens, prompt, prompt + (twin ? ".f32." : "."), "input_ids", full: true));
            }
        }
        return prompts;
    }

    /// <summary>The golden tensor of that layer and name, or null when the file has none.</summary>
    /// <param name="layers">Number of layers.</param>
    public (string Label, StoredTensor Tensor)? Find(int? layer, string name, int layers)
    {
        string? key = full
            ? layer is { } index ? $"layers.{index}.{name}" : name
            : (layer, name) switch
            {
                (null, "embeds") => "hidden.0",
                // HuggingFace's last hidden state is the one after the final norm.
                ({ } i, "out") when i < layers - 1 => $"hidden.{i + 1}",
                (null, "final_norm") => $"hidden.{layers}",
                ({ } i, "topk_index") => $"router_experts.{i}",
                ({ } i, "topk_weight") => $"router_weights.{i}",
                (null, "logits") => "prompt_logits",
                _ => null,
            };
        return key is not null && Find(key) is { } tensor ? ($"{Name}.{key}", tensor) : null;
    }

    private StoredTensor? Find(string key) => goldens.Find(prefix + key);
}
