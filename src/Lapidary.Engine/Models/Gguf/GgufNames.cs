using System.Text.RegularExpressions;

namespace Lapidary.Models.Gguf;

/// <summary>HuggingFace's short names of Gemma 4's weights and those of a GGUF file (architecture "gemma4").</summary>
internal static partial class GgufNames
{
    // Without ".weight"; blk.N. stands for layers.N.
    private static readonly Dictionary<string, string> modules = new(StringComparer.Ordinal)
    {
        ["embed_tokens"] = "token_embd",
        ["norm"] = "output_norm",
        ["lm_head"] = "output",
        ["embed_tokens_per_layer"] = "per_layer_token_embd",
        ["per_layer_model_projection"] = "per_layer_model_proj",
        ["per_layer_projection_norm"] = "per_layer_proj_norm",
        ["input_layernorm"] = "attn_norm",
        ["self_attn.q_proj"] = "attn_q",
        ["self_attn.k_proj"] = "attn_k",
        ["self_attn.v_proj"] = "attn_v",
        ["self_attn.o_proj"] = "attn_output",
        ["self_attn.q_norm"] = "attn_q_norm",
        ["self_attn.k_norm"] = "attn_k_norm",
        ["post_attention_layernorm"] = "post_attention_norm",
        ["pre_feedforward_layernorm"] = "ffn_norm",
        ["post_feedforward_layernorm"] = "post_ffw_norm",
        ["mlp.gate_proj"] = "ffn_gate",
        ["mlp.up_proj"] = "ffn_up",
        ["mlp.down_proj"] = "ffn_down",
        ["post_feedforward_layernorm_1"] = "post_ffw_norm_1",
        ["pre_feedforward_layernorm_2"] = "pre_ffw_norm_2",
        ["post_feedforward_layernorm_2"] = "post_ffw_norm_2",
        ["router.proj"] = "ffn_gate_inp",
        ["experts.gate_up_proj"] = "ffn_gate_up_exps",
        ["experts.down_proj"] = "ffn_down_exps",
        ["layer_scalar"] = "layer_output_scale",
        ["per_layer_input_gate"] = "inp_gate",
        ["per_layer_projection"] = "proj",
        ["post_per_layer_input_norm"] = "post_norm",
    };

    // Vectors that are named after the matrix they go with.
    private static readonly Dictionary<string, string> scales = new(StringComparer.Ordinal)
    {
        ["router.scale"] = "ffn_gate_inp.scale",
        ["router.per_expert_scale"] = "ffn_down_exps.scale",
    };

    /// <summary>The tensor of a module or parameter, e.g. "layers.0.self_attn.q_proj" → "blk.0.attn_q.weight"; null when GGUF has no name for it.</summary>
    public static string? Tensor(string name)
    {
        Match layer = Layer().Match(name);
        string prefix = layer.Success ? $"blk.{layer.Groups[1].Value}." : "", rest = name[layer.Length..];
        if (scales.TryGetValue(rest, out string? scale)) return prefix + scale;
        if (rest.EndsWith(".weight", StringComparison.Ordinal)) rest = rest[..^".weight".Length];
        return modules.TryGetValue(rest, out string? module) ? $"{prefix}{module}.weight" : null;
    }

    [GeneratedRegex(@"^layers\.(\d+)\.")]
    private static partial Regex Layer();
}
