#!/usr/bin/env python3
"""Compares `lapidary bench` with programs that take llama-bench's options, on one GGUF file, in turns.

  benchmarks/compare_peer.py --peer [NAME=]PATH/llama-bench [--peer ...] --model FILE.gguf [--threads 2] [--rounds 3] [--prompt 512] [--generate 64]

Each round runs every peer, then lapidary, so that a drift of the machine meets all; before each the file is read once, so that
none waits for the disk. Prints a Markdown table: medians, the ratio to the better peer in each round, and decode beside the read probes that
`lapidary bench` takes before and after each of its repetitions.
"""
import argparse, json, os, statistics, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read_whole(path):
    """Lapidary gives the system's cache back what it has packed; a peer that maps the file would find it on disk only."""
    with open(path, "rb", buffering=0) as file:
        piece = bytearray(16 << 20)
        while file.readinto(piece):
            pass


def peer(path, a):
    read_whole(a.model)
    out = subprocess.run([path, "-m", a.model, "-t", str(a.threads), "-p", str(a.prompt), "-n", str(a.generate), "-r", "2", "-o", "json"],
                         check=True, capture_output=True, text=True).stdout
    rows = json.loads(out[out.index("["):])
    return {"prefill" if r["n_prompt"] else "decode": r["avg_ts"] for r in rows}


def ours(a):
    read_whole(a.model)
    out = subprocess.run([os.path.join(ROOT, "lapidary"), "bench", "--model", a.model, "--threads", str(a.threads), "--prompt", str(a.prompt),
                          "--generate", str(a.generate), "--repetitions", "3", "--json"], check=True, capture_output=True, text=True).stdout
    r = json.loads(out)
    return {"prefill": r["prefill_tokens_per_second"], "decode": r["decode_tokens_per_second"], "share": r["decode_share_of_probe"],
            "repetitions": r["decode_repetitions"], "probe": r["probe_gb_per_second"], "bytes": r["decode_bytes_per_token"], "load": r["load_seconds"], "rss": r["peak_rss_bytes"]}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--peer", action="append", required=True)
    ap.add_argument("--model", required=True)
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--prompt", type=int, default=512)
    ap.add_argument("--generate", type=int, default=64)
    a = ap.parse_args()
    peers = dict(p.split("=", 1) if "=" in p else ("peer", p) for p in a.peer)
    rounds = [{name: peer(path, a) for name, path in peers.items()} | {"lapidary": ours(a)} for _ in range(a.rounds)]
    median, names, o = statistics.median, ["lapidary", *peers], [r["lapidary"] for r in rounds]
    print(f"| {os.path.basename(a.model)}, {a.threads} threads | {' | '.join(names)} | over the better peer, each round |\n|---{'|---' * len(names)}|---|")
    for what, title in (("prefill", f"prefill {a.prompt}, tokens/s"), ("decode", f"decode {a.generate}, tokens/s")):
        ratios = " ".join(f"{r['lapidary'][what] / max(r[name][what] for name in peers):.2f}" for r in rounds)
        print(f"| {title} | {' | '.join(f'{median(r[name][what] for r in rounds):.1f}' for name in names)} | {ratios} |")
    each = " ".join(f"{d['share_of_probe']:.2f}" for r in o for d in r["repetitions"])
    empty = " |" * len(peers)
    print(f"| decode, share of the probe ({median(r['probe'] for r in o):.1f} GB/s): median of rounds; each repetition | {median(r['share'] for r in o):.2f} |{empty} {each} |")
    print(f"| load, s; peak memory, GB | {median(r['load'] for r in o):.2f}; {max(r['rss'] for r in o) / 1e9:.2f} |{empty} |")


if __name__ == "__main__":
    main()
