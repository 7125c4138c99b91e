import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, threadedKernels } from '../src/kernels/index.js';
import { frozenIntegers, quantizeBase, smallNumbers } from '../src/model/base.js';
import { initialMaster, projectionSize } from '../src/model/init.js';
import { llamaProgram } from '../src/model/llama.js';
import { type LlamaShape, TARGETS } from '../src/model/shape.js';
import { batchInputs, initialState, stepInputs } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { scheduleRows } from '../src/run/schedule.js';
import { FloatReading } from '../src/tensor/float.js';
import { IntegerReading } from '../src/tensor/integer.js';
import { evaluate, cellsOf, interpret, keysOf } from './interpreter.js';

const SHAPE: LlamaShape = {
  layers: 2,
  hidden: 12,
  intermediate: 7,
  kvHeads: 1,
  groups: 3,
  headDim: 4,
  vocab: 11,
  tied: false,
  bias: true,
  rmsEps: 1e-5,
};
const B = 2,
  S = 5,
  R = 2;

/**
 * Everything that a program of any kind reads, from a base of pseudo-random weights and an adapter that is not zero.
 */
function program(kind: 'step' | 'micro' | 'update') {
  let x = 7;
  const random = (): number => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return x / 2 ** 32 - 0.5;
  };
  const fill = (n: number, scale: number): Float64Array => Float64Array.from({ length: n }, () => random() * scale);
  const w = new Map<string, Float64Array>([
    ['E', fill(SHAPE.vocab * SHAPE.hidden, 2)],
    ['gamma', Float64Array.from({ length: (2 * SHAPE.layers + 1) * SHAPE.hidden }, () => 1 + 0.2 * random())],
    ['head', fill(SHAPE.vocab * SHAPE.hidden, 1)],
  ]);
  for (const t of TARGETS) {
    const z = projectionSize(SHAPE, t);
    w.set(`W.${t}`, fill(SHAPE.layers * z.out * z.in, 1));
    if (['q_proj', 'k_proj', 'v_proj'].includes(t)) w.set(`bias.${t}`, fill(SHAPE.layers * z.out, 0.4));
  }
  const { ints, bits } = quantizeBase(w);
  const make = (of: typeof kind) =>
    llamaProgram({
      shape: SHAPE,
      numbers: smallNumbers(),
      weightBits: bits,
      batch: B,
      sequence: S,
      lora: { r: R, targets: TARGETS, scaling: 2 },
      adam: adamConstants([0.9, 0.95], 1),
      kind: of,
    });
  const p = make(kind);
  const master = initialMaster(SHAPE, R, TARGETS, 3);
  for (const [n, v] of master) if (n.endsWith('.B')) v.forEach((_, i) => void (v[i] = BigInt(Math.floor(random() * 2 ** 26))));
  const [row] = scheduleRows({
    steps: 1,
    learningRate: 2e-3,
    schedule: 'constant',
    warmup: 0,
    betas: [0.9, 0.95],
    epsilon: 1e-8,
    weightDecay: 0.05,
  });
  const publics = batchInputs(
    {
      tokens: [Int32Array.of(1, 4, 9, 10, 2), Int32Array.of(3, 3, 7)],
      mask: [Uint8Array.of(0, 0, 1, 1, 1), Uint8Array.of(0, 1, 1)],
    },
    B,
    S,
  );
  const acc = BigInt64Array.from({ length: p.axes['P'] }, () => BigInt(Math.floor(random() * 2 ** 20)));
  return {
    p,
    inputs: stepInputs(
      p,
      frozenIntegers(SHAPE, ints, { theta: 10000, scaling: { type: 'none' } }, S),
      initialState(make('step'), master),
      publics,
      row,
      5,
      1,
      0,
      acc,
    ),
  };
}

describe('the integer reading against a bigint interpreter of the steps', () => {
  let k: Kernels;
  beforeAll(async () => {
    k = await threadedKernels({ threads: 2 });
  });
  afterAll(() => k.close());
  it.each(['step', 'micro', 'update'] as const)(
    '%s: every cell, every key, every constraint',
    (kind) => {
      const { p, inputs } = program(kind),
        m = k.mark(),
        a = new IntegerReading(k, p, inputs);
      a.run();
      const b = interpret(p, inputs);
      for (const t of p.tensors) if (t.publicKind !== 'onehot') expect([...a.read(t.name)], t.name).toEqual([...b.get(t.name)!]);
      expect(a.violated()).toBeUndefined();
      for (const c of p.constraints) {
        if (c.kind === 'zero') {
          for (const at of cellsOf(p, c.axes)) expect(evaluate(p, b, c.axes, c.expr, at), c.name).toBe(0n);
          continue;
        }
        const m2 = k.mark(),
          x = a.keys(c);
        expect([...k.u32.slice(x.ptr / 4, x.ptr / 4 + x.n)], c.name).toEqual(keysOf(p, b, c));
        k.release(m2);
      }
      // The float reading computes the same in real numbers.
      const f = new FloatReading(k, p, inputs);
      f.run();
      for (const name of kind === 'update' ? ['mm2', 'master2'] : ['X', 'q', 'ctx', 'h', 'logits', 'G', 'g']) {
        const v = f.read(name);
        let uv = 0,
          uu = 0,
          vv = 0;
        b.get(name)!.forEach((x: bigint | number, i: number) => {
          const y = Number(x);
          uv += y * v[i];
          uu += y * y;
          vv += v[i] ** 2;
        });
        expect(uv / Math.sqrt(uu * vv), name).toBeGreaterThan(0.999);
      }
      k.release(m);
    },
    200_000,
  );
});
