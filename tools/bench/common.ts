/** What the benchmarks share: the machine, medians, random-weight models, a plan and inputs for a step. */
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  type Batch,
  DEFAULT_NUMBERS,
  type LlamaShape,
  type Rope,
  TARGETS,
  type WeightBits,
  collectWeights,
  llamaProgram,
  quantizeBase,
} from 'certune/model';
import { type ScheduleRow, adamConstants } from 'certune/optim';
import { type PolicyShape, orderShape } from 'certune/policy';
import { type RecursionClass, programsDigest, recursionClass } from 'certune/recursion';
import { scheduleRows } from 'certune/run';
import { type Plan, type Program, makePlan, stateRate } from 'certune/tensor';

export const say = (text: string): void => void process.stderr.write(`${text}\n`);

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly load: readonly number[];
}
export const machine = (): Machine => ({
  cpu: os.cpus()[0]?.model ?? 'unknown',
  cores: os.cpus().length,
  memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  node: process.version,
  load: os.loadavg().map((x) => Number(x.toFixed(1))),
});
export const median = (x: readonly number[]): number => [...x].sort((a, b) => a - b)[x.length >> 1];
/** What f gives, and how long it took. */
export const seconds = <T>(f: () => T): [value: T, seconds: number] => {
  const t = performance.now(),
    value = f();
  return [value, (performance.now() - t) / 1000];
};
/** Value of the option "--name number". */
export const option = (args: readonly string[], name: string, otherwise: number): number => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(args[at + 1]);
};

/** Seconds by phase. A phase ends where the next one begins, or where `mark` is called without one. */
export class Phases {
  readonly seconds: Record<string, number> = {};
  #last: string | undefined;
  #at = performance.now();
  constructor(
    readonly digits: number,
    readonly onEnd: (phase: string, seconds: number) => void = () => {},
  ) {}
  readonly mark = (phase?: string): void => {
    const t = performance.now();
    if (this.#last) {
      this.seconds[this.#last] = Number(((this.seconds[this.#last] ?? 0) + (t - this.#at) / 1000).toFixed(this.digits));
      this.onEnd(this.#last, this.seconds[this.#last]);
    }
    this.#last = phase;
    this.#at = t;
  };
}

/** A base whose integers are at hand. */
export interface IntegerBase {
  readonly shape: LlamaShape;
  readonly rope: Rope;
  readonly ints: ReadonlyMap<string, BigInt64Array>;
  readonly bits: WeightBits;
}

/** Integers of a base with random weights of the usual size: normal by sums of uniforms, norm gains one. */
export function randomBase(shape: LlamaShape, rope: Rope = { theta: 10000, scaling: { type: 'none' } }): IntegerBase {
  let x = 12345n;
  const uniform = (): number => {
    x = (x * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number(x >> 40n) / 2 ** 24 - 0.5;
  };
  const { hidden: d, intermediate: f, kvHeads, groups, headDim, vocab } = shape,
    sizes: Readonly<Record<string, number>> = {
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

/** Weight formats as stories260k has them: only their bounds matter to the counts. */
export const BITS: WeightBits = Object.fromEntries(
  ['E', 'gamma', 'head', 'q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'].map((n) => [
    n.endsWith('proj') ? `W.${n}` : n,
    n.endsWith('proj') ? 20 : 18,
  ]),
);

/** Program of a whole step. */
export const stepProgram = (
  { shape, bits }: Pick<IntegerBase, 'shape' | 'bits'>,
  batch: number,
  sequence: number,
  r: number,
  numbers = DEFAULT_NUMBERS,
): Program =>
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
export const planOf = (program: Program, bits = 128, rate = 2): Plan =>
  makePlan(program, { bits, grinding: 16, rate, stateRate: stateRate(program.axes['P']) });
/** The class of a run of one step program, with a policy or without, for a step that shares no leaf with another. */
export const classOf = (program: Program, plan: Plan, bits = 128, policy?: PolicyShape & { readonly size: number }): RecursionClass =>
  recursionClass(
    { programs: programsDigest([program]), zeroAcc: Array<bigint>(10).fill(0n), baseVars: plan.frozenVars, ...(policy ? { policy } : {}) },
    [{ kind: 'step', plan, rows: [1] }],
    { bits, grinding: 16, rate: 2, stateRate: 2 },
  );
/** A policy of a tree of 2^depth rows with 16 bins and a schedule of 2^scheduleDepth steps. */
export const policyShape = (depth: number, scheduleDepth: number): PolicyShape => ({
  depth,
  rounds: orderShape(2 ** depth).rounds,
  walks: 2,
  bins: 16,
  classDepth: 8,
  scheduleDepth,
  innerRounds: 0,
  innerWalks: 0,
  strataDepth: 0,
  replacement: false,
});
/** Lookups of a proof. */
export const lookupsOf = (plan: Plan): number =>
  plan.lookups.reduce((n, j) => n + plan.program.constraints[j].axes.reduce((x, a) => x * plan.program.axes[a], 1), 0);
/** Cells of a class of tensors, 0 where a program has none. */
export const cellsOf = (plan: Plan, cls: 'witness' | 'frozen'): number => plan.layouts.get(cls)?.cells ?? 0;
/** Schedule's rows of so many steps, at a constant rate. */
export const constantSchedule = (steps: number): ScheduleRow[] =>
  scheduleRows({ steps, learningRate: 2e-4, schedule: 'constant', warmup: 0, betas: [0.9, 0.95], epsilon: 1e-8, weightDecay: 0.05 });
/** Rows of arbitrary tokens, every one but the first a target. */
export const tokenRows = ({ vocab }: LlamaShape, batch: number, sequence: number): Batch => ({
  tokens: Array.from({ length: batch }, (_, b) =>
    Int32Array.from({ length: sequence }, (_, i) => (i ? (b * 131 + i * 7) % vocab : Math.min(1, vocab - 1))),
  ),
  mask: Array.from({ length: batch }, () => new Uint8Array(sequence).fill(1)),
});

/** What a tool writes that could not run. */
export interface Skipped {
  readonly skipped: string;
}

/** Runs a tool of this folder in a process of its own and returns the JSON document with which its output ends. */
export function tool<T>(name: string, ...args: string[]): T | Skipped {
  const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(new URL(`./${name}.js`, import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`${name} ended with ${status}`);
  const at = stdout.indexOf('\n{');
  return at < 0 && !stdout.startsWith('{') ? { skipped: stdout.trim() } : (JSON.parse(stdout.slice(at < 0 ? 0 : at)) as T);
}
