#!/usr/bin/env python3
"""Compares `lapidary bench` with any program that takes llama-bench's options, on one GGUF file, in turns.

  benchmarks/compare_peer.py --peer PATH/llama-bench --model FILE.gguf [--threads 2] [--rounds 3] [--prompt 512] [--generate 64]

Each round runs the peer, then lapidary, so that a drift of the machine meets both; before each the file is read once, so that
neither waits for the disk. Prints a Markdown table: medians, the ratio
of each round's pair, and decode beside the read probe that `lapidary bench` takes before and after.
"""
import argparse, json, os, statistics, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read_whole(path):
    """Lapidary gives the system's cache back what it has packed; a peer that maps the file would find it on disk only."""
    with open(path, "rb", buffering=0) as file:
        piece = bytearray(16 << 20)
        while file.readinto(piece):
            pass


def peer(a):
    read_whole(a.model)
    out = subprocess.run([a.peer, "-m", a.model, "-t", str(a.threads), "-p", str(a.prompt), "-n", str(a.generate), "-r", "2", "-o", "json"],
                         check=True, capture_output=True, text=True).stdout
    rows = json.loads(out[out.index("["):])
    return {"prefill" if r["n_prompt"] else "decode": r["avg_ts"] for r in rows}


def ours(a):
    read_whole(a.model)
    out = subprocess.run([os.path.join(ROOT, "lapidary"), "bench", "--model", a.model, "--threads", str(a.threads), "--prompt", str(a.prompt),
                          "--generate", str(a.generate), "--repetitions", "3", "--json"], check=True, capture_output=True, text=True).stdout
    r = json.loads(out)
    return {"prefill": r["prefill_tokens_per_second"], "decode": r["decode_tokens_per_second"], "share": r["decode_share_of_probe"],
            "probe": r["probe_gb_per_second"], "bytes": r["decode_bytes_per_token"], "load": r["load_seconds"], "rss": r["peak_rss_bytes"]}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--peer", required=True)
    ap.add_argument("--model", required=True)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--prompt", type=int, default=512)
    ap.add_argument("--generate", type=int, default=64)
    a = ap.parse_args()
    pairs = [(peer(a), ours(a)) for _ in range(a.rounds)]
    median = statistics.median
    print(f"| {os.path.basename(a.model)}, {a.threads} threads | lapidary | peer | ratio, each round |\n|---|---|---|---|")
    for what, name in (("prefill", f"prefill {a.prompt}, tokens/s"), ("decode", f"decode {a.generate}, tokens/s")):
        ratios = " ".join(f"{o[what] / p[what]:.2f}" for p, o in pairs)
        print(f"| {name} | {median(o[what] for _, o in pairs):.1f} | {median(p[what] for p, _ in pairs):.1f} | {ratios} |")
    o = [o for _, o in pairs]
    print(f"| decode, share of the probe ({median(r['probe'] for r in o):.1f} GB/s) | {median(r['share'] for r in o):.2f} | | |")
    print(f"| load, s; peak memory, GB | {median(r['load'] for r in o):.2f}; {max(r['rss'] for r in o) / 1e9:.2f} | | |")


if __name__ == "__main__":
    main()
