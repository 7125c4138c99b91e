#!/usr/bin/env python3
"""Loads a released adapter with PEFT, asserts that no key is missing or unexpected, and compares logits with Certune's.

    npm run tools && node dist-tools/checks/peft-logits.js BASE_DIR ADAPTER_DIR logits.json
    python3 tools/checks/peft-check.py BASE_DIR ADAPTER_DIR logits.json

Needs torch, transformers and peft; prints their versions. logits.json holds token ids and Certune's float64 logits. Computed in float32 on the
CPU: the difference must stay below --tolerance (default 5e-5) times the largest logit. Exit code 0 if all agrees, else 1.
"""
import argparse
import json
import sys

import peft
import torch
import transformers
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("base")
    args.add_argument("adapter")
    args.add_argument("logits")
    args.add_argument("--tolerance", type=float, default=5e-5)
    a = args.parse_args()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")

    config = PeftConfig.from_pretrained(a.adapter)
    base = AutoModelForCausalLM.from_pretrained(a.base, torch_dtype=torch.float32)
    model = PeftModel.from_pretrained(base, a.adapter, config=config, torch_dtype=torch.float32).eval()

    # What PEFT would save of this model must be the file, key by key and bit by bit.
    file = load_file(f"{a.adapter}/adapter_model.safetensors")
    state = get_peft_model_state_dict(model)
    missing, unexpected = sorted(set(state) - set(file)), sorted(set(file) - set(state))
    print(f"{len(file)} tensors, missing {missing}, unexpected {unexpected}")
    if missing or unexpected:
        return 1
    changed = [k for k in file if not torch.equal(file[k].float(), state[k].float())]
    if changed:
        print(f"values differ after loading: {changed}")
        return 1
    odd = [k for k in file if not torch.equal((file[k].double() * 2**20).round(), file[k].double() * 2**20)]
    if odd:
        print(f"values that are no multiples of 2^-20: {odd}")
        return 1

    want = json.load(open(a.logits))
    worst, largest, other = 0.0, 0.0, 0
    with torch.no_grad():
        for row in want["rows"]:
            got = model(input_ids=torch.tensor([row["tokens"]])).logits[0].double()
            ours = torch.tensor(row["logits"], dtype=torch.float64)
            worst = max(worst, (got - ours).abs().max().item())
            largest = max(largest, ours.abs().max().item())
            other += int((got.argmax(-1) != ours.argmax(-1)).sum())
    print(f"largest difference {worst:.3e}, largest logit {largest:.3f}, positions with another likeliest token {other}")
    return 0 if worst <= a.tolerance * largest else 1


if __name__ == "__main__":
    sys.exit(main())
