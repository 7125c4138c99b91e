import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import type { FloatWeights } from '../src/model/base.js';
import { Inference, type InferenceAdapter } from '../src/model/generate.js';
import { axisSizes, projectionSize } from '../src/model/init.js';
import { type LlamaShape, frozenTensors } from '../src/model/shape.js';

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
const rope = { theta: 100, scaling: { type: 'none' } } as const;

let seed = 5;
/** A uniform number of [-1, 1) from a linear congruence. */
function next(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 31 - 1;
}
const fill = (n: number, size: number, at = 0): Float64Array => Float64Array.from({ length: n }, () => at + size * next());
const sizes: Record<string, number> = { ...axisSizes(SHAPE, 1), s: 2 * SHAPE.layers + 1, vocab: SHAPE.vocab };
const weights: FloatWeights = new Map(
  frozenTensors(SHAPE)
    .filter((t) => !t.name.startsWith('rope'))
    .map((t) => {
      const n = t.axes.reduce((x, a) => x * sizes[a], 1);
      return [t.name, t.name === 'gamma' ? fill(n, 0.3, 1) : fill(n, 0.4)];
    }),
);
const base = { shape: SHAPE, rope, weights };
const examples = {
  tokens: [3, 4, 5, 6, 7].map((n) => Int32Array.from({ length: n }, () => Math.floor(((next() + 1) / 2) * SHAPE.vocab))),
  mask: [3, 4, 5, 6, 7].map((n) => Uint8Array.from({ length: n }, (_, i) => (i > 1 ? 1 : 0))),
};

describe('inference by the float reading', () => {
  let k: Kernels;
  beforeAll(() => {
    k = singleKernels();
  });
  afterAll(() => k.close());

  it('an adapter does what adding scaling B A to the weights does', () => {
    const targets = ['q_proj', 'v_proj', 'o_proj', 'down_proj'] as const,
      r = 3,
      scaling = 5 / 3;
    const members = new Map<string, Float64Array>(),
      added: FloatWeights = new Map(weights);
    for (const t of targets) {
      const { out, in: inner } = projectionSize(SHAPE, t),
        A = fill(SHAPE.layers * r * inner, 0.3),
        B = fill(SHAPE.layers * out * r, 0.3),
        w = weights.get(`W.${t}`)!.slice();
      for (let l = 0; l < SHAPE.layers; l++)
        for (let o = 0; o < out; o++)
          for (let i = 0; i < inner; i++)
            for (let q = 0; q < r; q++) w[(l * out + o) * inner + i] += scaling * B[(l * out + o) * r + q] * A[(l * r + q) * inner + i];
      members.set(`${t}.A`, A);
      members.set(`${t}.B`, B);
      added.set(`W.${t}`, w);
    }
    const adapter: InferenceAdapter = { r, targets, scaling, members };
    const a = new Inference(k, base, 2, 7, adapter).meanLoss(examples),
      b = new Inference(k, { ...base, weights: added }, 2, 7).meanLoss(examples);
    expect(Math.abs(a - b)).toBeLessThan(1e-12);
    expect(Math.abs(a - new Inference(k, base, 2, 7).meanLoss(examples))).toBeGreaterThan(1e-3);
  });

  it('the mean loss does not depend on how the examples fall into batches', () => {
    const losses = [1, 2, 5, 8].map((n) => new Inference(k, base, n, 7).meanLoss(examples));
    for (const x of losses) expect(Math.abs(x - losses[0])).toBeLessThan(1e-12);
  });

  it('each greedy token has the least loss of all tokens at its place', () => {
    const prompts = [[4, 9], [17], [2, 28, 11]],
      never = (): boolean => false,
      S = 6;
    const got = new Inference(k, base, 2, S).greedy(prompts, never),
      single = new Inference(k, base, 1, S);
    expect(got.map((x, i) => x.length + prompts[i].length)).toEqual([S, S, S]);
    got.forEach((g, p) =>
      g.forEach((token, at) => {
        const before = [...prompts[p], ...g.slice(0, at)];
        const loss = (v: number): number =>
          single.meanLoss({
            tokens: [Int32Array.of(...before, v)],
            mask: [Uint8Array.from({ length: before.length + 1 }, (_, i) => (i === before.length ? 1 : 0))],
          });
        const all = [...Array(SHAPE.vocab).keys()].map(loss);
        expect(all.indexOf(Math.min(...all))).toBe(token);
      }),
    );
    // Generation stops before the closing id and at the limit.
    const eos = got[0][2];
    expect(new Inference(k, base, 3, S).greedy(prompts, (id) => id === eos)[0]).toEqual(got[0].slice(0, got[0].indexOf(eos)));
    expect(new Inference(k, base, 3, S).greedy(prompts, never, 2)).toEqual(got.map((x) => x.slice(0, 2)));
  });
});
