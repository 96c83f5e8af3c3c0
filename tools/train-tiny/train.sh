#!/usr/bin/env bash
# The whole recipe on one NVIDIA GPU: tokenizer, training, check against transformers, LoRA, reference outputs.
# Usage: train.sh OUT_DIR TRAIN_SECONDS LORA_SECONDS
set -euo pipefail
[ $# = 3 ] || { sed -n 2,3p "$0" >&2; exit 2; }
mkdir -p "$1/gemma4-tiny" "$1/gemma4-tiny-lora" "$1/logs" "$1/golden" "$1/golden-lora"
out=$(cd "$1" && pwd) train_seconds=$2 lora_seconds=$3
cd "$(dirname "$(readlink -f "$0")")"
export PYTHONUNBUFFERED=1

python3 make_tokenizer.py "$out/gemma4-tiny"
python3 train.py "$out/gemma4-tiny" "$out/logs" "$train_seconds" | tee "$out/logs/train.log"
cat > "$out/gemma4-tiny/generation_config.json" <<'JSON'
{
  "bos_token_id": 2,
  "eos_token_id": [
    1,
    106,
    50
  ],
  "pad_token_id": 0,
  "do_sample": true,
  "temperature": 1.0,
  "top_k": 64,
  "top_p": 0.95
}
JSON
python3 check.py "$out/gemma4-tiny"
python3 golden.py "$out/gemma4-tiny" "$out/golden"
python3 lora.py "$out/gemma4-tiny" "$out/gemma4-tiny-lora" "$lora_seconds" | tee "$out/logs/lora.log"
python3 golden.py "$out/gemma4-tiny" "$out/golden-lora" "$out/gemma4-tiny-lora"
