"""One small matrix in every variant of every layout, with the numbers it stands for."""
import hashlib

import torch

import packing as p

OUT, IN, EXPERTS = 32, 64, 3
LINEAR, STACKED = "layers.0.self_attn.q_proj", "layers.0.experts.gate_up_proj"
WORD = {2: 0x55555555, 4: 0x11111111, 8: 0x01010101}


def ct_config(fmt, weights, **more):
    """As llm-compressor writes it."""
    weights = {"actorder": None, "block_structure": None, "dynamic": False, "group_size": None, "num_bits": 4, "observer": "minmax",
               "observer_kwargs": {}, "strategy": "group", "symmetric": True, "type": "int", **weights}
    group = {"input_activations": None, "output_activations": None, "targets": ["Linear"], "weights": weights}
    return {"config_groups": {"group_0": group}, "format": fmt, "global_compression_ratio": None, "ignore": ["lm_head", "re:.*router.*"],
            "kv_cache_scheme": None, "quant_method": "compressed-tensors", "quantization_status": "compressed", **more}


def gptq_config(bits, group, sym, v2, act, by="autogptq"):
    c = {"bits": bits, "group_size": group, "damp_percent": 0.01, "desc_act": act, "static_groups": False, "sym": sym, "true_sequential": True,
         "quant_method": "gptq", "checkpoint_format": "gptq_v2" if v2 else "gptq"}
    if by == "gptqmodel":
        c.update(pack_dtype="int32", lm_head=False, meta={"quantizer": ["gptqmodel:2.2.0"], "uri": "https://github.com/modelcloud/gptqmodel"})
    return c


def awq_config(version, group):
    return {"bits": 4, "group_size": group, "modules_to_not_convert": None, "quant_method": "awq", "version": version, "zero_point": True}


def fp8_config(block):
    return {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": block}


def modelopt_config(algorithm):
    return {"quant_method": "modelopt", "quant_algo": algorithm, "kv_cache_scheme": {"dynamic": False, "num_bits": 8, "type": "float"}, "ignore": ["lm_head"],
            "producer": {"name": "modelopt", "version": "0.33.0"}}


def cases():
    """name, quantization_config, packing function; a name with "stacked" is one parameter for all experts."""
    rnd = torch.Generator().manual_seed(7)
    order = torch.randperm(IN, generator=rnd)
    for bits in (2, 3, 4, 8):
        for sym in (True, False):
            for v2 in (False, True):
                for act in (False, True):
                    name = "gptq%d_%s_%s%s" % (bits, "sym" if sym else "asym", "v2" if v2 else "v1", "_act" if act else "")
                    yield name, gptq_config(bits, 32, sym, v2, act), lambda w, b=bits, s=sym, v=v2, a=act: p.gptq(w, b, 32, s, v, order if a else None)
    yield "gptq4_channel", gptq_config(4, -1, True, False, False), lambda w: p.gptq(w, 4, -1)
    yield "gptq4_zero_of_0", gptq_config(4, 32, False, False, False), lambda w: p.gptq(positive(w), 4, 32, False)
    for bits in (2, 4, 8):
        yield "gptq%d_gptqmodel_zero_of_0" % bits, gptq_config(bits, 32, False, False, False, "gptqmodel"), lambda w, b=bits: borrowing(positive(w), b)

    for group in (32, -1):
        yield "awq_g%d" % group, awq_config("gemm", group), lambda w, g=group: p.awq(w, g)
    yield "awq_gemv", awq_config("gemv", 32), lambda w: p.awq_gemv(w, 32)

    for bits in (2, 3, 4, 5, 6, 7, 8):
        for sym in (True, False):
            name = "ct_int%d_%s" % (bits, "sym" if sym else "asym")
            yield name, ct_config("pack-quantized", dict(num_bits=bits, group_size=32, symmetric=sym)), lambda w, b=bits, s=sym: p.ct_pack(w, b, 32, s)
    for strategy in ("tensor", "channel"):
        for sym in (True, False):
            name = "ct_int4_%s_%s" % (strategy, "sym" if sym else "asym")
            yield (name, ct_config("pack-quantized", dict(strategy=strategy, symmetric=sym)),
                   lambda w, t=strategy, s=sym: p.ct_pack(w, 4, 32, s, strategy=t, scale_dtype=torch.float16))
    for sym in (True, False):
        name = "ct_int4_actorder_%s" % ("sym" if sym else "asym")
        yield name, ct_config("pack-quantized", dict(group_size=32, symmetric=sym, actorder="group")), lambda w, s=sym: p.ct_pack(w, 4, 32, s, order)
    yield "ct_int4_f32_scales", ct_config("pack-quantized", dict(group_size=32, symmetric=False)), lambda w: p.ct_pack(w, 4, 32, False, scale_dtype=torch.float32)
    for sym in (True, False):
        name = "ct_w8a8_%s" % ("sym" if sym else "asym")
        yield name, ct_config("int-quantized", dict(num_bits=8, strategy="channel", symmetric=sym)), lambda w, s=sym: p.ct_int8(w, s)

    fp8 = dict(num_bits=8, type="float")
    yield "ct_fp8_tensor", ct_config("float-quantized", dict(fp8, strategy="tensor")), lambda w: p.fp8(w, (OUT, IN), "weight_scale", torch.bfloat16, scale_shape=(1,))
    yield "ct_fp8_channel", ct_config("float-quantized", dict(fp8, strategy="channel")), lambda w: p.fp8(w, (1, IN), "weight_scale", torch.bfloat16)
    yield "ct_fp8_block", ct_config("float-quantized", dict(fp8, strategy="block", block_structure=[24, 40])), lambda w: p.fp8(w, (24, 40), "weight_scale", torch.bfloat16)
    yield "ct_nvfp4", ct_config("nvfp4-pack-quantized", dict(type="float", strategy="tensor_group", group_size=16)), lambda w: p.nvfp4(w, False)
    yield "ct_mxfp4", ct_config("mxfp4-pack-quantized", dict(type="float", group_size=32)), lambda w: p.mxfp4(w, False)
    yield "ct_mxfp8", ct_config("mxfp8-quantized", dict(fp8, group_size=32)), p.mxfp8
    yield "fp8_block", fp8_config([24, 40]), lambda w: p.fp8(w, (24, 40), "weight_scale_inv")
    yield "fp8_tensor", fp8_config(None), lambda w: p.fp8(w, (OUT, IN), "weight_scale", scale_shape=())
    yield "fp8_e5m2", dict(fp8_config([24, 40]), fmt="e5m2"), lambda w: p.fp8(w, (24, 40), "weight_scale_inv", dtype=torch.float8_e5m2)
    yield "mxfp4_blocks", {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, lambda w: p.mxfp4(w, True)
    yield "modelopt_nvfp4", modelopt_config("NVFP4"), lambda w: p.nvfp4(w, True)
    yield "modelopt_fp8", modelopt_config("FP8"), lambda w: p.fp8(w, (OUT, IN), "weight_scale", scale_shape=())

    yield "stacked_ct_int4_sym", ct_config("pack-quantized", dict(group_size=32)), lambda w: p.ct_pack(w, 4, 32)
    yield "stacked_ct_int4_asym", ct_config("pack-quantized", dict(group_size=32, symmetric=False)), lambda w: p.ct_pack(w, 4, 32, False)
    yield "stacked_ct_fp8_channel", ct_config("float-quantized", dict(fp8, strategy="channel")), lambda w: p.fp8(w, (1, IN), "weight_scale", torch.bfloat16)
    yield "stacked_ct_nvfp4", ct_config("nvfp4-pack-quantized", dict(type="float", strategy="tensor_group", group_size=16)), lambda w: p.nvfp4(w, False)
    yield "stacked_fp8_block", fp8_config([24, 40]), lambda w: p.fp8(w, (24, 40), "weight_scale_inv")
    yield "stacked_fp8_halves", fp8_config([12, 40]), halves
    yield "stacked_fp8_tensor", fp8_config(None), lambda w: p.fp8(w, (OUT, IN), "weight_scale_inv", scale_shape=(1, 1))
    yield "stacked_mxfp4_blocks", {"quant_method": "mxfp4"}, lambda w: p.mxfp4(w, True)


def positive(w):
    """The first group of every third row has no negative weight, so its zero point is 0."""
    w = w.clone()
    w[::3, :32] = w[::3, :32].abs()
    return w


def borrowing(w, bits):
    """GPTQModel's first format: the packed words less 0x1111…, whole words at a time."""
    parts, value = p.gptq(w, bits, 32, False, v2=True)
    words = parts["qzeros"].to(torch.int64) & 0xFFFFFFFF
    parts["qzeros"] = p.int32((words - WORD[bits]) & 0xFFFFFFFF)
    return parts, value


def halves(w):
    """gate and up quantised by themselves and stacked afterwards: blocks begin anew at the half."""
    (gate, gate_value), (up, up_value) = (p.fp8(half, (12, 40), "weight_scale_inv") for half in (w[:OUT // 2], w[OUT // 2:]))
    return {k: torch.cat((gate[k].view(torch.uint8), up[k].view(torch.uint8))).view(gate[k].dtype) for k in gate}, torch.cat((gate_value, up_value))


def stacked_name(module, part):
    """A part of a parameter that holds the matrices of all experts."""
    return module + part[len("weight"):]


def build():
    """All tensors under "case/model.….part", and a list of what they are and what they stand for."""
    tensors, index = {}, []
    for number, (name, config, pack) in enumerate(cases()):
        stacked = name.startswith("stacked")
        g = torch.Generator().manual_seed(1000 + number)
        made = [pack(torch.randn(OUT, IN, generator=g)) for _ in range(EXPERTS if stacked else 1)]
        module = "model." + (STACKED if stacked else LINEAR)
        for part in made[0][0]:
            full = stacked_name(module, part) if stacked else module + "." + part
            pieces = [m[0][part].contiguous() for m in made]
            if stacked:
                one = pieces[0].view(torch.uint8) if pieces[0].dtype in (torch.float8_e4m3fn, torch.float8_e5m2) else pieces[0]
                tensor = torch.stack([x.view(one.dtype) for x in pieces]).view(pieces[0].dtype)
                if part == "weight_shape":
                    tensor = torch.tensor([EXPERTS, OUT, IN])
            else:
                tensor = pieces[0]
            tensors[name + "/" + full] = tensor.contiguous()
        value = torch.stack([m[1] for m in made]).float() + 0.0          # no negative zeros
        index.append(dict(name=name, config=config, stacked=EXPERTS if stacked else 0, rows=OUT, columns=IN,
                          sha256=hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest(), first_row=[float(v) for v in value[0, 0]]))
    return tensors, index
