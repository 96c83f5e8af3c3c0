#!/usr/bin/env python3
"""What fast arithmetic does to the perplexity of quantised copies of the embedded model, beside exact arithmetic on the same weights.

  benchmarks/quantised_perplexity.py [--formats int4 int6 int8] [--group-size 32] [--conversations 160]

Conversations are generated, one seed each, and computed again by `lapidary verify`, each token after those before it. Prints a
Markdown table: the change of perplexity with the standard error of that change, and tokens whose most likely successor is another one.
"""
import argparse, json, os, subprocess, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = ["Tom", "Lily", "Max", "Mia", "Ben", "Sue", "Tim", "Anna"]
ANIMALS = ["cat", "dog", "whale", "bird", "fox", "mouse", "bear", "frog", "duck", "rabbit"]


def lapidary(*arguments):
    return subprocess.run([os.path.join(ROOT, "lapidary"), *arguments], check=True, capture_output=True, text=True).stdout


def conversations(folder, count):
    questions = [f"Write a story about a {animal} named {name}." for name in NAMES for animal in ANIMALS]
    asked = [questions[i * len(questions) // count] for i in range(count)]
    requests, results, text = (os.path.join(folder, name) for name in ("requests.jsonl", "results.jsonl", "text.txt"))
    with open(requests, "w") as file:
        for i, question in enumerate(asked):
            body = {"model": "gemma4-tiny", "seed": i, "max_tokens": 260, "messages": [{"role": "user", "content": question}]}
            file.write(json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n")
    lapidary("batch", requests, results)
    with open(results) as file:
        answers = {int(r["custom_id"]): r["response"]["body"]["choices"][0]["message"]["content"] for r in map(json.loads, file)}
    with open(text, "w") as file:
        for i, question in enumerate(asked):
            file.write(f"<bos><|turn>user\n{question}<turn|>\n<|turn>model\n{answers[i]}<turn|>\n")
    return text


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--formats", nargs="+", default=["int4", "int6", "int8"])
    ap.add_argument("--group-size", default="32")
    ap.add_argument("--conversations", type=int, default=160)
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = conversations(folder, a.conversations)
        print("| weights | tokens | perplexity, exact | fast changes it by | standard error | other most likely token |\n|---|---|---|---|---|---|")
        for name in a.formats:
            model = os.path.join(folder, name)
            lapidary("quantize", os.path.join(ROOT, "models", "gemma4-tiny"), "--format", name, "--group-size", a.group_size, "--out", model)
            r = json.loads(lapidary("verify", model, "--base", "arithmetic=exact", "--against", "arithmetic=fast", "--greedy-tokens", "1",
                                    "--context", "400", "--text", text, "--json"))
            print(f"| {name} g{a.group_size} | {r['text_tokens']} | {r['base']['perplexity']:.4f} | {r['nll_difference']:+.3%} | {r['nll_standard_error']:.3%} | {r['flip_rate']:.2%} |", flush=True)


if __name__ == "__main__":
    main()
