#!/usr/bin/env python3
"""Compares BLEU of tools/utility/metrics.ts with sacreBLEU on random corpora made of the example data, with odd punctuation thrown in.

    npm run tools && python3 tools/utility/bleu-check.py [CORPORA]

Needs sacrebleu and node. Exit code 0 if the largest difference stays below 1e-9 points, else 1.
"""
import json
import pathlib
import random
import subprocess
import sys

import sacrebleu
from sacrebleu.metrics import BLEU

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ODD = ["1,000.5-3", "&quot;a&amp;b&lt;c", "x-\ny", "a-b 3-4", "“yes” — no…", "<skipped> no", "été, ça!", "$5.00/kg", "(a)[b]{c}~`^_", "  ", ""]
CHINESE = "我他她们去来看书饭天地好不是的了在有一二三四五。，？！「」"
COMPARE = """
const { bleu, bleuCounts } = await import(process.argv[1]);
let text = '';
for await (const part of process.stdin) text += part;
console.log(JSON.stringify(JSON.parse(text).map((c) => bleu(c.hyp.map((h, i) => bleuCounts(h, c.refs.map((r) => r[i]), c.tok))))));
"""


def sentences():
    for name in ("translate", "held-out", "chat"):
        for line in (ROOT / f"examples/data/{name}.jsonl").read_text().splitlines():
            yield from (v for v in json.loads(line).values() if isinstance(v, str))


def edited(rng, s, sep):
    w = list(s) if sep == "" else s.split(" ")
    for _ in range(rng.randint(0, 3)):
        kind, at = rng.randint(0, 2), rng.randint(0, max(0, len(w) - 1))
        if kind == 0 and w:
            w.pop(at)
        elif kind == 1:
            w.insert(at, rng.choice(ODD))
        elif len(w) > 1:
            w[at - 1], w[at] = w[at], w[at - 1]
    return sep.join(w)


def main() -> int:
    rng, pool, cases = random.Random(7), list(sentences()), []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        tok = rng.choice(["13a", "zh"])
        sep = "" if tok == "zh" and rng.random() < 0.8 else " "
        draw = lambda: "".join(rng.choices(CHINESE, k=rng.randint(1, 20))) if sep == "" else rng.choice(pool)
        base = [draw() for _ in range(rng.randint(1, 8))]
        refs = [[edited(rng, b, sep) for b in base] for _ in range(rng.randint(1, 3))]
        hyp = [edited(rng, b, sep) if rng.random() < 0.9 else draw() for b in base]
        cases.append({"hyp": hyp, "refs": refs, "tok": tok})
    want = [BLEU(tokenize=c["tok"]).corpus_score(c["hyp"], c["refs"]).score for c in cases]
    module = (ROOT / "dist-tools/utility/metrics.js").as_uri()
    made = subprocess.run(["node", "--input-type=module", "-e", COMPARE, module], input=json.dumps(cases), capture_output=True, text=True, check=True)
    worst = max(abs(a - b) for a, b in zip(want, json.loads(made.stdout)))
    above = sum(5 <= w < 100 for w in want)
    print(f"sacrebleu {sacrebleu.__version__}: {len(cases)} corpora ({above} between 5 and 100 BLEU), largest difference {worst:.1e} points")
    return 0 if worst < 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
