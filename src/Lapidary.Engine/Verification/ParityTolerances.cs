namespace Lapidary.Verification;

/// <summary>
/// Bounds of docs/numerics.md §2, for weights in their stored type and float32 arithmetic against HuggingFace in float32:
/// |difference| ≤ tolerance · max(1, |expected|), element by element.
/// </summary>
internal static class ParityTolerances
{
    private const double Hidden = 2e-5;
    private const double Logits = 2e-4;
    private const double Exact = 0;

    /// <summary>The bound for a golden tensor by the last part of its name.</summary>
    public static double For(string name) => name switch
    {
        "logits" or "lm_head_out" or "greedy_logits" or "prompt_logits" or "first_logits" => Logits,
        "topk_index" or "greedy_tokens" or "output_ids" or "router_experts" => Exact,
        _ => Hidden,
    };
}
