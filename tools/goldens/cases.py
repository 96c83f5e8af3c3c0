"""The cases: configurations of tiny random Gemma 4 models that reach every branch, and the names of what is recorded."""
import os

KEYS = """golden.safetensors keys, with P = p0 (40 tokens, longer than the window) or p1 (5 tokens, shorter):
  P.input_ids [1,S] i64            P.embeds [1,S,H]  (after the embedding scale)
  P.per_layer_inputs [1,S,L,D]     (only with per-layer embeddings; the tensor handed to the layers)
  P.layers.i.attn_out              output of o_proj, before post_attention_layernorm
  P.layers.i.mlp_out               output of the dense MLP, before any post norm
  P.layers.i.router_logits [S,E]   router.proj output   P.layers.i.router_probs [S,E] softmax over all experts
  P.layers.i.topk_index [S,K] i64  P.layers.i.topk_weight [S,K] renormalised and times per_expert_scale
  P.layers.i.router_margin [S]     probability gap between the K-th and the (K+1)-th expert (tie detector)
  P.layers.i.experts_out [S,H]     sum over the chosen experts, before post_feedforward_layernorm_2
  P.layers.i.out [1,S,H]           layer output, after layer_scalar
  P.final_norm [1,S,H]   P.lm_head_out [1,S,V] (before softcap)   P.logits [1,S,V] (after softcap)
  P.greedy_tokens [N] i64   P.greedy_logits [N,V] f32   P.greedy_margin [N] f32 (top1 - top2, 0 means a tie)
  bf16 cases also hold P.f32.<same keys>: the same bf16 weights loaded with dtype float32, i.e. bf16 storage with
  fp32 arithmetic.  That twin is the exact target for an engine that widens weights; the distance between the two
  (meta.json: bf16_noise_*) is the yardstick for an engine that rounds activations to bf16.
activations.safetensors keys:
  f32.x, f32.<op>, f32.<op>.f64 (computed in float64, rounded once) ; bf16.x = all 65536 bit patterns, bf16.<op>
  f16.x, f16.<op> ; ops gelu_none gelu_tanh silu sigmoid tanh relu2
  glu.gate glu.up [4096] bf16, glu.<op>.two_rounding (act rounded to bf16, then the product rounded: what HF does)
  glu.<op>.one_rounding (both in fp32, rounded once: what a fused kernel does)"""

S, G = "sliding_attention", "full_attention"


def rope():
    return {
        G: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0},
        S: {"rope_type": "default", "rope_theta": 10000.0},
    }


BASE = dict(
    vocab_size=256, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=16, global_head_dim=32, num_global_key_value_heads=None,
    hidden_activation="gelu_pytorch_tanh", max_position_embeddings=512, initializer_range=0.02,
    rms_norm_eps=1e-6, use_cache=True, pad_token_id=0, eos_token_id=1, bos_token_id=2,
    tie_word_embeddings=True, attention_bias=False, attention_dropout=0.0, sliding_window=8,
    final_logit_softcapping=None, use_bidirectional_attention=None, vocab_size_per_layer_input=256,
    hidden_size_per_layer_input=0, attention_k_eq_v=False, num_kv_shared_layers=0, enable_moe_block=False,
    use_double_wide_mlp=False, num_experts=None, top_k_experts=None, moe_intermediate_size=None,
)
MOE = dict(enable_moe_block=True, num_experts=8, top_k_experts=3, moe_intermediate_size=24, intermediate_size=48)
ODD = dict(  # no dimension is a multiple of 16 where it can be avoided: SIMD tails; sqrt(88) is inexact in bf16
    hidden_size=88, intermediate_size=66, moe_intermediate_size=22, num_experts=13, top_k_experts=5,
    enable_moe_block=True, num_attention_heads=4, num_key_value_heads=2, num_global_key_value_heads=1,
    head_dim=20, global_head_dim=40, attention_k_eq_v=True, final_logit_softcapping=30.0, vocab_size=250,
    vocab_size_per_layer_input=250, layer_types=[S, S, G],
)
E2B = dict(  # non-shared layers 0..3 (sliding donor 3, full donor 2), shared 4..7
    layer_types=[S, S, G, S, S, G, S, G], num_kv_shared_layers=4, num_key_value_heads=1,
    hidden_size_per_layer_input=12, final_logit_softcapping=30.0,
)
CASES = {
    # name: (config overrides, dtype, gain of the final norm: larger = more softcap saturation)
    "dense_min": (dict(layer_types=[S, G]), "float32", 1.0),
    "dense_keqv": (dict(layer_types=[S, S, G, S, G], attention_k_eq_v=True, num_global_key_value_heads=1,
                        final_logit_softcapping=30.0), "float32", 12.0),
    "moe_keqv": (dict(MOE, layer_types=[S, S, G, S, S, G], attention_k_eq_v=True, num_global_key_value_heads=1,
                      final_logit_softcapping=30.0), "float32", 12.0),
    "moe_keqv_bf16": (dict(MOE, layer_types=[S, S, G, S, S, G], attention_k_eq_v=True, num_global_key_value_heads=1,
                           final_logit_softcapping=30.0), "bfloat16", 4.0),
    "moe_odd": (ODD, "float32", 6.0),
    "moe_odd_bf16": (ODD, "bfloat16", 4.0),
    "ple_share_wide": (dict(E2B, use_double_wide_mlp=True), "float32", 8.0),
    "ple_share_wide_bf16": (dict(E2B, use_double_wide_mlp=True), "bfloat16", 4.0),
    "ple_share_narrow": (dict(E2B, use_double_wide_mlp=False, num_key_value_heads=2), "float32", 8.0),
    "everything": (dict({**MOE, "num_experts": 4, "top_k_experts": 2, **E2B, "num_key_value_heads": 2},
                        use_double_wide_mlp=True, attention_k_eq_v=True, num_global_key_value_heads=1), "float32", 12.0),
    "moe_plain_v": (dict(MOE, layer_types=[S, G, S, G]), "float32", 1.0),
    "moe_silu": (dict(MOE, layer_types=[S, G], hidden_activation="silu"), "float32", 1.0),
    "moe_gelu_exact": (dict(MOE, layer_types=[S, G], hidden_activation="gelu"), "float32", 1.0),
    "bias_rope_scaled": (dict(layer_types=[S, G], attention_bias=True, attention_k_eq_v=True, rope_parameters={
        G: {"rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 500000.0, "factor": 8.0},
        S: {"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0}}), "float32", 1.0),
}
PROMPTS = {"p0": 40, "p1": 5}
SEED = int(os.environ.get("GOLDEN_SEED", "20261123"))  # another seed gives another, independent set


def layer_geometry(c, i):
    """(head_dim, kv_heads) of layer i, from the flat config."""
    full = c["layer_types"][i] == G
    hd = (c.get("global_head_dim") or c["head_dim"]) if full else c["head_dim"]
    kv = c["num_key_value_heads"]
    if full and c["attention_k_eq_v"] and c.get("num_global_key_value_heads"):
        kv = c["num_global_key_value_heads"]
    return hd, kv
