#!/usr/bin/env python3
"""Golden outputs of transformers + PEFT: adapters of every kind on the tiny trained model.

usage:  make_lora_goldens.py MODEL_DIR OUT_DIR

Needs torch, transformers and peft (written for 5.17 and 0.21). No training: B, which PEFT starts at zero, gets fixed random
values. For every case it writes OUT_DIR/<case>/adapter_config.json and adapter_model.safetensors as PEFT saves them, and for
all cases OUT_DIR/golden.safetensors: <case>.logits, [2, vocab], of the last token of two prompts in float32 (eager, CPU);
base.logits are those without an adapter, merged.<case>.max_abs how far merge_and_unload() is from the unmerged adapter.
"""
import json
import os
import sys
import zlib

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Gemma4ForCausalLM

from files import write_safetensors

PROMPTS = [[2, 105, 300, 400, 500, 600, 700], [2, 900, 901, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27]]
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]
EXPERTS = ["experts.gate_up_proj", "experts.down_proj"]
TWO_LAYERS = ["layers.1.experts.gate_up_proj", "layers.1.experts.down_proj", "layers.3.experts.gate_up_proj", "layers.3.experts.down_proj"]

# name: (LoraConfig arguments, dtype saved)
CASES = {
    "attention_mlp_experts": (dict(r=2, lora_alpha=6, target_modules=ATTENTION + MLP, target_parameters=EXPERTS), "bfloat16"),
    "rslora_patterns": (dict(r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "o_proj"], target_parameters=TWO_LAYERS,
                             rank_pattern={"layers.3.self_attn.q_proj": 6, "experts.gate_up_proj": 3, r".*\.[01]\.self_attn\.o_proj": 1},
                             alpha_pattern={r"^model\.layers\.[0-3]\.self_attn\.q_proj": 5, "down_proj": 12}), "float32"),
    "gate_up_only": (dict(r=3, lora_alpha=3, target_modules=[], target_parameters=["layers.2.experts.gate_up_proj", "layers.7.experts.gate_up_proj"]), "float32"),
    "down_only": (dict(r=3, lora_alpha=6, target_modules=[], target_parameters=["layers.2.experts.down_proj", "layers.7.experts.down_proj"]), "float16"),
    "all_linear": (dict(r=2, lora_alpha=4, target_modules="all-linear", layers_to_transform=None), "float32"),
    "some_layers": (dict(r=16, lora_alpha=8, target_modules=["k_proj", "up_proj"], layers_to_transform=[3, 4]), "float32"),
    "embeddings": (dict(r=2, lora_alpha=2, target_modules=["embed_tokens", "lm_head", "q_proj"], layers_to_transform=None), "float32"),
    "lora_bias": (dict(r=2, lora_alpha=4, lora_bias=True, target_modules=["q_proj"]), "float32"),
    "dora": (dict(r=2, lora_alpha=4, use_dora=True, target_modules=["q_proj"]), "float32"),
    "modules_to_save": (dict(r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["norm"]), "float32"),
    "bias_all": (dict(r=2, lora_alpha=4, bias="all", target_modules=["q_proj"]), "float32"),
    "trainable_tokens": (dict(r=2, lora_alpha=4, target_modules=["q_proj"], trainable_token_indices=[5, 6]), "float32"),
}


def load(path):
    return Gemma4ForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()


def logits(model):
    return torch.stack([model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float() for ids in PROMPTS])


def fill(model, dtype):
    """Values of the size training gives; rounded to the dtype that is saved, so that file and golden agree."""
    for name, p in model.named_parameters():
        if "lora_" not in name and "trainable_tokens" not in name and "modules_to_save" not in name:
            continue
        gen = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        if "lora_B" in name or "lora_embedding_B" in name:
            p.data = torch.randn(p.shape, generator=gen) * 0.05
        elif "lora_embedding_A" in name:
            p.data = torch.randn(p.shape, generator=gen)
        elif "lora_A" in name:
            p.data = torch.randn(p.shape, generator=gen) * 0.05
        elif "magnitude" not in name:
            p.data = p.data + torch.randn(p.shape, generator=gen) * 0.05
        p.data = p.data.to(dtype).float()


path, out = sys.argv[1], sys.argv[2]
os.makedirs(out, exist_ok=True)
torch.use_deterministic_algorithms(True)
tensors, report = {}, dict(torch=torch.__version__, transformers=transformers.__version__, peft=peft.__version__, cases={})
with torch.no_grad():
    tensors["base.logits"] = base = logits(load(path))
    for name, (arguments, dtype) in CASES.items():
        folder = os.path.join(out, name)
        model = get_peft_model(load(path), LoraConfig(task_type="CAUSAL_LM", **arguments)).eval()
        model.peft_config["default"].base_model_name_or_path = "gemma4-tiny"
        fill(model, getattr(torch, dtype))
        saved = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
        model.peft_config["default"].inference_mode = True
        model.peft_config["default"].save_pretrained(folder)
        write_safetensors(os.path.join(folder, "adapter_model.safetensors"),
                          {k: v.to(getattr(torch, dtype)) for k, v in saved.items()}, {"format": "pt"})
        again = PeftModel.from_pretrained(load(path), folder).eval()
        result = logits(again)
        assert torch.equal(result, logits(model)), name
        tensors[name + ".logits"] = result
        entry = dict(change=(result - base).abs().max().item(), bytes=os.path.getsize(folder + "/adapter_model.safetensors"), keys=len(saved))
        try:
            entry["merged"] = (logits(again.merge_and_unload()) - result).abs().max().item()
            tensors["merged." + name + ".max_abs"] = torch.tensor([entry["merged"]])
        except Exception as e:
            entry["merged"] = repr(e)
        report["cases"][name] = entry
        print(name, entry, flush=True)
        print("   ", *[f"{k} {list(v.shape)}" for k, v in saved.items() if "layers." not in k or "layers.3." in k or "layers.2." in k], sep="\n    ", flush=True)
write_safetensors(os.path.join(out, "golden.safetensors"), tensors, {k: v for k, v in report.items() if k != "cases"} | {"prompts": json.dumps(PROMPTS)})
print(json.dumps(report, indent=1))
