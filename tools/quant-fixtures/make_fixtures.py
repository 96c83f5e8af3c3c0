#!/usr/bin/env python3
"""Quantised weights in published layouts, made without any code of this project, and what transformers computes with them.

usage:  make_fixtures.py OUT_DIR [--tiny MODEL_DIR NAME,NAME…]

Needs torch and transformers (written for 2.11 and 5.17). Writes OUT_DIR/fixtures.tar: matrices.safetensors and matrices.json
(one small matrix in every variant), and a folder for each whole checkpoint of a very small random model. With --tiny also
OUT_DIR/NAME.tar: the named recipes applied to a trained model folder, too large to keep in the repository.
"""
import json
import os
import sys
import tarfile
import tempfile
import time

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import Gemma4ForCausalLM

import crosscheck
import matrices
import models

KEPT = ("gptq4_act", "awq", "ct_int4_asym_act", "ct_int4_stacked", "ct_mixed", "ct_nvfp4", "fp8_block", "mxfp4", "modelopt_nvfp4")
SMALL = dict(
    architectures=["Gemma4ForCausalLM"], model_type="gemma4_text", vocab_size=64, hidden_size=64, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=1, head_dim=32, global_head_dim=32, num_global_key_value_heads=None, attention_k_eq_v=False, num_kv_shared_layers=0,
    hidden_size_per_layer_input=0, vocab_size_per_layer_input=64, layer_types=["full_attention"], sliding_window=8, max_position_embeddings=64,
    final_logit_softcapping=None, enable_moe_block=True, num_experts=3, top_k_experts=2, moe_intermediate_size=32, hidden_activation="gelu_pytorch_tanh",
    tie_word_embeddings=True, rms_norm_eps=1e-6, attention_bias=False, pad_token_id=0, eos_token_id=1, bos_token_id=2, dtype="bfloat16",
    use_bidirectional_attention=None, use_double_wide_mlp=False,
    rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                     "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}})


def small_model(folder):
    """A random model of that configuration, saved as published ones are."""
    from transformers import Gemma4TextConfig
    torch.manual_seed(11)
    m = Gemma4ForCausalLM(Gemma4TextConfig(**{k: v for k, v in SMALL.items() if k not in ("architectures", "model_type")}))
    state = {}
    for name, t in list(m.named_parameters()) + [(n, b) for n, b in m.named_buffers() if n.endswith("layer_scalar")]:
        g = torch.Generator().manual_seed(sum(ord(c) * (i + 1) for i, c in enumerate(name)))
        x = torch.randn(t.shape, generator=g)
        if t.dim() == 1:
            x = 1 + 0.2 * x
        elif name.endswith("embed_tokens.weight"):
            x = x * 0.3
        elif not name.endswith("router.proj.weight"):
            x = x * t.shape[-1] ** -0.5
        state[name] = x.to(torch.bfloat16)
    os.makedirs(folder, exist_ok=True)
    json.dump(SMALL, open(folder + "/config.json", "w"), indent=1)
    save_file(state, folder + "/model.safetensors", metadata={"format": "pt"})


def load(folder):
    m = Gemma4ForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for set_experts in ("set_experts_implementation",):
        if hasattr(m, set_experts):
            getattr(m, set_experts)("eager")
    return m, load_file(folder + "/model.safetensors"), json.load(open(folder + "/config.json"))


def make(folder, source, names, prompts, steps, block):
    model, state, config = load(source)
    for recipe in models.recipes(block):
        if recipe[0] not in names:
            continue
        t0 = time.time()
        tensors, values = models.quantise(state, config, recipe)
        models.write(os.path.join(folder, recipe[0]), config, recipe, tensors, models.golden(model, values, prompts, steps))
        print("model", recipe[0], len(tensors), "tensors", round(time.time() - t0, 1), "s", flush=True)


def tar(path, folder, names):
    with tarfile.open(path, "w") as t:
        for name in sorted(names):
            t.add(os.path.join(folder, name), name)


def main():
    out = sys.argv[1]
    print("torch", torch.__version__, "transformers", transformers.__version__, flush=True)
    os.makedirs(out, exist_ok=True)
    crosscheck.run()
    with tempfile.TemporaryDirectory() as work:
        made = os.path.join(work, "made")
        os.makedirs(made)
        tensors, index = matrices.build()
        save_file(tensors, made + "/matrices.safetensors")
        json.dump(dict(torch=torch.__version__, cases=index), open(made + "/matrices.json", "w"))
        print("matrices", len(index), "cases", os.path.getsize(made + "/matrices.safetensors"), "bytes", flush=True)
        small_model(work + "/small")
        make(made, work + "/small", KEPT, {"p0": [2, 5, 9, 33, 60, 12, 7, 7, 41, 3, 18, 25]}, 4, (24, 40))
        tar(out + "/fixtures.tar", made, os.listdir(made))
        if "--tiny" in sys.argv:
            at = sys.argv.index("--tiny")
            source, names = sys.argv[at + 1], sys.argv[at + 2].split(",")
            ids = load_file(source + "/golden.safetensors")
            prompts = {"p0": ids["hello.prompt_ids"].tolist(), "p1": ids["story_cat.prompt_ids"].tolist()}
            tiny = os.path.join(work, "tiny")
            make(tiny, source, names, prompts, 16, (128, 128))
            for name in names:
                tar(os.path.join(out, name + ".tar"), tiny, [name])
    print("done", flush=True)


main()
