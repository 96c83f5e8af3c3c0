#!/usr/bin/env python3
"""Coefficients of src/Lapidary.Core/LaneMath.cs: polynomials by interpolation at Chebyshev nodes, in double precision.

usage: python3 tools/fit_lane_math.py

Prints each polynomial (lowest degree first), its largest error in exact arithmetic on a fine grid, and the error that
matters for a float32 result. Needs nothing but the standard library.
"""
import math


def interpolate(function, low, high, degree):
    """Coefficients of the polynomial through `function` at degree + 1 Chebyshev nodes of [low, high], as powers of x - mid."""
    n, mid, half = degree + 1, (low + high) / 2, (high - low) / 2
    nodes = [half * math.cos(math.pi * (i + 0.5) / n) for i in range(n)]
    divided = [function(mid + x) for x in nodes]
    for level in range(1, n):
        for i in range(n - 1, level - 1, -1):
            divided[i] = (divided[i] - divided[i - 1]) / (nodes[i] - nodes[i - level])
    poly = [0.0]
    for i in range(n - 1, -1, -1):  # Newton's form to powers
        poly = [0.0] + poly
        for k in range(len(poly) - 1):
            poly[k] -= nodes[i] * poly[k + 1]
        poly[0] += divided[i]
    return poly[:n], mid


def evaluate(poly, x):
    result = 0.0
    for c in reversed(poly):
        result = result * x + c
    return result


def report(name, poly, mid, errors):
    print(f"{name}: powers of (x - {mid!r})")
    for k, c in enumerate(poly):
        print(f"  {k}: {c:.17g}")
    print(f"  largest error {max(errors):.3g}\n")


def grid(low, high, count=20000):
    return [low + (high - low) * i / count for i in range(count + 1)]


def main():
    # erf(x) = x * P(x^2) on |x| <= 0.9375
    cut = 0.9375
    small = lambda z: math.erf(math.sqrt(z)) / math.sqrt(z) if z > 1e-12 else 2 / math.sqrt(math.pi) * (1 - z / 3)
    poly, mid = interpolate(small, 0.0, cut * cut, 6)
    report("erf, |x| <= 0.9375, in z = x^2", poly, mid,
           [abs(math.sqrt(z) * evaluate(poly, z - mid) - math.erf(math.sqrt(z))) for z in grid(1e-9, cut * cut)])

    # erf(x) = 1 - exp(-P(x)) on 0.9375 <= x <= 4.0; above, erfc < 1.6e-8 is below half an ulp of 1
    high = 4.0
    poly, mid = interpolate(lambda x: -math.log(math.erfc(x)), cut, high, 9)
    report("-log erfc, 0.9375 <= x <= 4", poly, mid,
           [abs(-math.exp(-evaluate(poly, x - mid)) + math.erfc(x)) for x in grid(cut, high)])

    # tanh(x) = x + x^3 * P(x^2) on |x| <= 0.625
    poly, mid = interpolate(lambda z: (math.tanh(math.sqrt(z)) / math.sqrt(z) - 1) / z if z > 1e-6 else -1 / 3 + 2 * z / 15, 0.0, 0.625 ** 2, 5)
    report("tanh, |x| <= 0.625, in z = x^2", poly, mid,
           [abs(math.sqrt(z) * (1 + z * evaluate(poly, z - mid)) / math.tanh(math.sqrt(z)) - 1) for z in grid(1e-6, 0.625 ** 2)])

    # exp(r) = 1 + r + r^2 * P(r) on |r| <= ln 2 / 2
    half = math.log(2) / 2 * 1.0001
    poly, mid = interpolate(lambda r: (math.exp(r) - 1 - r) / (r * r) if abs(r) > 1e-3 else 0.5 + r / 6 + r * r / 24 + r ** 3 / 120, -half, half, 5)
    report("exp, |r| <= ln 2 / 2", poly, mid, [abs((1 + r + r * r * evaluate(poly, r - mid)) / math.exp(r) - 1) for r in grid(-half, half)])

    # 2^r = 1 + r * P(r) on 0 <= r < 1
    poly, mid = interpolate(lambda r: (2 ** r - 1) / r if r > 1e-6 else math.log(2) * (1 + r * math.log(2) / 2), 0.0, 1.0, 4)
    for k in range(4, 0, -1):  # from powers of r - 1/2 to powers of r
        for i in range(k - 1, 4):
            poly[i] -= mid * poly[i + 1]
    report("exp2, 0 <= r < 1", poly, 0.0, [abs((1 + r * evaluate(poly, r)) / 2 ** r - 1) for r in grid(0.0, 1.0)])


if __name__ == "__main__":
    main()
