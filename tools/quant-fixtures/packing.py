"""Quantised weight layouts as their authors publish them, written from the descriptions, in plain torch.

Every function takes a float32 matrix [out, in] and returns ({part: tensor}, the float32 matrix those parts stand for).
Rounding to nearest: the point is the layout, not the quality.
"""
import torch

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]        # the i-th nibble of a word holds this one of its 8 outputs
E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]


# ---- integers --------------------------------------------------------------------------------------------------
def groups_of(columns, group):
    """Group of each column; group <= 0 is one for the row."""
    return torch.arange(columns) // (group if group > 0 else columns)


def quantise(w, bits, g_idx, sym, scale_dtype):
    """Codes 0..2^bits-1 [out, in], zero points [out, groups], scales [out, groups] in scale_dtype."""
    out, n, top = w.shape[0], int(g_idx.max()) + 1, 2 ** bits - 1
    scale, zero = torch.zeros(out, n), torch.zeros(out, n)
    for g in range(n):
        part = w[:, g_idx == g]
        if sym:
            scale[:, g] = part.abs().amax(1) * 2 / top
            zero[:, g] = 2 ** (bits - 1)
        else:
            low, high = part.amin(1).clamp(max=0), part.amax(1).clamp(min=0)
            scale[:, g] = (high - low) / top
            zero[:, g] = (-low / scale[:, g].clamp(min=1e-12)).round().clamp(0, top)
    scale = scale.clamp(min=1e-6).to(scale_dtype)
    q = (w / scale.float()[:, g_idx]).round() + zero[:, g_idx]
    return q.clamp(0, top).to(torch.int64), zero.to(torch.int64), scale


def dequantise(q, zero, scale, g_idx):
    return (q - zero[:, g_idx]).float() * scale.float()[:, g_idx]


def int32(words):
    """Unsigned 32-bit words in an int64 tensor, as int32 of the same bits."""
    return torch.where(words >= 2 ** 31, words - 2 ** 32, words).to(torch.int32)


def pack_rows(q, bits):
    """[n, m] packed down the first axis, AutoGPTQ's way: 32/bits in a word; for 3 bits 32 in three words, two of them split."""
    n, m = q.shape
    if bits in (2, 4, 8):
        per = 32 // bits
        assert n % per == 0
        words = torch.zeros(n // per, m, dtype=torch.int64)
        for j in range(per):
            words |= q[j::per] << (bits * j)
        return int32(words)
    assert bits == 3 and n % 32 == 0
    words = torch.zeros(n // 32 * 3, m, dtype=torch.int64)
    for block in range(n // 32):
        a = q[32 * block:32 * block + 32]
        w0, w1, w2 = 3 * block, 3 * block + 1, 3 * block + 2
        for j in range(10):
            words[w0] |= a[j] << (3 * j)
        words[w0] |= (a[10] & 3) << 30                     # two bits here, the third opens the next word
        words[w1] |= a[10] >> 2
        for j in range(10):
            words[w1] |= a[11 + j] << (3 * j + 1)
        words[w1] |= (a[21] & 1) << 31                     # one bit here, two in the next
        words[w2] |= a[21] >> 1
        for j in range(10):
            words[w2] |= a[22 + j] << (3 * j + 2)
    return int32(words)


def gptq(w, bits=4, group=32, sym=True, v2=False, order=None):
    """order: a permutation of the columns, which then are grouped in that order (desc_act)."""
    g_idx = groups_of(w.shape[1], group)
    if order is not None:
        shuffled = torch.empty_like(g_idx)
        shuffled[order] = g_idx
        g_idx = shuffled
    q, zero, scale = quantise(w, bits, g_idx, sym, torch.float16)
    stored = zero if v2 else (zero - 1) & (2 ** bits - 1)
    parts = {
        "qweight": pack_rows(q.t(), bits),                  # [in·bits/32, out]
        "qzeros": pack_rows(stored, bits).t().contiguous(),  # [groups, out·bits/32]
        "scales": scale.t().contiguous(),                   # [groups, out]
        "g_idx": g_idx.to(torch.int32),
    }
    return parts, dequantise(q, zero, scale, g_idx)


def pack_awq(q):
    """[n, out] → [n, out/8]"""
    words = torch.zeros(q.shape[0], q.shape[1] // 8, dtype=torch.int64)
    for i, which in enumerate(AWQ_ORDER):
        words |= q[:, which::8] << (4 * i)
    return int32(words)


def awq(w, group=32):
    g_idx = groups_of(w.shape[1], group)
    q, zero, scale = quantise(w, 4, g_idx, False, torch.float16)
    parts = {"qweight": pack_awq(q.t()), "qzeros": pack_awq(zero.t()), "scales": scale.t().contiguous()}
    return parts, dequantise(q, zero, scale, g_idx)


def awq_gemv(w, group=32):
    """[out, in/8] in plain order; zeros and scales padded to the kernel's width."""
    g_idx = groups_of(w.shape[1], group)
    q, zero, scale = quantise(w, 4, g_idx, False, torch.float16)
    n, step = zero.shape[1], {32: 4, 64: 2}.get(group, 1)
    width = -(-(-(-n // 8)) // step) * step
    zeros, scales = torch.zeros(w.shape[0], 8 * width, dtype=torch.int64), torch.zeros(w.shape[0], 8 * width, dtype=torch.float16)
    zeros[:, :n], scales[:, :n] = zero, scale
    parts = {"qweight": pack_rows(q.t(), 4).t().contiguous(), "qzeros": pack_rows(zeros.t(), 4).t().contiguous(), "scales": scales}
    return parts, dequantise(q, zero, scale, g_idx)


def pack_dense(q, bits):
    """[n, m] → [n, ceil(m·bits/32)]: one string of bits a row, lowest first, no gaps."""
    n, m = q.shape
    b = (q[:, :, None] >> torch.arange(bits)) & 1
    b = torch.nn.functional.pad(b.reshape(n, m * bits), (0, -(m * bits) % 32)).reshape(n, -1, 32)
    return int32((b << torch.arange(32)).sum(2))


def ct_pack(w, bits=4, group=32, sym=True, order=None, scale_dtype=torch.bfloat16, strategy="group"):
    """compressed-tensors pack-quantized. strategy: tensor, channel or group."""
    g_idx = groups_of(w.shape[1], group if strategy == "group" else -1)
    if order is not None:
        shuffled = torch.empty_like(g_idx)
        shuffled[order] = g_idx
        g_idx = shuffled
    if strategy == "tensor":
        flat = w.reshape(1, -1)
        q, zero, scale = quantise(flat, bits, torch.zeros(flat.shape[1], dtype=torch.int64), sym, scale_dtype)
        value = (q - zero).float() * scale.float()
        parts = {"weight_packed": pack_dense(q.reshape(w.shape), bits), "weight_scale": scale.reshape(1)}
        if not sym:
            parts["weight_zero_point"] = (zero - 2 ** (bits - 1)).to(torch.int8).reshape(1)
        value = value.reshape(w.shape)
    else:
        q, zero, scale = quantise(w, bits, g_idx, sym, scale_dtype)
        value = dequantise(q, zero, scale, g_idx)
        parts = {"weight_packed": pack_dense(q, bits), "weight_scale": scale}
        if not sym:                                        # signed zero points plus 2^(bits-1), packed along the outputs
            parts["weight_zero_point"] = pack_dense(zero.t(), bits).t().contiguous()
        if order is not None:
            parts["weight_g_idx"] = g_idx.to(torch.int32)
    parts["weight_shape"] = torch.tensor(w.shape, dtype=torch.int64)
    return parts, value


def ct_int8(w, sym=True, scale_dtype=torch.bfloat16):
    """int-quantized: one signed byte a weight, a scale a row."""
    g_idx = groups_of(w.shape[1], -1)
    q, zero, scale = quantise(w, 8, g_idx, sym, scale_dtype)
    parts = {"weight": (q - 128).to(torch.int8), "weight_scale": scale}
    if not sym:
        parts["weight_zero_point"] = (zero - 128).to(torch.int8)
    return parts, dequantise(q, zero, scale, g_idx)


# ---- small floats ----------------------------------------------------------------------------------------------
def spread(scale, block, shape):
    """A scale for each block of rows and columns → one for each weight."""
    return scale.repeat_interleave(block[0], 0)[:shape[0]].repeat_interleave(block[1], 1)[:, :shape[1]]


def fp8(w, block, scale_name, scale_dtype=torch.float32, dtype=torch.float8_e4m3fn, scale_shape=None):
    """block: (rows, columns) that share a scale. weight · scale, whatever the scale is called."""
    rows, columns = w.shape
    r, c = -(-rows // block[0]), -(-columns // block[1])
    top = torch.zeros(r, c)
    for i in range(r):
        for j in range(c):
            top[i, j] = w[i * block[0]:(i + 1) * block[0], j * block[1]:(j + 1) * block[1]].abs().max()
    scale = (top / torch.finfo(dtype).max).clamp(min=1e-8).to(scale_dtype)
    full = spread(scale.float(), block, w.shape)
    q = (w / full).clamp(-torch.finfo(dtype).max, torch.finfo(dtype).max).to(dtype)
    return {"weight": q, scale_name: scale if scale_shape is None else scale.reshape(scale_shape)}, q.float() * full


def to_e2m1(x):
    """Nearest of the 8 magnitudes, ties to the even code; the sign in bit 3."""
    table = torch.tensor(E2M1)
    distance = (x.abs()[..., None] - table).abs()
    best = distance.amin(-1, keepdim=True)
    ties = distance == best
    even = torch.where(ties & (torch.arange(8) % 2 == 0), torch.arange(8), 99).amin(-1)
    code = torch.where(even < 99, even, torch.where(ties, torch.arange(8), 99).amin(-1))
    return code + 8 * (x < 0).to(torch.int64)


def from_e2m1(code):
    return torch.tensor(E2M1 + [-v for v in E2M1])[code]


def nibbles(code):
    """The even column in the low half of a byte."""
    return (code[..., 0::2] | code[..., 1::2] << 4).to(torch.uint8)


def nvfp4(w, modelopt):
    """Groups of 16, E4M3 scales, one scale for the matrix: a divisor in compressed-tensors, a factor in modelopt."""
    grouped = w.reshape(w.shape[0], -1, 16)
    if modelopt:
        two = w.abs().max() / (6.0 * 448.0)
        scale = (grouped.abs().amax(2) / (6.0 * two)).clamp(min=2 ** -9, max=448).to(torch.float8_e4m3fn)
        full = scale.float() * two
    else:
        two = 448.0 * 6.0 / w.abs().max()
        scale = (two * grouped.abs().amax(2) / 6.0).clamp(min=2 ** -9, max=448).to(torch.float8_e4m3fn)
        full = scale.float() / two
    code = to_e2m1((grouped / full[..., None]).clamp(-6, 6))
    value = (from_e2m1(code) * full[..., None]).reshape(w.shape)
    packed = nibbles(code.reshape(w.shape))
    if modelopt:
        return {"weight": packed, "weight_scale": scale, "weight_scale_2": two.float()}, value
    return {"weight_packed": packed, "weight_scale": scale, "weight_global_scale": two.float().reshape(1)}, value


def mxfp4(w, blocks):
    """Groups of 32, scale 2^(code - 127). blocks: gpt-oss's [out, groups, 16]; else compressed-tensors' [out, in/2]."""
    grouped = w.reshape(w.shape[0], -1, 32)
    exponent = torch.floor(torch.log2(grouped.abs().amax(2).clamp(min=2.0 ** -100))) - 2
    full = torch.exp2(exponent)[..., None]
    code = to_e2m1((grouped / full).clamp(-6, 6))
    value = (from_e2m1(code) * full).reshape(w.shape)
    scale = (exponent + 127).to(torch.uint8)
    if blocks:
        return {"weight_blocks": nibbles(code), "weight_scales": scale}, value
    return {"weight_packed": nibbles(code.reshape(w.shape)), "weight_scale": scale}, value


def mxfp8(w):
    grouped = w.reshape(w.shape[0], -1, 32)
    exponent = torch.floor(torch.log2(grouped.abs().amax(2).clamp(min=2.0 ** -100))) - 8
    full = torch.exp2(exponent)[..., None]
    q = (grouped / full).clamp(-448, 448).to(torch.float8_e4m3fn)
    return {"weight": q.reshape(w.shape), "weight_scale": (exponent + 127).to(torch.uint8)}, (q.float() * full).reshape(w.shape)
