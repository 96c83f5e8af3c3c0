"""Safetensors written and read without a dependency, bfloat16 included."""
import hashlib
import json
import struct

import torch

_DT = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64", torch.int32: "I32",
       torch.float64: "F64", torch.bool: "BOOL", torch.uint8: "U8"}


def _raw(t):
    t = t.detach().to("cpu").contiguous()
    if t.numel() == 0:
        return b""
    if t.dtype in (torch.bfloat16, torch.float16):
        t = t.view(torch.int16)
    if t.dtype is torch.bool:
        t = t.to(torch.uint8)
    return t.numpy().tobytes()


def write_safetensors(path, tensors, metadata=None):
    head, blobs, off = {}, [], 0
    if metadata:
        head["__metadata__"] = {k: str(v) for k, v in metadata.items()}
    for name in sorted(tensors):
        b = _raw(tensors[name])
        head[name] = {"dtype": _DT[tensors[name].dtype], "shape": list(tensors[name].shape),
                      "data_offsets": [off, off + len(b)]}
        blobs.append(b)
        off += len(b)
    hj = json.dumps(head, separators=(",", ":")).encode()
    hj += b" " * (-len(hj) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(hj)))
        f.write(hj)
        for b in blobs:
            f.write(b)


def read_safetensors(path):
    inv = {v: k for k, v in _DT.items()}
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(n))
        data = bytearray(f.read())
    out = {}
    for name, h in head.items():
        if name == "__metadata__":
            continue
        a, b = h["data_offsets"]
        dt = inv[h["dtype"]]
        store = torch.int16 if dt in (torch.bfloat16, torch.float16) else (torch.uint8 if dt is torch.bool else dt)
        t = torch.frombuffer(data[a:b], dtype=store).clone() if b > a else torch.empty(0, dtype=store)
        if store is not dt:
            t = t.to(torch.bool) if dt is torch.bool else t.view(dt)
        out[name] = t.reshape(h["shape"])
    return out


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for blk in iter(lambda: f.read(1 << 20), b""):
            h.update(blk)
    return h.hexdigest()
