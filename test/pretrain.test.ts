import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import type { FloatWeights } from '../src/model/base.js';
import { axisSizes } from '../src/model/init.js';
import { type LlamaShape, frozenTensors } from '../src/model/shape.js';
import { Pretrainer } from '../src/model/pretrain.js';

const SHAPE: LlamaShape = {
  layers: 2,
  hidden: 20,
  intermediate: 23,
  kvHeads: 2,
  groups: 2,
  headDim: 6,
  vocab: 29,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const ROPE = { theta: 100, scaling: { type: 'none' } } as const;

/** Uniform numbers of [-1, 1) from a linear congruence. */
function uniform(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 31 - 1;
  };
}
function randomWeights(shape: LlamaShape, next: () => number): FloatWeights {
  const sizes: Record<string, number> = { ...axisSizes(shape, 1), s: 2 * shape.layers + 1, vocab: shape.vocab };
  const fill = (n: number, size: number, at = 0): Float64Array => Float64Array.from({ length: n }, () => at + size * next());
  return new Map(
    frozenTensors(shape)
      .filter((t) => !t.name.startsWith('rope'))
      .map((t) => {
        const n = t.axes.reduce((x, a) => x * sizes[a], 1);
        return [t.name, t.name === 'gamma' ? fill(n, 0.3, 1) : fill(n, t.name.startsWith('bias') ? 0.5 : 1.5 / Math.sqrt(shape.hidden))];
      }),
  );
}
function randomBatch(shape: LlamaShape, sequence: number, next: () => number) {
  return {
    tokens: [0, 1, 2].map(() => Int32Array.from({ length: sequence }, () => Math.floor(((next() + 1) / 2) * shape.vocab))),
    // Uneven rows: all targets, a completion, and a short row.
    mask: [
      [1, 1, 1, 1, 1, 1, 1],
      [0, 0, 0, 1, 1, 1, 1],
      [0, 1, 1, 1, 0, 0, 0],
    ].map((x) => Uint8Array.from(x)),
  };
}

describe('pre-training by the float reading', () => {
  let k: Kernels;
  beforeAll(() => {
    k = singleKernels();
  });
  afterAll(() => k.close());

  it.each([
    ['tied head', SHAPE],
    ['biases and a head of its own', { ...SHAPE, bias: true, tied: false }],
  ] as const)('gradients of every weight equal finite differences of the loss: %s', (_, shape) => {
    const m = k.mark(),
      next = uniform(7),
      weights = randomWeights(shape, next),
      batch = randomBatch(shape, 7, next),
      lossAt = (w: FloatWeights): number => {
        const at = k.mark(),
          { loss } = new Pretrainer(k, shape, ROPE, 3, 7, w).gradients(batch);
        k.release(at);
        return loss;
      };
    const { gradients } = new Pretrainer(k, shape, ROPE, 3, 7, weights).gradients(batch);
    expect([...gradients.keys()]).toEqual([...weights.keys()]);
    for (const [name, x] of weights) {
      const g = gradients.get(name)!;
      expect(g.length, name).toBe(x.length);
      // Rows of tokens that do not occur have small gradients; the largest entry is what errors are compared with.
      const top = g.reduce((n, y) => Math.max(n, Math.abs(y)), 0);
      expect(top, name).toBeGreaterThan(1e-3);
      for (const part of [0, 0.21, 0.43, 0.68, 0.99]) {
        const at = Math.floor(part * x.length),
          h = 1e-3,
          f = (d: number): number => lossAt(new Map([...weights, [name, x.map((y, j) => (j === at ? y + d : y))]]));
        // Six-point central difference: error of order h^6 beside the rounding of the loss over h.
        const d = (45 * (f(h) - f(-h)) - 9 * (f(2 * h) - f(-2 * h)) + (f(3 * h) - f(-3 * h))) / (60 * h);
        expect(Math.abs(d - g[at]) / top, `${name}[${at}]: ${g[at]} against ${d}`).toBeLessThan(1e-8);
      }
    }
    k.release(m);
  });

  it('learns: the loss of one batch falls step by step', () => {
    const m = k.mark(),
      next = uniform(3),
      t = new Pretrainer(k, SHAPE, ROPE, 3, 7, randomWeights(SHAPE, next)),
      batch = randomBatch(SHAPE, 7, next),
      losses = Array.from(
        { length: 30 },
        () => t.step(batch, { lr: 3e-3, betas: [0.9, 0.95], epsilon: 1e-8, weightDecay: 0, clip: 1 }).loss,
      );
    losses.slice(1).forEach((x, i) => expect(x).toBeLessThan(losses[i]));
    expect(losses[29]).toBeLessThan(losses[0] / 3);
    k.release(m);
  });
});
