/** Training of one adapter twice, in float64 and in exact integers, from the same initial adapter and batches. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BaseModel, TextCodec, loadBase } from 'certune/io';
import type { Kernels } from 'certune/kernels';
import {
  type AdapterState,
  type Batch,
  DEFAULT_NUMBERS,
  type LlamaProgramOptions,
  type Numbers,
  TARGETS,
  type Target,
  batchInputs,
  frozenIntegers,
  initialMaster,
  initialState,
  llamaProgram,
  quantizeBase,
  ropeTables,
  stepInputs,
  targetCount,
} from 'certune/model';
import { ADAMW, type AdamFloatState, type ScheduleRow, adamConstants, adamFloatState, adamFloatStep } from 'certune/optim';
import { type ScheduleConfig, scheduleRows } from 'certune/run';
import { FloatReading, type Inputs, IntegerReading, PROOF_VERSION, type Program, makePlan } from 'certune/tensor';
import { fixtures, root } from '../fixtures.js';

export { fixtures, root };
export const out = join(root, 'docs/utility');

/** Programs that the integer rows of a document were measured with; results that do not say it are of the first. */
export const OLD_PROGRAMS = 5;
export const programsText = (version: number): string =>
  version === OLD_PROGRAMS
    ? 'programs of proof version 5, of 26 November 2026, before constants were rounded relative to themselves (decision 0010)'
    : `programs of proof version ${version}`;
export { PROOF_VERSION };

/** What of a base is trained on: the demonstration's and the fixtures' have it, and so have bases made from them. */
export type Weights = Pick<BaseModel, 'shape' | 'rope' | 'weights'>;
export interface Model {
  readonly base: BaseModel;
  readonly codec: TextCodec;
}
export const loadModel = (dir: string): Model => ({ base: loadBase(dir), codec: new TextCodec(dir) });
export const stories = (): Model => loadModel(join(fixtures, 'data/stories260k/hf'));

/** Writes beside and renames. */
export function save(file: string, data: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, data);
  renameSync(`${file}.part`, file);
}
/** A JSON document that these tools wrote before, or undefined. */
export const load = <T>(file: string): T | undefined => (existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined);

/** Tokens of a row and which of them are targets. */
export interface Row {
  readonly tokens: Int32Array;
  readonly mask: Uint8Array;
}

/** Settings of one run. */
export interface Settings extends ScheduleConfig {
  readonly batch: number;
  readonly sequence: number;
  readonly r: number;
  readonly alpha: number;
  readonly targets: readonly Target[];
  readonly clip: number;
  readonly numbers: Numbers;
  readonly seed: number;
}
export const DEFAULTS: Settings = {
  steps: 200,
  batch: 4,
  sequence: 48,
  r: 8,
  alpha: 16,
  targets: TARGETS,
  learningRate: 1e-3,
  schedule: 'cosine',
  warmup: 10,
  betas: [0.9, 0.95],
  epsilon: 1e-8,
  weightDecay: 0.05,
  clip: 1,
  numbers: DEFAULT_NUMBERS,
  seed: 1,
};

/** Cosine of two updates from a common start, over all parameters together. */
export function cosine(a: Float64Array, b: Float64Array, start: Float64Array): number {
  let dot = 0,
    x = 0,
    y = 0;
  for (let i = 0; i < start.length; i++) {
    const u = a[i] - start[i],
      v = b[i] - start[i];
    dot += u * v;
    x += u * u;
    y += v * v;
  }
  return dot / Math.sqrt(x * y);
}

const asBatch = (items: readonly Row[]): Batch => ({ tokens: items.map((x) => x.tokens), mask: items.map((x) => x.mask) });
/** Integers at so many fraction bits as reals. */
export const real = (x: BigInt64Array, frac: number): Float64Array => Float64Array.from(x, (v) => Number(v) / 2 ** frac);
/** The state that a reading of a step's or an update's program leaves. */
export const stateAfter = (r: IntegerReading): AdapterState => ({
  C: r.read('C2'),
  master: r.read('master2'),
  mm: r.read('mm2'),
  vv: r.read('vv2'),
});

/** An integer reading whose inputs can be replaced: its tables and frozen weights are laid down once. */
class Reused {
  readonly reading: IntegerReading;
  constructor(k: Kernels, program: Program, inputs: Inputs) {
    this.reading = new IntegerReading(k, program, inputs);
  }
  run(inputs: Iterable<readonly [string, BigInt64Array | Int32Array]>): IntegerReading {
    const { reading } = this;
    for (const [n, v] of inputs) {
      if (v instanceof Int32Array) reading.ids.set(n, v);
      else reading.k.i64.set(v, reading.ptr.get(n)! / 8);
    }
    reading.run();
    return reading;
  }
}

/** Figures of one step. */
export interface History {
  readonly step: number;
  readonly floatLoss: number;
  readonly intLoss: number;
  /** Of the mean gradient in float64. */ readonly norm: number;
  readonly cosine: number;
}
/** Figures per target token. */
export interface Evaluation {
  /** Nats. */ readonly loss: number[];
  /** Whether the likeliest token is the target. */ readonly right: boolean[];
  /** Probability of the likeliest token. */ readonly confidence: number[];
}
/** What `dump` writes. Numbers are base64 of their bytes. */
interface Dumped {
  readonly step: number;
  readonly history: History[];
  readonly integer: Readonly<Record<keyof AdapterState, string>>;
  readonly float: { readonly theta: string; readonly m: string; readonly v: string; readonly step: number };
}
const base64 = (x: BigInt64Array | Float64Array): string => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString('base64');
const bytesOf = (text: string): ArrayBuffer => Uint8Array.from(Buffer.from(text, 'base64')).buffer;

/** One run: both readings, their states, evaluation. */
export class Pair {
  readonly o: Settings;
  readonly program: Program;
  /** Adapter before the first step. */ readonly start: Float64Array;
  step = 0;
  history: History[] = [];
  integer: AdapterState;
  float: AdamFloatState;
  /** The readings of the last step. */ #int: Reused | undefined;
  #flt: FloatReading | undefined;
  readonly #options: Omit<LlamaProgramOptions, 'kind'>;
  readonly #gradient: Program;
  readonly #frozen: ReadonlyMap<string, BigInt64Array>;
  readonly #realFrozen: ReadonlyMap<string, Float64Array | Float32Array>;
  readonly #rows: readonly ScheduleRow[];

  constructor(
    readonly k: Kernels,
    readonly base: Weights,
    settings: Partial<Settings>,
  ) {
    const o = { ...DEFAULTS, ...settings },
      { ints, bits } = quantizeBase(base.weights),
      { ropeQ, ropeK } = ropeTables(base.shape.headDim, o.sequence, base.rope).real;
    this.o = o;
    this.#options = {
      shape: base.shape,
      numbers: o.numbers,
      weightBits: bits,
      batch: o.batch,
      sequence: o.sequence,
      lora: { r: o.r, targets: o.targets, scaling: o.alpha / o.r },
      adam: adamConstants(o.betas, o.clip),
    };
    this.program = llamaProgram({ ...this.#options, kind: 'step' });
    this.#gradient = llamaProgram({ ...this.#options, kind: 'micro' });
    this.#frozen = frozenIntegers(base.shape, ints, base.rope, o.sequence);
    this.#realFrozen = new Map([...base.weights, ['ropeQ', ropeQ], ['ropeK', ropeK]]);
    this.#rows = scheduleRows(o);
    this.integer = initialState(this.program, initialMaster(base.shape, o.r, o.targets, o.seed));
    this.start = real(this.integer.master, ADAMW.master.frac);
    this.float = adamFloatState(this.start);
  }

  /** Step s on these items in both readings. Throws OverflowError from the integer one. */
  train(items: readonly Row[]): History {
    const { o } = this,
      b = asBatch(items),
      count = targetCount(b, o.sequence),
      publics = batchInputs(b, o.batch, o.sequence),
      intLoss = this.#trainIntegers(publics, count),
      { floatLoss, norm } = this.#trainFloat(publics, count);
    this.step++;
    const h = { step: this.step, floatLoss, intLoss, norm, cosine: this.cosine() };
    this.history.push(h);
    return h;
  }
  #trainIntegers(publics: ReadonlyMap<string, BigInt64Array | Int32Array>, count: number): number {
    const { o, k, step } = this,
      inputs = stepInputs(this.program, this.#frozen, this.integer, publics, this.#rows[step], count, o.clip, step);
    this.#int ??= new Reused(k, this.program, inputs);
    const r = this.#int.run([...inputs].filter(([n]) => !this.#frozen.has(n)));
    this.integer = stateAfter(r);
    return Number(r.read('loss')[0]) / 2 ** o.numbers.headFrac / count;
  }
  #trainFloat(publics: ReadonlyMap<string, BigInt64Array | Int32Array>, count: number): { floatLoss: number; norm: number } {
    const { o, k } = this;
    this.#flt ??= new FloatReading(
      k,
      this.#gradient,
      new Map<string, BigInt64Array | Int32Array | Float64Array | Float32Array>([
        ...this.#realFrozen,
        ...publics,
        ['C', this.float.theta],
        ['acc', new Float64Array(this.start.length)],
      ]),
    );
    this.#flt.setInput('C', this.float.theta);
    for (const [n, v] of publics) this.#flt.setInput(n, v);
    this.#flt.run();
    const floatLoss = this.#flt.read('loss')[0] / count,
      norm = adamFloatStep(this.float, this.#flt.read('acc2'), {
        lr: Number(this.#rows[this.step].lr) / 2 ** 96,
        betas: o.betas,
        epsilon: o.epsilon,
        weightDecay: o.weightDecay,
        clip: o.clip,
        count,
      });
    return { floatLoss, norm };
  }
  /** Gradients of the last step: the sum over its targets as integers, and in float64. */
  gradients(): { integers: BigInt64Array; float: Float64Array } {
    if (!this.#int || !this.#flt) throw new Error('no step has been trained');
    return { integers: this.#int.reading.read('g'), float: this.#flt.read('acc2') };
  }
  cosine(): number {
    return cosine(real(this.integer.master, ADAMW.master.frac), this.float.theta, this.start);
  }
  /** Largest difference of one parameter. */
  distance(): number {
    let d = 0;
    this.integer.master.forEach((x, i) => {
      d = Math.max(d, Math.abs(Number(x) / 2 ** ADAMW.master.frac - this.float.theta[i]));
    });
    return d;
  }
  /** The integer run's released adapter as reals. */
  released(): Float64Array {
    return real(this.integer.C, ADAMW.C.frac);
  }

  /** Held-out figures of an adapter, evaluated in float64 on the original weights. */
  evaluateFloat(items: readonly Row[], adapter: Float64Array, batch = 8): Evaluation {
    return this.k.scope(() => {
      const program = llamaProgram({ ...this.#options, batch, kind: 'eval' }),
        r = new FloatReading(
          this.k,
          program,
          new Map<string, BigInt64Array | Int32Array | Float64Array | Float32Array>([
            ...this.#realFrozen,
            ...this.#publics([], batch),
            ['C', adapter],
          ]),
        );
      return this.#evaluate(items, batch, (p) => {
        for (const [n, v] of p) r.setInput(n, v);
        r.run();
        return { logits: r.read('logits'), top: r.read('MH') };
      });
    });
  }
  /** The same of the integer run's adapter as the proof computes it. */
  evaluateIntegers(items: readonly Row[], batch = 8): Evaluation {
    return this.k.scope(() => {
      const { o } = this,
        program = llamaProgram({ ...this.#options, batch, kind: 'eval' }),
        publics = this.#publics([], batch),
        made = new Reused(this.k, program, stepInputs(program, this.#frozen, this.integer, publics, this.#rows[0], 1, o.clip, 0));
      return this.#evaluate(items, batch, (p) => {
        const r = made.run(p);
        return { logits: real(r.read('logits'), o.numbers.headFrac), top: real(r.read('MH'), o.numbers.headFrac) };
      });
    });
  }
  #publics(items: readonly Row[], batch: number): Map<string, BigInt64Array | Int32Array> {
    return batchInputs(asBatch(items), batch, this.o.sequence);
  }
  #evaluate(
    items: readonly Row[],
    batch: number,
    run: (publics: ReadonlyMap<string, BigInt64Array | Int32Array>) => { logits: Float64Array; top: Float64Array },
  ): Evaluation {
    const e: Evaluation = { loss: [], right: [], confidence: [] },
      { vocab } = this.base.shape,
      rows = batch * this.o.sequence;
    for (let at = 0; at < items.length; at += batch) {
      const p = this.#publics(items.slice(at, at + batch), batch),
        { logits, top } = run(p),
        targets = p.get('targets');
      if (!(targets instanceof Int32Array)) throw new Error('the program has no targets');
      for (let c = 0; c < rows; c++) {
        if (targets[c] < 0) continue;
        let best = 0,
          max = -Infinity;
        for (let v = 0; v < vocab; v++) {
          const x = logits[v * rows + c];
          if (x > max) {
            max = x;
            best = v;
          }
        }
        e.loss.push(top[c] - logits[targets[c] * rows + c]);
        e.right.push(best === targets[c]);
        e.confidence.push(Math.exp(max - top[c]));
      }
    }
    return e;
  }

  /** State as JSON-able text, to go on later; exact. */
  dump(): string {
    const { C, master, mm, vv } = this.integer,
      { theta, m, v, step } = this.float,
      d: Dumped = {
        step: this.step,
        history: this.history,
        integer: { C: base64(C), master: base64(master), mm: base64(mm), vv: base64(vv) },
        float: { theta: base64(theta), m: base64(m), v: base64(v), step },
      };
    return JSON.stringify(d);
  }
  /** Goes on from what `dump` wrote, where the file is there. */
  load(file: string): void {
    const d = load<Dumped>(file);
    if (!d) return;
    const ints = (s: string): BigInt64Array => new BigInt64Array(bytesOf(s)),
      reals = (s: string): Float64Array => new Float64Array(bytesOf(s));
    this.step = d.step;
    this.history = d.history;
    this.integer = { C: ints(d.integer.C), master: ints(d.integer.master), mm: ints(d.integer.mm), vv: ints(d.integer.vv) };
    this.float = { theta: reals(d.float.theta), m: reals(d.float.m), v: reals(d.float.v), step: d.float.step };
  }
  /** Lookups and cells of the proof of one step. */
  cost(): Cost {
    return cost(this.program);
  }
}

export interface Cost {
  readonly cells: number;
  readonly lookups: number;
}
/** Cells and lookups of a program's proof. */
export function cost(program: Program): Cost {
  const plan = makePlan(program, { bits: 128, grinding: 16, rate: 2, stateRate: 5 });
  return {
    cells: plan.layouts.get('witness')!.cells,
    lookups: plan.lookups.reduce((n, j) => n + program.constraints[j].axes.reduce((x, a) => x * program.axes[a], 1), 0),
  };
}
