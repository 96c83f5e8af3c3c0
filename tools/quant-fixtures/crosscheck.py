"""Where the machine has a library that reads a layout, its answer beside ours."""
import torch

import packing as p


def attempt(name, check):
    try:
        print("crosscheck", name, "EQUAL" if check() else "DIFFERENT", flush=True)
    except Exception as e:                                       # absent or of another shape: said, not hidden
        print("crosscheck", name, "not possible:", type(e).__name__, str(e)[:160].replace("\n", " "), flush=True)


def run():
    w = torch.randn(64, 128, generator=torch.Generator().manual_seed(3))

    def mxfp4_transformers():
        from transformers.integrations.mxfp4 import convert_moe_packed_tensors
        parts, value = p.mxfp4(w, True)
        got = convert_moe_packed_tensors(parts["weight_blocks"][None], parts["weight_scales"][None], dtype=torch.float32)[0]
        return torch.equal(got.float().t() if got.shape != value.shape else got.float(), value)

    def fp8_transformers():
        from transformers.integrations.finegrained_fp8 import Fp8Dequantize
        parts, value = p.fp8(w, (32, 64), "weight_scale_inv")
        got = Fp8Dequantize(None)
        names = [n for n in dir(got) if "dequant" in n.lower()]
        for n in names:
            r = getattr(got, n)(parts["weight"], parts["weight_scale_inv"])
            return torch.allclose(r.float(), value, rtol=1e-2 if r.dtype is torch.bfloat16 else 1e-6)
        raise RuntimeError("no dequantise method among " + ", ".join(dir(got))[-120:])

    def ct(pack, scheme, **args):
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
        parts, value = pack
        q = unpack_from_int32(parts["weight_packed"], args["bits"], w.shape)
        zero = 0
        if "weight_zero_point" in parts:
            zero = unpack_from_int32(parts["weight_zero_point"], args["bits"], parts["weight_scale"].shape, packed_dim=0).float().repeat_interleave(32, 1)
        return torch.equal((q.float() - zero) * parts["weight_scale"].float().repeat_interleave(32, 1), value)

    def awq_library():
        from awq.utils.packing_utils import dequantize_gemm
        parts, value = p.awq(w, 32)
        return torch.allclose(dequantize_gemm(parts["qweight"], parts["qzeros"], parts["scales"], 4, 32).t().float(), value, rtol=2e-3)

    attempt("mxfp4 blocks / transformers", mxfp4_transformers)
    attempt("fp8 block / transformers", fp8_transformers)
    attempt("int4 sym / compressed-tensors", lambda: ct(p.ct_pack(w, 4, 32), None, bits=4))
    attempt("int3 asym / compressed-tensors", lambda: ct(p.ct_pack(w, 3, 32, False), None, bits=3))
    attempt("awq / autoawq", awq_library)
    for lib in ("compressed_tensors", "gptqmodel", "auto_gptq", "awq", "modelopt", "optimum"):
        try:
            __import__(lib)
            print("library", lib, "present")
        except Exception as e:
            print("library", lib, "absent" if isinstance(e, ImportError) else "broken")
