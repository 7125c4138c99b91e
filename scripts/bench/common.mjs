// What the benchmarks share: the machine, medians, random-weight models, a plan and inputs for a step.
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { collectWeights, frozenIntegers, quantizeBase } from '../../dist/model/base.js';
import { initialMaster } from '../../dist/model/init.js';
import { DEFAULT_NUMBERS, TARGETS, llamaProgram } from '../../dist/model/index.js';
import { batchInputs, initialState, stepInputs, targetCount } from '../../dist/model/step.js';
import { adamConstants } from '../../dist/optim/constants.js';
import { scheduleRows } from '../../dist/run/schedule.js';
import { makePlan } from '../../dist/tensor/plan.js';
import { stateRate } from '../../dist/tensor/state-layout.js';

export const say = (text) => process.stderr.write(`${text}\n`);
export const machine = () => ({
  cpu: os.cpus()[0]?.model ?? 'unknown',
  cores: os.cpus().length,
  memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  node: process.version,
  load: os.loadavg().map((x) => Number(x.toFixed(1))),
});
export const median = (x) => [...x].sort((a, b) => a - b)[x.length >> 1];
export const seconds = (f) => {
  const t = performance.now(),
    value = f();
  return [value, (performance.now() - t) / 1000];
};
/** Value of "--name value", a number unless the default is none. */
export const option = (args, name, otherwise) => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : typeof otherwise === 'number' ? Number(args[at + 1]) : args[at + 1];
};

/** Integers of a base with random weights of the usual size: normal by sums of uniforms, norm gains one. */
export function randomBase(shape, rope = { theta: 10000, scaling: { type: 'none' } }) {
  let x = 12345n;
  const uniform = () => {
    x = (x * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(x >> 40n) / 2 ** 24 - 0.5;
  };
  const { hidden: d, intermediate: f, kvHeads, groups, headDim, vocab } = shape,
    sizes = {
      'model.embed_tokens': vocab * d,
      lm_head: vocab * d,
      q_proj: d * kvHeads * groups * headDim,
      k_proj: d * kvHeads * headDim,
      v_proj: d * kvHeads * headDim,
      o_proj: d * kvHeads * groups * headDim,
      gate_proj: d * f,
      up_proj: d * f,
      down_proj: d * f,
    };
  const weights = collectWeights(shape, (name) => {
    if (name.includes('norm')) return new Float64Array(d).fill(1);
    const key = Object.keys(sizes).find((k) => name.includes(k));
    if (!key || name.endsWith('bias')) throw new Error(`no random ${name}`);
    const std = 1 / Math.sqrt(key === 'down_proj' ? f : d);
    return Float64Array.from({ length: sizes[key] }, () => 2 * std * (uniform() + uniform() + uniform()));
  });
  return { shape, rope, ...quantizeBase(weights) };
}

/** Shape of stories260k, and of SmolLM2-135M. */
export const STORIES = {
  layers: 5,
  hidden: 64,
  intermediate: 172,
  kvHeads: 4,
  groups: 2,
  headDim: 8,
  vocab: 512,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
export const SMOLLM2 = { ...STORIES, layers: 30, hidden: 576, intermediate: 1536, kvHeads: 3, groups: 3, headDim: 64, vocab: 49152 };
/** Weight formats as stories260k has them: only their bounds matter to the counts. */
export const BITS = Object.fromEntries(
  ['E', 'gamma', 'head', 'q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'].map((n) => [
    n.endsWith('proj') ? `W.${n}` : n,
    n.endsWith('proj') ? 20 : 18,
  ]),
);

/** Program of a whole step. */
export const stepProgram = ({ shape, bits }, batch, sequence, r, numbers = DEFAULT_NUMBERS) =>
  llamaProgram({
    shape,
    numbers,
    weightBits: bits,
    batch,
    sequence,
    lora: { r, targets: TARGETS, scaling: 2 },
    adam: adamConstants([0.9, 0.95], 1),
    kind: 'step',
  });
/** Parameters of both stacks, as a run has them. */
export const planOf = (program, bits = 128, rate = 2) =>
  makePlan(program, { bits, grinding: 16, rate, stateRate: stateRate(program.axes.P) });
/** Schedule's rows of so many steps, at a constant rate. */
export const constantSchedule = (steps) =>
  scheduleRows({ steps, learningRate: 2e-4, schedule: 'constant', warmup: 0, betas: [0.9, 0.95], epsilon: 1e-8, weightDecay: 0.05 });
/** Inputs of the first step on arbitrary tokens, every one but the first a target. */
export function stepData({ shape, ints, rope }, program, batch, sequence, r) {
  const rows = {
    tokens: Array.from({ length: batch }, (_, b) =>
      Int32Array.from({ length: sequence }, (_, i) => (i ? (b * 131 + i * 7) % shape.vocab : Math.min(1, shape.vocab - 1))),
    ),
    mask: Array.from({ length: batch }, () => new Uint8Array(sequence).fill(1)),
  };
  const [row] = constantSchedule(1);
  return stepInputs(
    program,
    frozenIntegers(shape, ints, rope, sequence),
    initialState(program, initialMaster(shape, r, TARGETS, 1)),
    batchInputs(rows, batch, sequence),
    row,
    targetCount(rows, sequence),
    1,
    0,
  );
}

/** Runs a script of its own and returns the JSON document with which its output ends. */
export function script(name, ...args) {
  const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(new URL(`../${name}`, import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${name} ended with ${status}`);
  const at = stdout.indexOf('\n{');
  return at < 0 && !stdout.startsWith('{') ? { skipped: stdout.trim() } : JSON.parse(stdout.slice(at < 0 ? 0 : at));
}
