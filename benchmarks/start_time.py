#!/usr/bin/env python3
"""Seconds from the start of `./lapidary run Hello --temperature 0` to its first byte of text and to its end: median of N runs."""
import os, statistics, subprocess, sys, time

program = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lapidary")
first, end = [], []
for run in range(int(sys.argv[1]) + 1 if len(sys.argv) > 1 else 8):
    start = time.monotonic()
    process = subprocess.Popen([program, "run", "Hello", "--temperature", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.read(1)
    byte = time.monotonic() - start
    process.stdout.read()
    process.wait()
    if run:  # the first builds, or warms the page cache
        first.append(byte)
        end.append(time.monotonic() - start)
print(f"first byte {statistics.median(first):.3f} s (worst {max(first):.3f}), end {statistics.median(end):.3f} s, {len(first)} runs")
