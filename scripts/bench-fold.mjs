// Folds two steps of the stories260k fixture into one proof; prints rows, cells, permutations, seconds by phase, sizes. Arguments: sequences, tokens, bits, rate.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recursionClass } from '../dist/recursion/class.js';
import { keyDigest } from '../dist/recursion/key.js';
import { recursionKeys } from '../dist/recursion/keys.js';
import { proveEnd, proveFold, proveLeaf } from '../dist/prove/nodes.js';
import { START, advance, programsDigest } from '../dist/recursion/statement.js';
import { verifyEnd } from '../dist/verify/nodes.js';
import { loadBase } from '../dist/io/index.js';
import { singleKernels, threadedKernels } from '../dist/kernels/index.js';
import { frozenIntegers, quantizeBase } from '../dist/model/base.js';
import { initialMaster } from '../dist/model/init.js';
import { DEFAULT_NUMBERS, TARGETS, llamaProgram } from '../dist/model/index.js';
import { batchInputs, initialState, stepInputs, targetCount } from '../dist/model/step.js';
import { adamConstants } from '../dist/optim/constants.js';
import { IntegerReading } from '../dist/tensor/integer.js';
import { makePlan } from '../dist/tensor/plan.js';
import { proveProgram } from '../dist/tensor/prove.js';
import { frozenStack } from '../dist/tensor/state-commit.js';
import { StateTrees } from '../dist/tensor/state-trees.js';
import { frozenDigest } from '../dist/tensor/statement.js';
import { verifyProgram } from '../dist/tensor/verify.js';
import { RecordingChannel } from '../dist/transcript/index.js';
import { constantSchedule } from './bench/common.mjs';

const fixtures = process.env.CERTUNE_FIXTURES ?? fileURLToPath(new URL('../../shared', import.meta.url)),
  dir = join(fixtures, 'data/stories260k/hf');
if (!existsSync(dir)) {
  console.log('skipped: no fixture data/stories260k (set CERTUNE_FIXTURES)');
  process.exit(0);
}
const [B, S, bits, rate] = [8, 64, 128, 2].map((d, i) => Number(process.argv[2 + i] ?? d)),
  options = { bits, grinding: 16, rate, stateRate: 5 };
const base = loadBase(dir),
  { ints, bits: weightBits } = quantizeBase(base.weights),
  program = llamaProgram({
    shape: base.shape,
    numbers: DEFAULT_NUMBERS,
    weightBits,
    batch: B,
    sequence: S,
    lora: { r: 8, targets: TARGETS, scaling: 2 },
    adam: adamConstants([0.9, 0.95], 1),
    kind: 'step',
  }),
  plan = makePlan(program, options),
  frozen = frozenIntegers(base.shape, ints, base.rope, S);
const batch = {
  tokens: Array.from({ length: B }, (_, r) => Int32Array.from({ length: S }, (_, i) => (i ? ((r * 131 + i * 7) % 500) + 3 : 1))),
  mask: Array.from({ length: B }, () => new Uint8Array(S).fill(1)),
};
const rows = constantSchedule(2);
const k = await threadedKernels({ threads: 2 }),
  phases = {};
let last,
  at = performance.now(),
  prefix = '';
const phase = (p) => {
  const t = performance.now();
  if (last) phases[last] = Number(((phases[last] ?? 0) + (t - at) / 1000).toFixed(2));
  last = p && `${prefix} ${p}`;
  at = t;
};
const timed = (name, f) => {
  prefix = name;
  phase('start');
  const t = performance.now(),
    v = f();
  phase();
  console.log(name, ((performance.now() - t) / 1000).toFixed(2), 's');
  return v;
};
const trees = new StateTrees();
let state = initialState(program, initialMaster(base.shape, 8, TARGETS, 1)),
  stack;
const steps = rows.map((row, t) => {
  const m = k.mark(),
    reading = new IntegerReading(
      k,
      program,
      stepInputs(program, frozen, state, batchInputs(batch, B, S), row, targetCount(batch, S), 1, t),
    );
  reading.run();
  const fz = frozenStack(k, plan, (n) => reading.ptr.get(n));
  stack = { words: k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells) };
  stack.digest = frozenDigest(stack.words);
  const out = timed(`step ${t}`, () =>
    proveProgram(k, plan, reading, {
      trees,
      frozenDigest: stack.digest,
      onPhase: phase,
    }),
  );
  state = { C: reading.read('C2'), master: reading.read('master2'), mm: reading.read('mm2'), vv: reading.read('vv2') };
  k.release(m);
  return out;
});
const stepPeak = Math.round(k.peakBytes / 2 ** 20);
k.close();
const k2 = await threadedKernels({ threads: 2 }),
  zero = Array(10).fill(0n);
const cls = timed('height class', () =>
    recursionClass({ programs: programsDigest([program]), zeroAcc: zero, baseVars: plan.frozenVars }, [{ kind: 'step', plan, rows: [2] }], {
      bits,
      grinding: 16,
      rate: 2,
      stateRate: 2,
    }),
  ),
  keys = timed('keys', () => recursionKeys(k2, cls)),
  single = cls.leaves.findIndex((l) => l.count === 1);
let place = START;
const leaves = steps.map((s, t) => {
  const leaf = timed(`leaf ${t}`, () =>
    proveLeaf(
      k2,
      cls,
      keys,
      stack,
      single + 1,
      { parts: [s], before: { place, s: s.statement.roots.sIn, a: zero }, dataset: [0n, 0n, 0n, 0n], epoch: 9n },
      { onPhase: phase },
    ),
  );
  place = advance('step', program, 9n, place, s.statement.publics);
  return leaf;
});
const node = timed('fold', () => proveFold(k2, cls, keys, stack, leaves, { onPhase: phase })),
  foldPeak = Math.round(k2.peakBytes / 2 ** 20),
  end = timed('end', () => proveEnd(k2, cls, keys, stack, node, { onPhase: phase })),
  vk = singleKernels(),
  ms = [];
for (let i = 0; i < 9; i++) {
  const t = performance.now();
  verifyEnd(vk, keys.published, end);
  ms.push(performance.now() - t);
}
const circuitStatement = (c) => ({
  roots: {},
  frozen: Array(8).fill(0n),
  publics: new Map([['public', new BigInt64Array(c.program.axes.rowU)]]),
});
const count = (p, st) => {
  const rec = new RecordingChannel();
  verifyProgram(rec, p, st);
  return rec.permutations;
};
console.log(
  JSON.stringify(
    {
      sequences: B,
      tokens: S,
      bits,
      rate,
      leaves: cls.leaves.map(({ kind, count: n }) => `${n} ${kind}`),
      rows: cls.rows,
      heights: cls.circuits[0].heights,
      endHeights: cls.end.circuit.heights,
      cells: cls.plan.layouts.get('witness').cells,
      endCells: cls.end.plan.layouts.get('witness').cells,
      fixedCells: cls.plan.layouts.get('frozen').cells,
      stepPermutations: count(plan, steps[0].statement),
      nodePermutations: count(cls.plan, circuitStatement(cls.plan)),
      endPermutations: count(cls.end.plan, circuitStatement(cls.end.plan)),
      key: keyDigest(keys.published),
      phases,
      stepKernelMiB: stepPeak,
      foldKernelMiB: foldPeak,
      endKernelMiB: Math.round(k2.peakBytes / 2 ** 20),
      nodeKB: node.proof.length * 0.008,
      endKB: (end.proof.length + end.opening.length) * 0.008,
      endOpeningKB: end.opening.length * 0.008,
      verifyMs: Math.round(Math.min(...ms)),
    },
    null,
    1,
  ),
);
k2.close();
