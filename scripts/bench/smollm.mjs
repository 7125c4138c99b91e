// Proves and verifies one step of a random-weight model of SmolLM2-135M's shape, as one micro program and the update program. Prints, per
// program, seconds and resident set by phase, cells, lookups, proof size, verification time. Arguments: layers tokens (30 64); --memory GiB
// for linear and far memory together.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { singleKernels, threadedKernels } from '../../dist/kernels/index.js';
import { ropeTables } from '../../dist/model/base.js';
import { initialMaster } from '../../dist/model/init.js';
import { DEFAULT_NUMBERS, TARGETS, frozenTensors, llamaProgram, weightFrac } from '../../dist/model/index.js';
import { batchInputs, initialState, stepInputs, targetCount } from '../../dist/model/step.js';
import { adamConstants } from '../../dist/optim/constants.js';
import { settleFrozen } from '../../dist/tensor/deferred.js';
import { IntegerReading } from '../../dist/tensor/integer.js';
import { makePlan } from '../../dist/tensor/plan.js';
import { stateRate } from '../../dist/tensor/state-layout.js';
import { proveProgram } from '../../dist/tensor/prove.js';
import { fillStack } from '../../dist/tensor/stack.js';
import { frozenDigest } from '../../dist/tensor/statement.js';
import { StateTrees } from '../../dist/tensor/state-trees.js';
import { tableColumns } from '../../dist/tensor/tables.js';
import { verifyProgram } from '../../dist/tensor/verify.js';
import { NativeChannel } from '../../dist/transcript/index.js';
import { SMOLLM2, constantSchedule } from './common.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { memory: { type: 'string' }, threads: { type: 'string' } } });
const [layers, tokens] = [30, 64].map((d, i) => Number(positionals[i] ?? d));
const shape = { ...SMOLLM2, layers };
const status = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 2 ** 20;
const log = (...x) => console.error(...x);

/** Uniform integers of standard deviation `std` at the tensor's fraction, written as 64-bit words. */
function random(name, cells, std, seed) {
  const out = new BigInt64Array(cells),
    half = new Int32Array(out.buffer),
    span = 2 * Math.sqrt(3) * std * 2 ** weightFrac(name);
  let x = seed >>> 0;
  for (let i = 0; i < cells; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    const v = Math.round((x / 2 ** 32 - 0.5) * span);
    half[2 * i] = v;
    half[2 * i + 1] = v >> 31;
  }
  return out;
}
const frozen = new Map(),
  bits = {},
  rope = ropeTables(shape.headDim, tokens, { theta: 100000, scaling: { type: 'none' } });
const options = {
  shape,
  numbers: DEFAULT_NUMBERS,
  batch: 1,
  sequence: tokens,
  lora: { r: 8, targets: TARGETS, scaling: 2 },
  adam: adamConstants([0.9, 0.95], 1),
};
const anyBits = new Proxy({}, { get: () => 20 }),
  axes = llamaProgram({ ...options, weightBits: anyBits, kind: 'eval' }).axes;
for (const [i, t] of frozenTensors(shape).entries()) {
  const cells = t.axes.reduce((n, a) => n * axes[a], 1),
    fanIn = t.name === 'W.down_proj' ? shape.intermediate : shape.hidden;
  if (t.name.startsWith('rope')) frozen.set(t.name, rope[t.name]);
  else if (t.name === 'gamma') frozen.set(t.name, new BigInt64Array(cells).fill(BigInt(2 ** weightFrac(t.name))));
  else frozen.set(t.name, random(t.name, cells, t.name === 'E' ? 0.04 : 0.7 / Math.sqrt(fanIn), 77 + i));
  bits[t.name] = t.name === 'gamma' ? weightFrac(t.name) + 2 : Math.max(4, weightFrac(t.name) - 1);
}
log(
  `base of ${([...frozen.values()].reduce((n, x) => n + x.length, 0) / 1e6).toFixed(1)} M integers, resident ${status('VmRSS').toFixed(2)} GiB`,
);
const programs = ['micro', 'update'].map((kind) => llamaProgram({ ...options, weightBits: bits, kind }));
const parameters = { bits: 128, grinding: 16, rate: 2, stateRate: stateRate(programs[0].axes.P) },
  plans = programs.map((p) => makePlan(p, parameters));
const batch = {
  tokens: [Int32Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % shape.vocab)],
  mask: [new Uint8Array(tokens).fill(1)],
};
const [row] = constantSchedule(1);
const state = initialState(programs[1], initialMaster(shape, 8, TARGETS, 1), 'C2'),
  count = targetCount(batch, tokens);
const trees = new StateTrees();
const k = await threadedKernels({
  threads: Number(values.threads ?? 2),
  ...(values.memory ? { maxBytes: Number(values.memory) * 2 ** 30 } : {}),
});

/** The frozen stack near; `use` sees its address and cells. */
function withFrozen(use) {
  const m = k.mark(),
    plan = plans[0],
    cells = plan.layouts.get('frozen').cells,
    at = new Map(),
    put = (name, v) => {
      const p = k.alloc(8 * v.length);
      k.i64.set(v, p / 8);
      at.set(name, p);
    };
  const ptr = k.zeroed(8 * cells),
    m2 = k.mark();
  for (const [n, v] of frozen) put(n, v);
  for (const t of programs[0].tables) tableColumns(t).forEach((c, i) => put(t.columns[i], c));
  fillStack(k, plan, 'frozen', ptr, (n) => at.get(n));
  k.release(m2);
  const out = use(ptr, cells);
  k.release(m);
  return out;
}
const digest = withFrozen((ptr, cells) => frozenDigest(k.i64.subarray(ptr / 8, ptr / 8 + cells)));
log(`digest of the base, resident ${status('VmRSS').toFixed(2)} GiB`);

let acc = new BigInt64Array(programs[0].axes.P);
const rows = [];
for (const [i, kind] of ['micro', 'update'].entries()) {
  const program = programs[i],
    plan = plans[i],
    m = k.mark(),
    phases = {};
  let last,
    at = performance.now();
  const mark = (p) => {
    const t = performance.now();
    if (last) {
      phases[last] = Number(((phases[last] ?? 0) + (t - at) / 1000).toFixed(1));
      log(
        `${kind} ${last}: ${phases[last]} s, resident ${status('VmRSS').toFixed(2)}, far ${(k.far.peakBytes / 2 ** 30).toFixed(2)} GiB at most`,
      );
    }
    last = p;
    at = t;
  };
  const publics = kind === 'micro' ? batchInputs(batch, 1, tokens) : new Map();
  mark('train');
  const reading = new IntegerReading(k, program, stepInputs(program, frozen, state, publics, row, count, 1, 0, acc));
  reading.run();
  const near = k.mark() - m,
    t0 = performance.now();
  const { proof, statement } = proveProgram(k, plan, reading, {
    trees,
    frozenDigest: kind === 'micro' ? digest : frozenDigest(new BigInt64Array(0)),
    onPhase: mark,
  });
  const seconds = (performance.now() - t0) / 1000;
  mark();
  if (kind === 'micro') {
    acc = reading.read('acc2');
    log(`loss ${Number(reading.read('loss')[0]) / 2 ** program.tensors.find((t) => t.name === 'loss').frac / count}`);
  }
  k.release(m);
  log(`${kind} proved in ${seconds.toFixed(1)} s, ${Math.round(proof.length * 0.008)} kB, peak resident ${status('VmHWM').toFixed(2)} GiB`);
  const vk = singleKernels(),
    times = [];
  let claim;
  for (let n = 0; n < 5; n++) {
    const ch = new NativeChannel(vk, proof),
      t = performance.now();
    const d = verifyProgram(ch, plan, statement);
    ch.finish();
    times.push(performance.now() - t);
    claim = d.detach(ch);
    ch.close();
  }
  const t1 = performance.now();
  if (kind === 'micro') withFrozen((ptr, cells) => settleFrozen(k, ptr, cells, [claim]));
  log(`${kind} verified in ${Math.round(Math.min(...times))} ms, settled in ${Math.round(performance.now() - t1)} ms`);
  rows.push({
    kind,
    layers,
    tokens,
    cells: plan.layouts.get('witness').cells,
    frozen: plan.layouts.get('frozen')?.cells ?? 0,
    lookups: plan.lookups.reduce((n, j) => n + program.constraints[j].axes.reduce((x, a) => x * program.axes[a], 1), 0),
    readingMiB: Math.round(near / 2 ** 20),
    proveSeconds: Number(seconds.toFixed(1)),
    phases,
    proofKB: Math.round(proof.length * 0.008),
    verifyMs: Math.round(Math.min(...times)),
    settleMs: Math.round(performance.now() - t1),
    kernelMiB: Math.round(k.peakBytes / 2 ** 20),
    farMiB: Math.round(k.far.peakBytes / 2 ** 20),
    peakResidentGiB: Number(status('VmHWM').toFixed(2)),
  });
}
console.log(JSON.stringify(rows, null, 1));
k.close();
