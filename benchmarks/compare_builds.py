#!/usr/bin/env python3
"""Compares builds of lapidary: `lapidary bench --json` of each in random order, so that a drift of the machine meets all.

  dotnet publish src/Lapidary.Cli -c Release -o BUILD          # once for each revision
  benchmarks/compare_builds.py [--rounds 6] BUILD [BUILD ...] -- [--model FILE] [--prompt 512] [--batch 64] ...

Prints a Markdown table: medians, and every run's decode and prefill in tokens/s, each as SPEED@NANOSECONDS that a number takes from one
thread to the other and back (the largest of those between repetitions; a virtual machine's cores may move), sorted by it. LAPIDARY_MODEL names the embedded model's folder.
"""
import argparse, json, os, random, statistics, subprocess, sys

FIGURES = ["prefill_tokens_per_second", "decode_tokens_per_second", "decode_share_of_probe", "probe_gb_per_second", "load_seconds"]


def run(build, options):
    out = subprocess.run(["dotnet", os.path.join(build, "lapidary.dll"), "bench", "--json", *options], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def trip(result):
    return max(d.get("round_trip_nanoseconds") or 0 for d in result["decode_repetitions"])


def main():
    own, options = (sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]) if "--" in sys.argv else (sys.argv[1:], [])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", help="folders that `dotnet publish` wrote")
    parser.add_argument("--rounds", type=int, default=6)
    a = parser.parse_args(own)
    results = {build: [] for build in a.builds}
    for i in range(a.rounds):
        for build in random.sample(a.builds, len(a.builds)):
            print(f"round {i + 1} of {a.rounds}: {build}", file=sys.stderr)
            results[build].append(run(build, options))
    print("| build | " + " | ".join(FIGURES) + " | decode, each run | prefill, each run |")
    print("|---" * (len(FIGURES) + 3) + "|")
    for build, runs in results.items():
        medians = [f"{statistics.median(r[figure] for r in runs):.4g}" for figure in FIGURES]
        each = [" ".join(f"{r[figure]:.0f}@{trip(r):.0f}" for r in sorted(runs, key=trip)) for figure in reversed(FIGURES[:2])]
        print(f"| {build} | " + " | ".join(medians + each) + " |")


main()
