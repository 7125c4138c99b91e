import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isqrt, rational } from '../src/field/fixedpoint.js';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { llamaProgram } from '../src/model/llama.js';
import { DEFAULT_NUMBERS, type LlamaShape, TARGETS, scalingParts } from '../src/model/shape.js';
import { ADAMW, digitBits } from '../src/optim/adamw.js';
import { HyperparameterError, adamConstants, scheduleScalars } from '../src/optim/constants.js';
import { adamFloatState, adamFloatStep } from '../src/optim/reference.js';
import { scheduleRows } from '../src/run/schedule.js';
import { IntegerReading } from '../src/tensor/integer.js';
import type { Program } from '../src/tensor/types.js';

/*
 * Errors of whole functions, from end to end: what the programs compute in integers against exact rational arithmetic
 * or doubles on the same input. The single operations are in src/run/budgets.test.ts.
 */
const TINY: LlamaShape = {
  layers: 1,
  hidden: 6,
  intermediate: 5,
  kvHeads: 1,
  groups: 1,
  headDim: 6,
  vocab: 7,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const updateProgram = (betas: [number, number], clip: number, momentFrac: number): Program =>
  llamaProgram({
    shape: TINY,
    numbers: { ...DEFAULT_NUMBERS, momentFrac },
    weightBits: {},
    batch: 1,
    sequence: 2,
    lora: { r: 1, targets: ['q_proj', 'up_proj'], scaling: 1 },
    adam: adamConstants(betas, clip),
    kind: 'update',
  });
const G = 2 ** ADAMW.g.frac;

/**
 * The clip factor of the program by its definition: norm, maximum and ratio in bigints, from the sum of squares in
 * units of 2^-52.
 */
function clipFactor(sum: bigint, count: number, clip: number, parameters: number): number {
  const w = digitBits(parameters),
    c = rational(clip),
    { clipN } = scheduleScalars(ROW, count, clip, { parameters, momentFrac: 60 }, 0),
    norm = isqrt(sum),
    den = norm > clipN ? norm : clipN,
    twice = ((2n * ((c.num << 66n) / c.den) + 1n) / 2n) >> BigInt(40 - 2 * w);
  return Number((twice + den) / (2n * den)) / 2 ** (2 * w - 1);
}
const train = {
  steps: 20,
  learningRate: 1e-3,
  schedule: 'constant',
  warmup: 0,
  betas: [0.9, 0.999] as [number, number],
  epsilon: 1e-8,
  weightDecay: 0,
} as const;
const [ROW] = scheduleRows(train);

describe('whole functions against exact arithmetic', () => {
  let k: Kernels;
  beforeAll(() => {
    k = singleKernels({ maxBytes: 2 ** 31 });
  });
  afterAll(() => k.close());

  /**
   * Runs the update program on a gradient summed over `count` targets and returns the reading; memory is the caller's
   * to release.
   */
  const update = (
    p: Program,
    state: { C: bigint[]; master: bigint[]; mm: bigint[]; vv: bigint[] },
    g: bigint[],
    scalars: Record<string, bigint>,
  ) => {
    const ints = (v: bigint[]): BigInt64Array => BigInt64Array.from(v),
      r = new IntegerReading(
        k,
        p,
        new Map([
          ['C', ints(state.C)],
          ...['master', 'mm', 'vv'].map((n) => [n, ints(state[n as 'mm'])] as const),
          ['acc', ints(g)],
          ...Object.entries(scalars).map(([n, v]) => [n, BigInt64Array.of(v)] as const),
        ]),
      );
    r.run();
    expect(r.violated()).toBeUndefined();
    return r;
  };
  const zeros = (n: number) => ({
    C: Array<bigint>(n).fill(0n),
    master: Array<bigint>(n).fill(0n),
    mm: Array<bigint>(n).fill(0n),
    vv: Array<bigint>(n).fill(0n),
  });

  it('clip factor: within 1e-5 of min(1, clip / norm) for any number of parameters, targets and clips', () => {
    for (const parameters of [24, 1000, 46_080, 293_248, 1_000_000, 4_884_480, 2 ** 23])
      for (const count of [1, 2, 7, 32, 100, 512])
        for (const clip of [0.01, 0.1, 0.3, 1, 3, 10])
          for (const norm of [0.003, 0.1, 0.5, 0.9999 * clip, 1.0001 * clip, 2, 20])
            for (const spread of [true, false]) {
              // Equal gradients, or one that holds the whole norm: sums of squares of integers in units of 2^-26.
              const each = BigInt(Math.round((norm * count * G) / (spread ? Math.sqrt(parameters) : 1))),
                sum = each * each * (spread ? BigInt(parameters) : 1n),
                real = Math.sqrt(Number(sum)) / G / count,
                want = Math.min(1, clip / real) / count,
                got = clipFactor(sum, count, clip, parameters);
              if (real === 0) continue;
              expect(Math.abs(got / want - 1), `${parameters} parameters, ${count} targets, clip ${clip}, norm ${real}`).toBeLessThan(1e-5);
            }
  });

  it('clip factor: the program computes that definition, and every constraint holds', () => {
    const p = updateProgram([0.9, 0.95], 1, 60),
      n = p.axes['P'];
    for (const clip of [0.01, 1, 7.5]) {
      const q = updateProgram([0.9, 0.95], clip, 60);
      for (const [scale, count] of [
        [1e-4, 1],
        [0.05, 13],
        [0.4, 512],
        [1.9, 4],
      ] as const) {
        const m = k.mark(),
          g = Array.from({ length: n }, (_, j) => BigInt(Math.round(Math.cos(3 * j + 1) * scale * Math.min(count, 8) * G))),
          r = update(q, zeros(n), g, scheduleScalars(ROW, count, clip, { parameters: n, momentFrac: 60 }, 0)),
          sum = g.reduce((x, y) => x + y * y, 0n);
        expect(r.read('norm')[0]).toBe(isqrt(sum));
        expect(Number(r.read('clipC')[0]) / 2 ** 39).toBeCloseTo(clipFactor(sum, count, clip, n), 12);
        for (const c of q.constraints) if (c.kind !== 'zero') expect(() => r.keys(c), c.name).not.toThrow();
        k.release(m);
      }
    }
  });

  it.each([
    [1e-6, 1e-3],
    [1e-7, 5e-3],
  ])('AdamW: twenty updates at a mean gradient near %d move as those in doubles, within %d', (mean, within) => {
    const p = updateProgram([0.9, 0.999], 1, 62),
      n = p.axes['P'];
    for (const count of [32, 512]) {
      // Parameters differ by up to a third, so that roundings fall anywhere.
      const means = Float64Array.from({ length: n }, (_, j) => (j % 2 ? -1 : 1) * mean * (1 + j / 60)),
        want = adamFloatState(new Float64Array(n)),
        rows = scheduleRows(train);
      let state = zeros(n);
      for (let s = 0; s < train.steps; s++) {
        const m = k.mark(),
          g = Array.from(means, (x) => BigInt(Math.round(x * count * G))),
          r = update(p, state, g, scheduleScalars(rows[s], count, 1, { parameters: n, momentFrac: 62 }, s));
        state = { C: [...r.read('C2')], master: [...r.read('master2')], mm: [...r.read('mm2')], vv: [...r.read('vv2')] };
        k.release(m);
        adamFloatStep(
          want,
          means.map((x) => x * count),
          { lr: train.learningRate, betas: train.betas, epsilon: train.epsilon, weightDecay: 0, clip: 1, count },
        );
      }
      state.master.forEach((x, j) =>
        expect(Math.abs(Number(x) / 2 ** 30 / want.theta[j] - 1), `${count} targets, parameter ${j}`).toBeLessThan(within),
      );
    }
  });

  it.each([6, 10, 576, 1152])(
    'RMSNorm backward at width %d: <dXn, Xn> / D to the nearest unit, one large residual coordinate or none',
    (hidden) => {
      const shape: LlamaShape = { ...TINY, tied: false, hidden, headDim: 2, kvHeads: 1, groups: hidden / 2, intermediate: 4 },
        p = llamaProgram({
          shape,
          numbers: { ...DEFAULT_NUMBERS, expBits: 18, siluBits: 18 },
          weightBits: Object.fromEntries(['E', 'gamma', 'head', ...TARGETS.map((t) => `W.${t}`)].map((t) => [t, 22])),
          batch: 1,
          sequence: 2,
          lora: { r: 1, targets: ['q_proj'], scaling: 1 },
          adam: adamConstants([0.9, 0.95], 1),
          kind: 'micro',
        });
      const m = k.mark();
      let x = 5;
      const random = (): number => {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        return x / 2 ** 31 - 1;
      };
      const inputs = new Map<string, BigInt64Array | Int32Array>();
      for (const t of p.tensors)
        if ((t.cls === 'frozen' && !t.name.includes(':')) || ['cIn', 'oIn', 'aIn'].includes(t.cls)) {
          const size = t.axes.reduce((s, a) => s * p.axes[a], 1),
            scale =
              t.name === 'gamma'
                ? 2 ** 16
                : t.name === 'E'
                  ? 2 ** 15
                  : t.name === 'head'
                    ? 2 ** 12
                    : t.name.startsWith('W.')
                      ? 2 ** 15 / Math.sqrt(hidden / 6)
                      : 2 ** 14;
          inputs.set(
            t.name,
            BigInt64Array.from({ length: size }, () =>
              BigInt(Math.round(t.name.startsWith('vv') ? 0 : t.name === 'gamma' ? scale * (1 + random() / 4) : scale * random())),
            ),
          );
        }
      // Coordinate 1 of every word is forty times as large as the others.
      const E = inputs.get('E') as BigInt64Array;
      for (let v = 0; v < shape.vocab; v++) E[v * hidden + 1] = 40n << 14n;
      inputs.set('tokens', Int32Array.of(1, 3)).set('targets', Int32Array.of(3, -1)).set('mask', BigInt64Array.of(1n, 0n));
      const r = new IntegerReading(k, p, inputs);
      r.run();
      expect(r.violated()).toBeUndefined();
      const [cn, dXn, Xn] = ['cn', 'dXn', 'Xn'].map((t) => r.read(t)),
        rows = cn.length,
        tokens = 2;
      let used = 0;
      for (let s = 0; s < rows / tokens; s++)
        for (let i = 0; i < tokens; i++) {
          let sum = 0n;
          for (let d = 0; d < hidden; d++) sum += dXn[(s * hidden + d) * tokens + i] * Xn[(s * hidden + d) * tokens + i];
          if (sum !== 0n) used++;
          // sum has 25 fraction bits, cn 17: |cn 2^8 D - sum| <= 2^7 D.
          const off = (cn[s * tokens + i] << 8n) * BigInt(hidden) - sum;
          expect(2n * (off < 0n ? -off : off) <= BigInt(hidden) << 8n, `row ${s}, ${i}`).toBe(true);
        }
      expect(used).toBeGreaterThan(0);
      k.release(m);
    },
  );

  it('the scaling of the adapter is exact or within 2^-20 of itself', () => {
    for (const alpha of [0.5, 1, 2, 8, 10, 16, 32, 100])
      for (const r of [1, 2, 3, 5, 7, 8, 12, 16, 24, 64, 100, 256, 600])
        for (const x of [alpha / r, alpha / Math.sqrt(r)]) {
          if (x < 2 ** -10) continue;
          const { inner, num, shift } = scalingParts(x),
            got = (Number(inner ?? 2n ** 20n) / 2 ** 20) * Number(num) * 2 ** -shift;
          expect(Math.abs(got / x - 1)).toBeLessThanOrEqual(2 ** -20);
          if (Number.isInteger(x * 1024)) expect(got).toBe(x);
        }
    expect(() => scalingParts(2 ** -10 / 3)).toThrow(/lora\.alpha.*outside \[2\^-10, 2\^12\]/);
  });
});

describe('constants that no format holds are refused by their key', () => {
  const scalars =
    (o: object, count = 8, clip = 1) =>
    () => {
      const c = { ...train, ...o };
      scheduleRows(c).forEach((row, s) => scheduleScalars(row, count, clip, { parameters: 1000, momentFrac: 60 }, s));
    };
  it.each([
    ['a learning rate of 1e-13', { learningRate: 1e-13 }, 'train.learningRate', /rounds to zero|off by/],
    ['a decay below 2^-39', { learningRate: 1e-5, weightDecay: 1e-7 }, 'train.weightDecay', /rounds to zero/],
    ['an epsilon of 1e-10 in a few steps', { epsilon: 1e-10, steps: 3 }, 'train.epsilon', /./],
  ])('%s', (_, o, key, what) => {
    let error: unknown;
    try {
      scalars(o)();
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(HyperparameterError);
    expect((error as HyperparameterError).key).toBe(key);
    expect((error as Error).message).toMatch(what);
  });
  it('a clip that 2^-26 does not resolve', () => expect(scalars({}, 1, 1e-5)).toThrow(/train\.clip/));
  it('betas too close to one', () => {
    expect(() => adamConstants([0.9, 0.9999999], 1)).toThrow(/train\.betas\[1\]/);
    expect(() => adamConstants([0.99999, 0.95], 1)).toThrow(/train\.betas\[0\]/);
    expect(() => adamConstants([0, 0], 1)).not.toThrow();
    for (const b2 of [0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 0.99999]) expect(() => adamConstants([0.9, b2], 1)).not.toThrow();
  });
  it('the end of a cosine may vanish, settings in use pass', () => {
    expect(scalars({ steps: 10_000, schedule: 'cosine', learningRate: 1e-4 })).not.toThrow();
    for (const lr of [1e-6, 1e-5, 5e-5, 2e-4, 1e-3])
      for (const wd of [0, 0.001, 0.01, 0.1])
        expect(scalars({ steps: 300, schedule: 'linear', warmup: 0.1, learningRate: lr, weightDecay: wd })).not.toThrow();
  });
});
