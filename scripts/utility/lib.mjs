// Training of one adapter twice, in float64 and in exact integers, from the same initial adapter and batches.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TextCodec, loadBase } from '../../dist/io/index.js';
import { frozenIntegers, quantizeBase, ropeTables } from '../../dist/model/base.js';
import { initialMaster } from '../../dist/model/init.js';
import { DEFAULT_NUMBERS, TARGETS, llamaProgram } from '../../dist/model/index.js';
import { batchInputs, initialState, stepInputs, targetCount } from '../../dist/model/step.js';
import { adamConstants } from '../../dist/optim/constants.js';
import { adamFloatState, adamFloatStep } from '../../dist/optim/reference.js';
import { scheduleRows } from '../../dist/run/schedule.js';
import { FloatReading } from '../../dist/tensor/float.js';
import { IntegerReading } from '../../dist/tensor/integer.js';
import { makePlan } from '../../dist/tensor/plan.js';

export const fixtures = process.env.CERTUNE_FIXTURES ?? fileURLToPath(new URL('../../../shared', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));
export const out = join(root, 'docs/utility');

export const loadModel = (dir) => ({ base: loadBase(dir), codec: new TextCodec(dir) });
export const stories = () => loadModel(join(fixtures, 'data/stories260k/hf'));

/** Writes beside and renames. */
export function save(file, data) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, data);
  renameSync(`${file}.part`, file);
}

export const DEFAULTS = {
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
export function cosine(a, b, start) {
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

const asBatch = (items) => ({ tokens: items.map((x) => x.tokens), mask: items.map((x) => x.mask) });
const real = (x, frac) => Float64Array.from(x, (v) => Number(v) / 2 ** frac);

/** An integer reading whose inputs can be replaced: its tables and frozen weights are laid down once. */
class Reused {
  constructor(k, program, inputs) {
    this.reading = new IntegerReading(k, program, inputs);
  }
  run(inputs) {
    for (const [n, v] of inputs) {
      if (v instanceof Int32Array) this.reading.ids.set(n, v);
      else this.reading.k.i64.set(v, this.reading.ptr.get(n) / 8);
    }
    this.reading.run();
    return this.reading;
  }
}

/** One run: both readings, their states, evaluation. */
export class Pair {
  constructor(kernels, base, settings) {
    const o = { ...DEFAULTS, ...settings };
    this.k = kernels;
    this.base = base;
    this.o = o;
    const { ints, bits } = quantizeBase(base.weights);
    const options = {
      shape: base.shape,
      numbers: o.numbers,
      weightBits: bits,
      batch: o.batch,
      sequence: o.sequence,
      lora: { r: o.r, targets: o.targets, scaling: o.alpha / o.r },
      adam: adamConstants(o.betas, o.clip),
    };
    this.options = options;
    this.program = llamaProgram({ ...options, kind: 'step' });
    this.gradient = llamaProgram({ ...options, kind: 'micro' });
    this.ints = ints;
    this.frozen = frozenIntegers(base.shape, ints, base.rope, o.sequence);
    this.realFrozen = new Map([...base.weights, ...Object.entries(ropeTables(base.shape.headDim, o.sequence, base.rope).real)]);
    this.rows = scheduleRows(o);
    const master = initialMaster(base.shape, o.r, o.targets, o.seed);
    this.integer = initialState(this.program, master);
    this.start = real(this.integer.master, 30);
    this.float = adamFloatState(this.start);
    this.step = 0;
    this.history = [];
  }

  /** Step s on these items in both readings. Throws OverflowError from the integer one. */
  train(items) {
    const { o, k } = this,
      b = asBatch(items),
      count = targetCount(b, o.sequence),
      s = this.step,
      publics = batchInputs(b, o.batch, o.sequence);
    const inputs = stepInputs(this.program, this.frozen, this.integer, publics, this.rows[s], count, o.clip, s);
    if (!this.int) this.int = new Reused(k, this.program, inputs);
    const r = this.int.run([...inputs].filter(([n]) => !this.frozen.has(n)));
    this.integer = { C: r.read('C2'), master: r.read('master2'), mm: r.read('mm2'), vv: r.read('vv2') };
    const intLoss = Number(r.read('loss')[0]) / 2 ** o.numbers.headFrac / count;

    if (!this.flt)
      this.flt = new FloatReading(
        k,
        this.gradient,
        new Map([...this.realFrozen, ...publics, ['C', this.float.theta], ['acc', new Float64Array(this.start.length)]]),
      );
    this.flt.setInput('C', this.float.theta);
    for (const [n, v] of publics) this.flt.setInput(n, v);
    this.flt.run();
    const floatLoss = this.flt.read('loss')[0] / count;
    const norm = adamFloatStep(this.float, this.flt.read('acc2'), {
      lr: Number(this.rows[s].lr) / 2 ** 96,
      betas: o.betas,
      epsilon: o.epsilon,
      weightDecay: o.weightDecay,
      clip: o.clip,
      count,
    });
    this.step++;
    const h = { step: this.step, floatLoss, intLoss, norm, cosine: this.cosine() };
    this.history.push(h);
    return h;
  }
  cosine() {
    return cosine(real(this.integer.master, 30), this.float.theta, this.start);
  }
  /** Largest difference of one parameter. */
  distance() {
    let d = 0;
    this.integer.master.forEach((x, i) => {
      d = Math.max(d, Math.abs(Number(x) / 2 ** 30 - this.float.theta[i]));
    });
    return d;
  }
  /** The integer run's released adapter (20 fraction bits) as reals. */
  released() {
    return real(this.integer.C, 20);
  }

  /**
   * Held-out figures of an adapter, evaluated in float64 on the original weights ('float') or as the proof computes ('integer', C alone).
   * Per target token: loss in nats, whether the likeliest token is right, its probability.
   */
  evaluate(items, adapter, reading, batch = 8) {
    const { k, base, o } = this,
      m = k.mark(),
      program = llamaProgram({ ...this.options, batch, kind: 'eval' });
    const publics = (part) => batchInputs(asBatch(part), batch, o.sequence);
    let r, run;
    if (reading === 'float') {
      r = new FloatReading(k, program, new Map([...this.realFrozen, ...publics([]), ['C', adapter]]));
      run = (p) => {
        for (const [n, v] of p) r.setInput(n, v);
        r.run();
      };
    } else {
      const made = new Reused(k, program, stepInputs(program, this.frozen, this.integer, publics([]), this.rows[0], 1, o.clip, 0));
      r = made.reading;
      run = (p) => made.run(p);
    }
    const loss = [],
      right = [],
      confidence = [],
      { vocab } = base.shape,
      rows = batch * o.sequence;
    for (let at = 0; at < items.length; at += batch) {
      const part = items.slice(at, at + batch),
        p = publics(part);
      run(p);
      const unit = reading === 'float' ? 1 : 2 ** -o.numbers.headFrac,
        logits = r.read('logits'),
        top = r.read('MH'),
        targets = p.get('targets');
      for (let c = 0; c < rows; c++) {
        if (targets[c] < 0) continue;
        let best = 0,
          max = -Infinity;
        for (let v = 0; v < vocab; v++) {
          const x = Number(logits[v * rows + c]) * unit;
          if (x > max) {
            max = x;
            best = v;
          }
        }
        const z = Number(top[c]) * unit;
        loss.push(z - Number(logits[targets[c] * rows + c]) * unit);
        right.push(best === targets[c]);
        confidence.push(Math.exp(max - z));
      }
    }
    k.release(m);
    return { loss, right, confidence };
  }

  /** State as JSON-able text, to go on later; exact. */
  dump() {
    const b = (x) => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString('base64');
    return JSON.stringify({
      step: this.step,
      history: this.history,
      integer: Object.fromEntries(Object.entries(this.integer).map(([n, v]) => [n, b(v)])),
      float: { theta: b(this.float.theta), m: b(this.float.m), v: b(this.float.v), step: this.float.step },
    });
  }
  load(file) {
    if (!existsSync(file)) return;
    const d = JSON.parse(readFileSync(file, 'utf8')),
      bytes = (s) => {
        const x = Buffer.from(s, 'base64');
        return x.buffer.slice(x.byteOffset, x.byteOffset + x.byteLength);
      };
    this.step = d.step;
    this.history = d.history;
    this.integer = Object.fromEntries(Object.entries(d.integer).map(([n, v]) => [n, new BigInt64Array(bytes(v))]));
    this.float = {
      theta: new Float64Array(bytes(d.float.theta)),
      m: new Float64Array(bytes(d.float.m)),
      v: new Float64Array(bytes(d.float.v)),
      step: d.float.step,
    };
  }
  /** Lookups and cells of the proof of one step. */
  cost() {
    return cost(this.program);
  }
}

/** Cells and lookups of a program's proof. */
export function cost(program) {
  const plan = makePlan(program, { bits: 128, grinding: 16, rate: 2, stateRate: 5 });
  return {
    cells: plan.layouts.get('witness').cells,
    lookups: plan.lookups.reduce((n, j) => n + program.constraints[j].axes.reduce((x, a) => x * program.axes[a], 1), 0),
  };
}
