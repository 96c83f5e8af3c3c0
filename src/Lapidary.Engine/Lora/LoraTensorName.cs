using Lapidary.Checkpoints;

namespace Lapidary.Lora;

/// <summary>Which part of a low-rank update a tensor is.</summary>
internal enum LoraPart
{
    A,
    B,
    Bias,
    EmbeddingA,
    EmbeddingB,
}

/// <summary>
/// The name PEFT gives a tensor, taken apart: "base_model.model." + the module's name in the model + ".base_layer" for each
/// wrapper around another + the part.
/// </summary>
/// <param name="Module">Full name of the module in the model the adapter was trained on, wrappers left out.</param>
/// <param name="Wrapper">The same with the wrappers: tensors of one update share it.</param>
internal readonly record struct LoraTensorName(string Module, string Wrapper, LoraPart Part)
{
    private const string Prefix = "base_model.model.", Wrapped = ".base_layer";

    private static readonly (string Suffix, LoraPart Part)[] suffixes =
    [
        (".lora_A.weight", LoraPart.A), (".lora_B.weight", LoraPart.B), (".lora_B.bias", LoraPart.Bias),
        (".lora_embedding_A", LoraPart.EmbeddingA), (".lora_embedding_B", LoraPart.EmbeddingB),
    ];

    /// <summary>Short name of the module, e.g. "layers.3.experts".</summary>
    public string ShortModule => WeightNames.ShortName(Module);

    /// <summary>Null when the name is none of a low-rank update.</summary>
    public static LoraTensorName? Parse(string name)
    {
        if (!name.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        foreach ((string suffix, LoraPart part) in suffixes)
        {
            if (!name.EndsWith(suffix, StringComparison.Ordinal) || name.Length <= Prefix.Length + suffix.Length) continue;
            string wrapper = name[Prefix.Length..^suffix.Length];
            return new LoraTensorName(Unwrapped(wrapper), wrapper, part);
        }
        return null;
    }

    /// <summary>The module whose whole weight the tensor is ("….embed_tokens.base_layer.weight"), short; null when it is none.</summary>
    public static string? WholeModule(string name)
        => name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(".weight", StringComparison.Ordinal)
            ? WeightNames.ShortName(Unwrapped(name[Prefix.Length..^".weight".Length])) : null;

    /// <summary>What is wrong with a name that is none of a low-rank update.</summary>
    public static string Reason(string name)
    {
        if (!name.StartsWith(Prefix, StringComparison.Ordinal)) return $"PEFT's names begin with \"{Prefix}\"";
        if (name.Contains("lora_magnitude_vector", StringComparison.Ordinal)) return "DoRA is not implemented";
        if (name.Contains(".lora_", StringComparison.Ordinal)) return "it is no part of a low-rank update that is implemented";
        return "it replaces a whole tensor of the model; merge the adapter with PEFT's merge_and_unload and serve that";
    }

    private static string Unwrapped(string wrapper) => wrapper.Replace(Wrapped, "", StringComparison.Ordinal);
}
