// Size and verification time of the last proof for runs of several lengths: node scripts/bench-run.mjs [lengths, default 1 4 32 128] [--keep DIR]
// A small shape of the examples' base (one sequence of 16 tokens, rank 2 on two projections): what is verified at the end does not depend on it. One
// run of the longest length is proven; the ends of its first 1, 4, 32 ... steps are those of runs of that length. With --keep the proofs are written
// to a folder and, where they lie there already, only verified.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { proveStep, runStep } from '../dist/prove/step.js';
import { circuitsOf } from '../dist/recursion/circuits.js';
import { endProofOf } from '../dist/recursion/node-words.js';
import { recursionOf } from '../dist/prove/recursion.js';
import { verifyEnd } from '../dist/verify/nodes.js';
import { setup } from '../dist/setup/run.js';
import { frozenOf } from '../dist/run/commitments.js';
import { singleKernels, threadedKernels } from '../dist/kernels/index.js';
import { runSchema } from '../dist/run/schema.js';

const at = process.argv.indexOf('--keep'),
  keep = at > 0 ? process.argv[at + 1] : undefined,
  lengths = process.argv
    .slice(2, at > 0 ? at : undefined)
    .map(Number)
    .sort((a, b) => a - b);
if (!lengths.length) lengths.push(1, 4, 32, 128);
const example = (p) => fileURLToPath(new URL(`../examples/${p}`, import.meta.url)),
  most = lengths[lengths.length - 1];
const config = runSchema.parse({
  version: 1,
  base: { path: example('base') },
  data: [
    { path: example('data/translate.jsonl'), language: 'fr' },
    { path: example('data/chat.jsonl'), language: 'en' },
  ],
  lora: { r: 2, alpha: 4, targets: ['q_proj', 'v_proj'] },
  train: { steps: most, batch: 1, microBatch: 1, sequence: 16, learningRate: 0.002, warmup: 0, schedule: 'constant' },
  numbers: { preset: 'small' },
});
const k = await threadedKernels({ threads: 2 }),
  s = setup(config, [1n, 2n, 3n, 4n]),
  circuits = circuitsOf(k, s.run);
console.error(
  `circuits in ${circuits.seconds.toFixed(1)} s, leaves of ${circuits.cls.leaves.map((l) => `${l.count} ${l.kind}`).join(' or ')}, key ${circuits.digest}`,
);
const words = (v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength),
  file = (n, part) => join(keep, `${n}.${part}`),
  done = (n) => keep && existsSync(file(n, 'opening'));
const read = (n, part) => {
  const b = readFileSync(file(n, part));
  return new BigUint64Array(b.buffer.slice(b.byteOffset, b.byteOffset + b.length));
};
if (keep) mkdirSync(keep, { recursive: true });

// Training first: states before every step, losses of all.
const states = [s.inputs.initial],
  losses = [],
  timings = { step: [], leaf: [], fold: [], end: [] };
const timed = (what, f) => {
  const m = k.mark(),
    t = performance.now(),
    v = f();
  timings[what].push((performance.now() - t) / 1000);
  k.release(m);
  return v;
};
const ends = new Map();
if (lengths.some((n) => !done(n))) {
  for (let t = 0; t < most; t++) {
    const m = k.mark(),
      r = runStep(k, s.run, s.inputs, t, states[t]);
    states.push(r.after);
    losses.push(r.losses);
    k.release(m);
  }
  const r = recursionOf(k, s.run, s.inputs, circuits, losses, (t) => states[t]),
    m = k.mark(),
    { digest } = frozenOf(k, s.run.programs, s.inputs.base);
  k.release(m);
  // Nodes by binary counter; the first steps of a shorter run are the same nodes.
  const prove = (from, to) => {
    const stack = [];
    for (const leaf of r.leaves(from, to)) {
      const proofs = leaf.parts.map(({ step }) => timed('step', () => proveStep(k, s.run, s.inputs, step, states[step], digest).proof));
      let node = { level: 0, node: timed('leaf', () => r.leaf(leaf, proofs)), to: leaf.to.step };
      while (stack.length && stack[stack.length - 1].level === node.level) {
        const left = stack.pop();
        node = { level: node.level + 1, node: timed('fold', () => r.fold(left.node, node.node)), to: node.to };
      }
      stack.push(node);
      console.error(`${node.to} of ${to} steps`);
      if (lengths.includes(node.to) && node.to > 1) finish(node.to, whole(stack));
    }
    return stack;
  };
  const whole = (stack) => stack.map((x) => x.node).reduceRight((right, left) => timed('fold', () => r.fold(left, right)));
  const finish = (n, node) => {
    const end = timed('end', () => r.end(node));
    ends.set(n, end);
    if (keep) {
      writeFileSync(file(n, 'statement'), words(BigUint64Array.from(end.statement)));
      for (const part of ['proof', 'opening']) writeFileSync(file(n, part), words(end[part]));
    }
  };
  if (lengths.includes(1) && !done(1)) finish(1, whole(prove(0, 1)));
  if (most > 1) prove(0, most);
}
const vk = singleKernels(),
  rows = [];
for (const n of lengths) {
  const e = ends.get(n) ?? { statement: [...read(n, 'statement')], proof: read(n, 'proof'), opening: read(n, 'opening') },
    end = endProofOf(e),
    ms = [];
  for (let i = 0; i < 15; i++) {
    const t = performance.now();
    verifyEnd(vk, circuits.keys.published, end);
    ms.push(performance.now() - t);
  }
  ms.sort((a, b) => a - b);
  rows.push({ steps: n, kB: (8 * (e.statement.length + e.proof.length + e.opening.length)) / 1000, leastMs: ms[0], medianMs: ms[7] });
}
const seconds = Object.fromEntries(
  Object.entries(timings)
    .filter(([, v]) => v.length)
    .map(([n, v]) => [n, { times: v.length, median: [...v].sort((a, b) => a - b)[v.length >> 1] }]),
);
console.log(JSON.stringify({ key: circuits.digest, rows, seconds, peakMiB: Math.round(k.peakBytes / 2 ** 20) }, null, 1));
k.close();
