import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { type FloatWeights, ropeTables } from '../src/model/base.js';
import { projectionSize } from '../src/model/init.js';
import { llamaProgram } from '../src/model/llama.js';
import { type LlamaShape, TARGETS, frozenTensors, DEFAULT_NUMBERS } from '../src/model/shape.js';
import { batchInputs } from '../src/model/step.js';
import { adamConstants } from '../src/optim/constants.js';
import { FloatReading } from '../src/tensor/float.js';
import { freeBits, merged } from './stories.js';

const SHAPE: LlamaShape = {
  layers: 3,
  hidden: 36,
  intermediate: 23,
  kvHeads: 3,
  groups: 2,
  headDim: 6,
  vocab: 29,
  tied: true,
  bias: false,
  rmsEps: 1e-5,
};
const CASES = [
  ['grouped-query Llama, tied head', SHAPE, 3, 5 / 3],
  ['Qwen2: biases, its own head', { ...SHAPE, bias: true, tied: false }, 3, 2],
  ['rsLoRA: alpha / sqrt r', SHAPE, 5, 7 / Math.sqrt(5)],
  [
    'one head, one layer, one key pair',
    { ...SHAPE, layers: 1, hidden: 2, intermediate: 5, kvHeads: 1, groups: 1, headDim: 2, bias: true },
    1,
    0.5,
  ],
] as const;

/** Uniform numbers of [-1, 1) from a linear congruence. */
function uniform(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 31 - 1;
  };
}

describe('gradients of the float reading against finite differences of its loss', () => {
  let k: Kernels;
  beforeAll(() => {
    k = singleKernels();
  });
  afterAll(() => k.close());

  it.each(CASES)('%s: A and B of every projection', (_, shape, r, scaling) => {
    const batch = 3,
      sequence = 7,
      m = k.mark(),
      next = uniform(shape.hidden + r),
      fill = (n: number, size: number, at = 0): Float64Array => Float64Array.from({ length: n }, () => at + size * next());
    const opts = {
      shape,
      numbers: { ...DEFAULT_NUMBERS, expBits: 18, siluBits: 17 },
      batch,
      sequence,
      lora: { r, targets: TARGETS, scaling },
      adam: adamConstants([0.9, 0.999], 0),
    };
    const sizes: Record<string, number> = {
      ...llamaProgram({
        ...opts,
        weightBits: freeBits(new Map(frozenTensors(shape).map((t) => [t.name, new Float64Array()]))),
        kind: 'eval',
      }).axes,
    };
    const weights: FloatWeights = new Map(
      frozenTensors(shape)
        .filter((t) => !t.name.startsWith('rope'))
        .map((t) => {
          const n = t.axes.reduce((x, a) => x * sizes[a], 1);
          return [
            t.name,
            t.name === 'gamma' ? fill(n, 0.3, 1) : fill(n, t.name.startsWith('bias') ? 0.5 : 1.5 / Math.sqrt(sizes[t.axes.at(-1)!])),
          ];
        }),
    );
    // Both factors are away from zero, so that both have gradients.
    const adapter = new Map(
      TARGETS.flatMap((t) => {
        const s = projectionSize(shape, t);
        return [
          [`C.${t}.A`, fill(shape.layers * r * s.in, 1 / Math.sqrt(s.in))],
          [`C.${t}.B`, fill(shape.layers * r * s.out, 0.2)],
        ] as [string, Float64Array][];
      }),
    );
    const tokens = Array.from({ length: batch }, () =>
      Int32Array.from({ length: sequence }, () => Math.floor(((next() + 1) / 2) * shape.vocab)),
    );
    // Uneven rows: all targets, a completion, and a short row.
    const mask = [
      [1, 1, 1, 1, 1, 1, 1],
      [0, 0, 0, 1, 1, 1, 1],
      [0, 1, 1, 1, 0, 0, 0],
    ].map((x) => Uint8Array.from(x));
    const { ropeQ, ropeK } = ropeTables(shape.headDim, sequence, { theta: 100, scaling: { type: 'none' } }).real;
    const inputs = merged(
      weights,
      new Map([
        ['ropeQ', ropeQ],
        ['ropeK', ropeK],
      ]),
      adapter,
      batchInputs({ tokens, mask }, batch, sequence),
    );
    const program = (kind: 'micro' | 'eval') => llamaProgram({ ...opts, weightBits: freeBits(weights), kind });
    const micro = program('micro'),
      full = new FloatReading(k, micro, merged(inputs, new Map([['acc', new Float64Array(micro.axes['P'])]]))),
      forward = new FloatReading(k, program('eval'), inputs);
    full.run();
    const loss = (): number => {
      forward.run();
      return forward.read('loss')[0];
    };
    expect(loss()).toBe(full.read('loss')[0]);

    let worst = 0;
    for (const [name, x] of adapter) {
      const g = full.read(name.replace('C.', 'g.')),
        norm = Math.sqrt(g.reduce((n, y) => n + y * y, 0) / g.length);
      expect(norm, name).toBeGreaterThan(1e-3);
      const cells = forward.view(name);
      for (const part of [0.02, 0.31, 0.5, 0.77, 0.99]) {
        const at = Math.floor(part * x.length),
          x0 = x[at],
          h = 1e-3;
        const f = (d: number): number => {
          forward.setInput(
            name,
            x.map((y, j) => (j === at ? x0 + d : y)),
          );
          return loss();
        };
        // Six-point central difference: error of order h^6 beside the rounding of the loss over h.
        const d = (45 * (f(h) - f(-h)) - 9 * (f(2 * h) - f(-2 * h)) + (f(3 * h) - f(-3 * h))) / (60 * h);
        const error = Math.abs(d - g[at]) / Math.max(norm, Math.abs(g[at]));
        expect(error, `${name}[${at}]: ${g[at]} against ${d}`).toBeLessThan(1e-9);
        worst = Math.max(worst, error);
      }
      cells.set(x);
    }
    console.log("finite differences: largest error over the tensor's root mean square", worst);
    k.release(m);
  });
});
