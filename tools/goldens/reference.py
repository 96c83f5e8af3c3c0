"""The forward pass once more, from the tensors and the flat configuration alone: tells whether the written formulas are right."""
import torch
import torch.nn.functional as F

from cases import G, S, layer_geometry


def act_fn(name):
    return {
        "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "gelu": lambda x: F.gelu(x),
        "silu": F.silu,
    }[name]


def rms(x, w, eps):
    y = x.float()
    y = y * torch.pow(y.pow(2).mean(-1, keepdim=True) + eps, -0.5)
    if w is not None:
        y = y * w.float()
    return y.to(x.dtype)


def inv_freq(c, kind):
    rp = c["rope_parameters"][kind]
    hd = (c.get("global_head_dim") or c["head_dim"]) if kind == G else c["head_dim"]
    if rp["rope_type"] == "proportional":
        n = int(rp.get("partial_rotary_factor", 1.0) * hd // 2)
        f = 1.0 / (rp["rope_theta"] ** (torch.arange(0, 2 * n, 2, dtype=torch.float32) / hd))
        f = torch.cat([f, torch.zeros(hd // 2 - n)]) / rp.get("factor", 1.0)
    else:
        f = 1.0 / (rp["rope_theta"] ** (torch.arange(0, hd, 2, dtype=torch.float32) / hd))
        if rp["rope_type"] == "linear":
            f = f / rp["factor"]
    return f


def rotate(x, cos, sin):  # x [S, heads, d]; the halves (i, i + d/2) form a pair
    h = x.shape[-1] // 2
    r = torch.cat([-x[..., h:], x[..., :h]], -1)
    return x * cos[:, None, :] + r * sin[:, None, :]


def ref_forward(sd, c, ids, router_fp32=True):
    W = lambda k: sd["model." + k]
    act, eps, L, H = act_fn(c["hidden_activation"]), c["rms_norm_eps"], c["num_hidden_layers"], c["hidden_size"]
    cap = {}
    E = W("embed_tokens.weight")
    dt = E.dtype
    n = ids.numel()
    x = E[ids] * torch.tensor(H ** 0.5).to(dt)  # the scale itself is rounded to the weight dtype
    cap["embeds"] = x[None]
    ple = None
    D = c["hidden_size_per_layer_input"]
    if D:
        tok = (W("embed_tokens_per_layer.weight")[ids] * torch.tensor(D ** 0.5).to(dt)).reshape(n, L, D)
        ctx = (F.linear(x, W("per_layer_model_projection.weight")) * H ** -0.5).reshape(n, L, D)
        ple = (rms(ctx, W("per_layer_projection_norm.weight"), eps) + tok) * 2.0 ** -0.5
        cap["per_layer_inputs"] = ple[None]
    pos = torch.arange(n, dtype=torch.float32)
    tab = {}
    for kind in set(c["layer_types"]):
        a = pos[:, None] * inv_freq(c, kind)[None, :]
        a = torch.cat([a, a], -1)
        tab[kind] = (a.cos().to(dt), a.sin().to(dt))
    i_, j_ = torch.arange(n)[:, None], torch.arange(n)[None, :]
    causal = j_ <= i_
    allowed = {G: causal, S: causal & (j_ > i_ - c["sliding_window"])}
    first_shared = L - c["num_kv_shared_layers"]
    shared = {}
    A = c["num_attention_heads"]
    for i in range(L):
        w = lambda k: sd["model.layers.%d.%s" % (i, k)]
        project = lambda x, k: F.linear(x, w("self_attn.%s.weight" % k), w("self_attn.%s.bias" % k) if c["attention_bias"] else None)
        kind = c["layer_types"][i]
        hd, kv = layer_geometry(c, i)
        cos, sin = tab[kind]
        res = x
        h = rms(x, w("input_layernorm.weight"), eps)
        q = rotate(rms(project(h, "q_proj").view(n, A, hd), w("self_attn.q_norm.weight"), eps), cos, sin)
        if i >= first_shared:
            k, v = shared[kind]
        else:
            k0 = project(h, "k_proj").view(n, kv, hd)
            keqv = c["attention_k_eq_v"] and kind == G
            v0 = k0 if keqv else project(h, "v_proj").view(n, kv, hd)
            k = rotate(rms(k0, w("self_attn.k_norm.weight"), eps), cos, sin)
            v = rms(v0, None, eps)
            shared[kind] = (k, v)  # the last writer before the shared layers wins
        kk = k.transpose(0, 1).repeat_interleave(A // k.shape[1], 0)
        vv = v.transpose(0, 1).repeat_interleave(A // v.shape[1], 0)
        s = torch.matmul(q.transpose(0, 1), kk.transpose(1, 2))  # scale is 1.0
        s = torch.where(allowed[kind][None], s, torch.full_like(s, torch.finfo(dt).min))
        p = torch.softmax(s.float(), -1).to(dt)
        o = torch.matmul(p, vv).transpose(0, 1).reshape(n, A * hd)
        o = project(o, "o_proj")
        cap["layers.%d.attn_out" % i] = o[None]
        x = res + rms(o, w("post_attention_layernorm.weight"), eps)
        res = x
        h = rms(x, w("pre_feedforward_layernorm.weight"), eps)
        h = F.linear(act(F.linear(h, w("mlp.gate_proj.weight"))) * F.linear(h, w("mlp.up_proj.weight")),
                     w("mlp.down_proj.weight"))
        cap["layers.%d.mlp_out" % i] = h[None]
        if c["enable_moe_block"]:
            h1 = rms(h, w("post_feedforward_layernorm_1.weight"), eps)
            r = rms(res, None, eps) * w("router.scale") * H ** -0.5
            lg = F.linear(r, w("router.proj.weight"))
            pr = torch.softmax(lg, -1, dtype=torch.float32 if router_fp32 else None)
            tw, ti = torch.topk(pr, c["top_k_experts"], -1)
            tw = tw / tw.sum(-1, keepdim=True)
            tw = tw * w("router.per_expert_scale")[ti]
            y = rms(res, w("pre_feedforward_layernorm_2.weight"), eps)
            gu, dn = w("experts.gate_up_proj"), w("experts.down_proj")
            acc = torch.zeros_like(y)
            for e in range(c["num_experts"]):
                rows, slot = (ti == e).nonzero(as_tuple=True)
                if rows.numel() == 0:
                    continue
                a, b = F.linear(y[rows], gu[e]).chunk(2, -1)  # first half gate, second half up
                z = F.linear(act(a) * b, dn[e]) * tw[rows, slot][:, None]
                acc.index_add_(0, rows, z.to(acc.dtype))
            cap.update({"layers.%d.router_logits" % i: lg, "layers.%d.router_probs" % i: pr,
                        "layers.%d.topk_index" % i: ti, "layers.%d.topk_weight" % i: tw,
                        "layers.%d.experts_out" % i: acc})
            h = h1 + rms(acc, w("post_feedforward_layernorm_2.weight"), eps)
        x = res + rms(h, w("post_feedforward_layernorm.weight"), eps)
        if ple is not None:
            g = act(F.linear(x, w("per_layer_input_gate.weight"))) * ple[:, i]
            x = x + rms(F.linear(g, w("per_layer_projection.weight")), w("post_per_layer_input_norm.weight"), eps)
        x = x * w("layer_scalar")
        cap["layers.%d.out" % i] = x[None]
    x = rms(x, W("norm.weight"), eps)
    cap["final_norm"] = x[None]
    lg = F.linear(x, E)
    cap["lm_head_out"] = lg[None]
    sc = c["final_logit_softcapping"]
    if sc is not None:
        lg = torch.tanh(lg / sc) * sc
    cap["logits"] = lg[None]
    return cap
