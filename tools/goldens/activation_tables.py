"""Tables of activations: float32 with float64 truth, every bfloat16 pattern, float16, and gated products."""
import math

import torch
import torch.nn.functional as F

from cases import SEED
from files import write_safetensors


def activation_tables(path):
    ops = {"gelu_none": lambda x: F.gelu(x), "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu,
           "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu2": lambda x: F.relu(x).square()}
    out, skipped = {}, []
    special = [0.0, -0.0, 1e-8, -1e-8, 1e-30, -1e-30, 1e-40, -1e-40, 1e4, -1e4, 3e38, -3e38, math.inf, -math.inf, math.nan]
    x = torch.cat([torch.linspace(-12, 12, 4801), torch.tensor(special)]).float()
    out["f32.x"] = x
    pats = torch.arange(0, 65536, dtype=torch.int32)
    xb = torch.where(pats >= 32768, pats - 65536, pats).to(torch.int16).view(torch.bfloat16)
    xh = torch.linspace(-12, 12, 4801).to(torch.float16)
    out["bf16.x"], out["f16.x"] = xb, xh
    for k, f in ops.items():
        out["f32." + k] = f(x)
        out["f32." + k + ".f64"] = f(x.double()).float()
        for tag, t in (("bf16", xb), ("f16", xh)):
            try:
                out[tag + "." + k] = f(t)
            except Exception as e:
                skipped.append("%s.%s: %s" % (tag, k, e))
    g = torch.Generator().manual_seed(SEED)
    gate = (torch.randn(4096, generator=g) * 2.5).to(torch.bfloat16)
    up = (torch.randn(4096, generator=g) * 2.5).to(torch.bfloat16)
    out["glu.gate"], out["glu.up"] = gate, up
    for k in ("gelu_none", "gelu_tanh", "silu"):
        try:
            out["glu." + k + ".two_rounding"] = ops[k](gate) * up
            out["glu." + k + ".one_rounding"] = (ops[k](gate.float()) * up.float()).to(torch.bfloat16)
        except Exception as e:
            skipped.append("glu.%s: %s" % (k, e))
    write_safetensors(path, out, {"torch": torch.__version__})
    fin = torch.isfinite(x)
    info = {"skipped": skipped,
            "max_abs_gelu_none_minus_tanh_f32": float((out["f32.gelu_none"] - out["f32.gelu_tanh"])[fin].abs().max())}
    if "bf16.gelu_tanh" in out:
        fb = torch.isfinite(xb.float()) & (xb.float().abs() < 1e4)
        a, b = out["bf16.gelu_none"].float()[fb], out["bf16.gelu_tanh"].float()[fb]
        info["bf16_patterns_where_they_differ"] = int((a != b).sum())
        info["bf16_patterns_compared"] = int(fb.sum())
        info["max_abs_bf16_difference"] = float((a - b).abs().max())
    return info
