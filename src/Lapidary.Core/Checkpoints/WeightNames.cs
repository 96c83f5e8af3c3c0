namespace Lapidary.Checkpoints;

/// <summary>
/// Where a checkpoint keeps the text model. The same weights are saved as model.language_model.layers… (multimodal),
/// language_model.model.layers… (older multimodal), model.layers… (text only) or layers… (the bare model).
/// </summary>
public static class WeightNames
{
    /// <summary>Every text model has it, under exactly one prefix; quantised under another part's name.</summary>
    private const string Probe = "embed_tokens.weight";

    private static readonly string[] probes = [Probe, "embed_tokens.weight_packed", "embed_tokens.qweight", "embed_tokens.weight_blocks"];

    // Parts that lie beside the text model and not in it: the output head, and what a drafter has around its layers.
    private static readonly string[] besides = ["lm_head.", "pre_projection.", "post_projection.", "masked_embedding."];

    private static readonly string[] prefixes = ["model.language_model.", "language_model.model.", "model.", ""];

    // Parts of multimodal checkpoints that a text model does not read.
    private static readonly string[] towers =
        ["vision_tower.", "audio_tower.", "embed_vision.", "embed_audio.", "vision_embedder.", "audio_embedder.", "multi_modal_projector."];

    /// <summary>Prefixes that text models are saved under, the fullest first.</summary>
    public static IReadOnlyList<string> Prefixes => prefixes;

    /// <summary>The prefix of the text model's names, e.g. "model.language_model."; may be empty.</summary>
    /// <exception cref="CheckpointException">No known prefix, or more than one, has embed_tokens.weight.</exception>
    public static string TextPrefix(ICheckpoint checkpoint)
    {
        string[] found = [.. prefixes.Where(prefix => probes.Any(probe => checkpoint.Find(prefix + probe) is not null))];
        if (found.Length == 1) return found[0];
        if (found.Length > 1)
            throw new CheckpointException($"{checkpoint.Location}: more than one text model: {MessageText.Some(found.Select(prefix => prefix + Probe), 4)}; expected one");
        string present = checkpoint.Names.Count == 0 ? "the checkpoint is empty" : $"it has {MessageText.Some(checkpoint.Names, 5)}";
        throw new CheckpointException($"{checkpoint.Location}: no {Probe} under {string.Join(" or ", prefixes.Select(prefix => $"\"{prefix}\""))}, so this is no text model; {present}");
    }

    /// <summary>The full name of a text-model tensor, e.g. "layers.3.router.scale".</summary>
    /// <exception cref="CheckpointException">As for <see cref="TextPrefix"/>.</exception>
    public static string Resolve(ICheckpoint checkpoint, string name) => Resolve(TextPrefix(checkpoint), name);

    /// <summary>The full name under a prefix from <see cref="TextPrefix"/>. lm_head and a drafter's projections lie beside the model, not in it.</summary>
    public static string Resolve(string prefix, string name)
    {
        if (!besides.Any(part => name.StartsWith(part, StringComparison.Ordinal))) return prefix + name;
        return prefix == "language_model.model." ? "language_model." + name : name;
    }

    /// <summary>The short name of a full one, whatever kind of checkpoint it comes from; lm_head lies beside the model.</summary>
    public static string ShortName(string fullName)
    {
        foreach (string prefix in (string[])[.. prefixes, "language_model."])
            if (prefix.Length > 0 && fullName.StartsWith(prefix, StringComparison.Ordinal)) return fullName[prefix.Length..];
        return fullName;
    }

    /// <summary>Whether a full name belongs to a vision or audio part.</summary>
    public static bool IsTower(string fullName)
    {
        ReadOnlySpan<char> name = fullName.AsSpan(fullName.StartsWith("model.", StringComparison.Ordinal) ? "model.".Length : 0);
        foreach (string tower in towers)
            if (name.StartsWith(tower, StringComparison.Ordinal)) return true;
        return false;
    }
}
