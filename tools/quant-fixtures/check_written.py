#!/usr/bin/env python3
"""What transformers computes with the weights of checkpoints that `lapidary quantize` wrote, decoded here in plain torch.

usage:  check_written.py OUT_DIR SOURCE_DIR WRITTEN_DIR…

SOURCE_DIR is the model they were made from. Writes OUT_DIR/<name of WRITTEN_DIR>.safetensors, to be laid as golden.safetensors
beside the written weights; then `lapidary parity WRITTEN_DIR` compares.
"""
import json
import os
import re
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import Gemma4ForCausalLM

import models

E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])


def bits_of(words, bits, count):
    """[n, words] int32 → [n, count] numbers, one string of bits a row, lowest first."""
    b = (words.to(torch.int64)[:, :, None] >> torch.arange(32)) & 1
    b = b.reshape(words.shape[0], -1)[:, :count * bits].reshape(words.shape[0], count, bits)
    return (b << torch.arange(bits)).sum(2)


def decode(parts, args):
    """The float32 matrix of one module's parts, by the description of compressed-tensors."""
    if "weight_shape" in parts:
        rows, columns = parts["weight_shape"].tolist()
        bits = args["num_bits"]
        scale = parts["weight_scale"].float()
        q = bits_of(parts["weight_packed"], bits, columns) - 2 ** (bits - 1)
        zero = torch.zeros(scale.shape)
        if "weight_zero_point" in parts:
            zero = (bits_of(parts["weight_zero_point"].t().contiguous(), bits, rows).t() - 2 ** (bits - 1)).float()
        width = args["group_size"] or columns
        spread = lambda t: t.repeat_interleave(width, 1)[:, :columns]
        return (q.float() - spread(zero)) * spread(scale)
    if "weight_packed" in parts:
        p = parts["weight_packed"].to(torch.int64)
        code = torch.stack((p & 15, p >> 4), 2).reshape(p.shape[0], -1)
        if "weight_global_scale" in parts:
            scale = parts["weight_scale"].float() / parts["weight_global_scale"].float()
        else:
            scale = torch.exp2(parts["weight_scale"].float() - 127)
        return E2M1[code] * scale.repeat_interleave(args["group_size"], 1)
    q, scale = parts["weight"].float(), parts["weight_scale"].float()
    if args["strategy"] == "block":
        h, w = args["block_structure"]
        scale = scale.repeat_interleave(h, 0)[:q.shape[0]].repeat_interleave(w, 1)[:, :q.shape[1]]
    return q * scale


def state_of(folder, names):
    config = json.load(open(folder + "/config.json"))["quantization_config"]
    args = config["config_groups"]["group_0"]["weights"]
    modules = {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".safetensors") and file != "golden.safetensors":
            for name, tensor in load_file(os.path.join(folder, file)).items():
                module, _, part = name.rpartition(".")
                modules.setdefault(module, {})[part] = tensor

    def matrix(module):
        parts = modules.pop(module)
        return decode(parts, args) if "weight_scale" in parts else parts["weight"].float()

    state = {}
    for name, shape in names.items():
        fused = re.match(r"(.*\.experts)\.(gate_up_proj|down_proj)$", name)
        if fused:
            which = ("gate_proj", "up_proj") if fused[2] == "gate_up_proj" else ("down_proj",)
            state[name] = torch.stack([torch.cat([matrix("%s.%d.%s" % (fused[1], e, w)) for w in which]) for e in range(shape[0])])
            continue
        module, _, part = name.rpartition(".")
        if part == "weight" and len(shape) == 2:
            state[name] = matrix(module)
        else:
            state[name] = modules[module].pop(part).float()
    left = [m for m, parts in modules.items() if parts]
    assert not left, "tensors that belong to nothing: %s" % left[:4]
    return state


def main():
    out, source = sys.argv[1], sys.argv[2]
    model = Gemma4ForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    if hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")
    names = {name: tuple(t.shape) for name, t in load_file(source + "/model.safetensors").items()}
    vocabulary = model.config.vocab_size
    prompts = {"p0": [2] + [(7 * i + 3) % vocabulary for i in range(20)]}
    for folder in sys.argv[3:]:
        gold = models.golden(model, state_of(folder, names), prompts, 8)
        name = os.path.basename(os.path.normpath(folder))
        save_file({k: v.contiguous() for k, v in gold.items()}, os.path.join(out, name + ".safetensors"))
        print("decoded", name, flush=True)


main()
