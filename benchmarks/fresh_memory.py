#!/usr/bin/env python3
"""How fast the system hands out memory: touches every page of 3 GiB for the first time, then again after giving it back.

Packing weights at load fills as much fresh memory as the model has bytes; on a virtual machine whose host makes pages when they
are first touched, this is most of the load.
"""
import mmap, time

BYTES = 3 << 30


def touch(memory):
    start = time.perf_counter()
    for at in range(0, BYTES, 4096): memory[at] = 1
    return time.perf_counter() - start


memory = mmap.mmap(-1, BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
first, loop = touch(memory), touch(memory)
memory.madvise(mmap.MADV_DONTNEED)
again = touch(memory)
print(f"first {first:.2f} s, given back and again {again:.2f} s, the loop itself {loop:.2f} s")
