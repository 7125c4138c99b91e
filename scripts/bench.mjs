// Proves and verifies one step of the stories260k fixture; prints seconds by phase, memory, sizes. Arguments: sequences, tokens, bits, rate.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadBase } from '../dist/io/index.js';
import { Kernels } from '../dist/kernels/index.js';
import { frozenIntegers, quantizeBase } from '../dist/model/base.js';
import { initialMaster } from '../dist/model/init.js';
import { DEFAULT_NUMBERS, TARGETS, llamaProgram } from '../dist/model/llama.js';
import { batchInputs, initialState, stepInputs, targetCount } from '../dist/model/step.js';
import { adamConstants } from '../dist/optim/constants.js';
import { scheduleRows } from '../dist/policy/schedule.js';
import { settleFrozen } from '../dist/tensor/deferred.js';
import { IntegerReading } from '../dist/tensor/integer.js';
import { makePlan } from '../dist/tensor/plan.js';
import { frozenStack, proveProgram } from '../dist/tensor/prove.js';
import { frozenDigest } from '../dist/tensor/statement.js';
import { verifyProgram } from '../dist/tensor/verify.js';
import { NativeChannel, RecordingChannel } from '../dist/transcript/index.js';

const fixtures = process.env.CERTUNE_FIXTURES ?? fileURLToPath(new URL('../../shared', import.meta.url)),
  dir = join(fixtures, 'data/stories260k/hf');
if (!existsSync(dir)) {
  console.log('skipped: no fixture data/stories260k (set CERTUNE_FIXTURES)');
  process.exit(0);
}
const args = process.argv.slice(2),
  numbersGiven = args.filter((a) => !a.startsWith('--')),
  [B, S, bits, rate] = [8, 64, 128, 2].map((d, i) => Number(numbersGiven[i] ?? d));
const base = loadBase(dir),
  { ints, bits: weightBits } = quantizeBase(base.weights),
  numbers = DEFAULT_NUMBERS;
const program = llamaProgram({
  shape: base.shape,
  numbers,
  weightBits,
  batch: B,
  sequence: S,
  lora: { r: 8, targets: TARGETS, scaling: 2 },
  adam: adamConstants([0.9, 0.95], 1),
  kind: 'step',
});
const frozen = frozenIntegers(base.shape, ints, base.rope, S),
  state = initialState(program, initialMaster(base.shape, 8, TARGETS, 1));
const batch = {
  tokens: Array.from({ length: B }, (_, r) => Int32Array.from({ length: S }, (_, i) => (i ? ((r * 131 + i * 7) % 500) + 3 : 1))),
  mask: Array.from({ length: B }, () => new Uint8Array(S).fill(1)),
};
const [row] = scheduleRows({
  steps: 1,
  learningRate: 2e-4,
  schedule: 'constant',
  warmup: 0,
  betas: [0.9, 0.95],
  epsilon: 1e-8,
  weightDecay: 0.05,
});
const k = await Kernels.create({ threads: 2 });
const spent = new Map(),
  parallel = k.parallel.bind(k);
if (args.includes('--by-kernel'))
  k.parallel = (name, n, ...rest) => {
    const t = performance.now();
    parallel(name, n, ...rest);
    spent.set(name, (spent.get(name) ?? 0) + performance.now() - t);
  };
const timed = (f) => {
  const t = performance.now(),
    v = f();
  return [v, (performance.now() - t) / 1000];
};
const reading = new IntegerReading(
  k,
  program,
  stepInputs(program, frozen, state, batchInputs(batch, B, S), row, targetCount(batch, S), 1, 0),
);
const [, train] = timed(() => reading.run());
const plan = makePlan(program, { main: { bits, logInvRate: rate, grinding: 16 }, state: { bits, logInvRate: 5, grinding: 16 } });
const fz = frozenStack(k, plan, (n) => reading.ptr.get(n)),
  stack = k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells),
  digest = frozenDigest(stack),
  phases = {};
let last,
  at = performance.now();
const mark = (p) => {
  const t = performance.now();
  if (last) phases[last] = Number(((phases[last] ?? 0) + (t - at) / 1000).toFixed(2));
  last = p;
  at = t;
};
const [{ proof, statement }, seconds] = timed(() => proveProgram(k, plan, reading, { frozenDigest: digest, onPhase: mark }));
mark();
const vk = Kernels.single(),
  ptr = vk.alloc(8 * stack.length),
  proofMs = [],
  linearMs = [];
vk.i64.set(stack, ptr / 8);
for (let i = 0; i < 5; i++) {
  const ch = new NativeChannel(vk, proof);
  const [claim, v] = timed(() => {
    const d = verifyProgram(ch, plan, statement);
    ch.finish();
    return d.detach(ch);
  });
  ch.close();
  const [, s] = timed(() => settleFrozen(vk, ptr, stack.length, [claim]));
  proofMs.push(v * 1000);
  linearMs.push(s * 1000);
}
const median = (x) => Math.round(x.sort((a, b) => a - b)[x.length >> 1]),
  rec = new RecordingChannel();
verifyProgram(rec, plan, statement);
console.log(
  JSON.stringify(
    {
      sequences: B,
      tokens: S,
      bits,
      rate,
      cells: plan.layouts.get('witness').cells,
      lookups: plan.lookups.reduce((n, j) => n + program.constraints[j].axes.reduce((x, a) => x * program.axes[a], 1), 0),
      trainSeconds: train,
      proveSeconds: seconds,
      phases,
      kernelMiB: Math.round(k.peakBytes / 2 ** 20),
      residentMiB: Math.round(process.memoryUsage().rss / 2 ** 20),
      proofKB: proof.length * 0.008,
      verifyMs: median(proofMs),
      linearMs: median(linearMs),
      permutations: rec.permutations,
      multiplications: rec.muls,
    },
    null,
    1,
  ),
);
for (const [name, ms] of [...spent].sort((a, b) => b[1] - a[1]).slice(0, 30)) console.log(name.padEnd(24), (ms / 1000).toFixed(2));
k.close();
