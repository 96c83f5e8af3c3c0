namespace Lapidary.Quantization;

/// <summary>
/// Tensors that say how activations or cached keys and values were quantised. What is done to either is the user's choice
/// here, with scales of the values at hand, so these change nothing; they belong to a module whose weights are used, or they
/// are of another model.
/// </summary>
internal static class ActivationScales
{
    private static readonly string[] Parts =
    [
        "input_scale", "input_zero_point", "input_global_scale", "input_scale_ub", "activation_scale",
        "output_scale", "output_zero_point", "output_global_scale",
        "q_scale", "k_scale", "v_scale", "kv_scale", "k_zero_point", "v_zero_point", "k_global_scale", "v_global_scale", "q_global_scale",
    ];

    public const string CacheNotice = "the checkpoint's scales for a quantised cache of keys and values are not used";

    /// <param name="asked">e.g. "dynamic fp8 ones".</param>
    public static string Notice(string asked) => $"activations are not quantised as the checkpoint asks, which is for {asked}";

    /// <summary>Those of the names that are no such tensors of a module with used tensors.</summary>
    public static IEnumerable<string> Without(IEnumerable<string> names, IEnumerable<string> used)
    {
        HashSet<string> modules = new(StringComparer.Ordinal);
        foreach (string name in used)
        {
            modules.Add(name); // stacked experts: down_proj beside down_proj_input_scale, or down_proj_packed
            modules.Add(name[..Math.Max(0, name.LastIndexOf('_'))]);
            for (int dot = name.LastIndexOf('.'); dot > 0 && modules.Add(name[..dot]); dot = name.LastIndexOf('.', dot - 1)) { }
        }
        return names.Where(name => Module(name) is not { } module || !modules.Contains(module));
    }

    private static string? Module(string name)
    {
        foreach (string part in Parts)
            if (name.EndsWith(part, StringComparison.Ordinal) && name.Length > part.Length + 1 && name[^(part.Length + 1)] is '.' or '_')
                return name[..^(part.Length + 1)];
        return null;
    }
}
