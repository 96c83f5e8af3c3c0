"""Whole Gemma 4 checkpoints in published layouts, and what transformers computes with the numbers they stand for."""
import json
import os

import torch
from safetensors.torch import save_file

import packing as p
from matrices import awq_config, ct_config, fp8_config, gptq_config, modelopt_config, stacked_name

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def order_of(columns):
    return torch.randperm(columns, generator=torch.Generator().manual_seed(columns))


def with_input(parts_value, name, value):
    """A scale of the inputs beside the weight, as static activation schemes have."""
    parts, w = parts_value
    return {**parts, name: torch.tensor(value, dtype=torch.float32)}, w


def ct_group(targets, fmt=None, inputs=None, **weights):
    c = ct_config("", weights)["config_groups"]["group_0"]
    return {**c, "targets": targets, "input_activations": inputs, **({"format": fmt} if fmt else {})}


FP8 = dict(num_bits=8, type="float")
DYNAMIC = {"actorder": None, "block_structure": None, "dynamic": True, "group_size": None, "num_bits": 8, "observer": None, "observer_kwargs": {},
           "strategy": "token", "symmetric": True, "type": "float"}


def recipes(block):
    """name: (quantization_config, experts "split" or "stacked", prefix, pack(w, module) or None to leave it, file beside config.json)."""
    whole = lambda w: (w.shape[0], w.shape[1])
    mixed = ct_config("mixed-precision", {})
    mixed["config_groups"] = {
        "group_0": ct_group(["re:.*self_attn.(q|k|v|o)_proj$"], "float-quantized", DYNAMIC, **FP8, strategy="channel"),
        "group_1": ct_group(["re:.*experts.*", "re:.*mlp.*"], "pack-quantized", None, group_size=32),
    }
    mixed["kv_cache_scheme"] = {"dynamic": False, "num_bits": 8, "strategy": "tensor", "symmetric": True, "type": "float"}
    yield "gptq4_act", gptq_config(4, 32, True, False, True, "gptqmodel"), "split", "model.", lambda w, m: p.gptq(w, 4, 32, True, False, order_of(w.shape[1])), None
    yield "gptq8_v2_asym", gptq_config(8, 32, False, True, False), "split", "model.", lambda w, m: p.gptq(w, 8, 32, False, True), None
    yield "awq", awq_config("gemm", 32), "split", "model.language_model.", lambda w, m: p.awq(w, 32), None
    yield ("ct_int4_asym_act", ct_config("pack-quantized", dict(group_size=32, symmetric=False, actorder="group")), "split", "model.language_model.",
           lambda w, m: p.ct_pack(w, 4, 32, False, order_of(w.shape[1])), None)
    yield "ct_int4_stacked", ct_config("pack-quantized", dict(group_size=32)), "stacked", "model.language_model.", lambda w, m: p.ct_pack(w, 4, 32), None
    yield ("ct_mixed", mixed, "split", "model.",
           lambda w, m: p.fp8(w, (1, w.shape[1]), "weight_scale", torch.bfloat16) if "self_attn" in m else p.ct_pack(w, 4, 32), None)
    yield "ct_w8a8", ct_config("int-quantized", dict(num_bits=8, strategy="channel")), "split", "model.", lambda w, m: p.ct_int8(w), None
    yield ("ct_nvfp4", ct_config("nvfp4-pack-quantized", dict(type="float", strategy="tensor_group", group_size=16)), "split", "model.language_model.",
           lambda w, m: with_input(p.nvfp4(w, False), "input_global_scale", [300.0]), None)
    yield ("ct_mxfp4", ct_config("mxfp4-pack-quantized", dict(type="float", group_size=32)), "split", "model.", lambda w, m: p.mxfp4(w, False), None)
    yield ("fp8_block", fp8_config(block), "stacked", "model.", lambda w, m: p.fp8(w, block, "weight_scale_inv"), None)
    yield ("fp8_block_split", fp8_config(block), "split", "model.language_model.", lambda w, m: p.fp8(w, block, "weight_scale_inv"), None)
    yield ("mxfp4", {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp", "model.layers.*.router", "model.embed_tokens", "lm_head"]},
           "stacked", "model.", lambda w, m: p.mxfp4(w, True) if "experts" in m else None, None)
    yield ("modelopt_nvfp4", None, "split", "model.language_model.", lambda w, m: with_input(p.nvfp4(w, True), "input_scale", 0.001) if "self_attn" not in m else None,
           {"producer": {"name": "modelopt", "version": "0.33.0"},
            "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": ["lm_head", "model.language_model.layers.*.self_attn*", "*router*"]}})
    yield ("modelopt_fp8", modelopt_config("FP8"), "split", "model.", lambda w, m: with_input(p.fp8(w, whole(w), "weight_scale", scale_shape=()), "input_scale", 0.01), None)


def quantise(state, config, recipe):
    """The checkpoint's tensors, and the state dict with the numbers that they stand for."""
    _, _, layout, prefix, pack, _ = recipe
    tensors, values = {}, {}
    for name, tensor in state.items():
        short = name[len("model."):]
        stem = short[:-len(".weight")] if short.endswith(".weight") else short
        is_expert = ".experts." in short and tensor.dim() == 3
        if is_expert:
            stored, value = experts(prefix + stem, tensor.float(), layout, pack, config)
            tensors.update(stored)
            values[name] = value
            continue
        made = pack(tensor.float(), prefix + stem) if tensor.dim() == 2 and stem.split(".")[-1] in PROJECTIONS else None
        if made is None:
            tensors[prefix + short] = tensor
            values[name] = tensor.float()
            continue
        for part, t in made[0].items():
            tensors[prefix + stem + "." + part] = t
        values[name] = made[1]
    return tensors, values


def experts(module, w, layout, pack, config):
    """[e, out, in]; split into gate_proj, up_proj and down_proj of each expert, or one parameter."""
    stored, values = {}, []
    if layout == "stacked":
        made = [pack(w[e], module) for e in range(w.shape[0])]
        for part in made[0][0]:
            pieces = [m[0][part].contiguous() for m in made]
            raw = [x.view(torch.uint8) if x.element_size() == 1 else x for x in pieces]
            stored[stacked_name(module, part)] = torch.stack(raw).view(pieces[0].dtype) if part != "weight_shape" else torch.tensor(w.shape)
        return stored, torch.stack([m[1] for m in made])
    base, _, which = module.rpartition(".")
    for e in range(w.shape[0]):
        half = w.shape[1] // 2
        named = {"gate_proj": w[e, :half], "up_proj": w[e, half:]} if which == "gate_up_proj" else {"down_proj": w[e]}
        parts = []
        for proj, m in named.items():
            made, value = pack(m.contiguous(), "%s.%d.%s" % (base, e, proj))
            stored.update({"%s.%d.%s.%s" % (base, e, proj, part): t for part, t in made.items()})
            parts.append(value)
        values.append(torch.cat(parts))
    return stored, torch.stack(values)


def golden(model, values, prompts, steps):
    """Logits of every position, and the greedy continuation with its logits."""
    own = dict(model.named_parameters())
    own.update(model.named_buffers())
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)
        out = {}
        for name, ids in prompts.items():
            full = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()
            out[name + ".input_ids"] = torch.tensor([ids])
            out[name + ".logits"] = full[None].clone()
            tokens, rows, text = [], [], list(ids)
            for _ in range(steps):
                z = model(input_ids=torch.tensor([text]), use_cache=False).logits[0, -1].float()
                tokens.append(int(z.argmax()))
                rows.append(z.clone())
                text.append(tokens[-1])
            out[name + ".greedy_tokens"], out[name + ".greedy_logits"] = torch.tensor(tokens), torch.stack(rows)
    return out


def write(folder, base_config, recipe, tensors, gold):
    name, config, _, prefix, _, beside = recipe
    os.makedirs(folder, exist_ok=True)
    c = json.loads(json.dumps(base_config))
    if prefix == "model.language_model.":
        c = {"architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "text_config": c}
    if config is not None:
        c["quantization_config"] = config
    json.dump(c, open(folder + "/config.json", "w"), indent=1)
    if beside:
        json.dump(beside, open(folder + "/hf_quant_config.json", "w"), indent=1)
    if name == "ct_mixed":                                       # scales of the cache, as kv_cache_scheme leaves them
        for layer in range(base_config["num_hidden_layers"]):
            for which in ("k_scale", "v_scale"):
                tensors["%slayers.%d.self_attn.%s" % (prefix, layer, which)] = torch.tensor([0.02], dtype=torch.bfloat16)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder + "/model.safetensors", metadata={"format": "pt"})
    save_file({k: v.contiguous() for k, v in gold.items()}, folder + "/golden.safetensors")
