import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, singleKernels } from '../src/kernels/index.js';
import { llamaProgram } from '../src/model/llama.js';
import { DEFAULT_NUMBERS } from '../src/model/shape.js';
import { adamConstants } from '../src/optim/constants.js';
import { adamFloatState, adamFloatStep } from '../src/optim/reference.js';
import { scheduleRows } from '../src/run/schedule.js';
import { FloatReading } from '../src/tensor/float.js';
import type { ReadingInput } from '../src/tensor/reading.js';

const SHAPE = { layers: 2, hidden: 6, intermediate: 5, kvHeads: 1, groups: 1, headDim: 6, vocab: 7, tied: true, bias: false, rmsEps: 1e-5 };
const train = {
  steps: 6,
  learningRate: 2e-3,
  schedule: 'linear',
  warmup: 2,
  betas: [0.875, 0.9375] as [number, number],
  epsilon: 1e-8,
  weightDecay: 0.05,
} as const;

/**
 * The float reading of the update program against AdamW in doubles. The schedule's scalars are real here, and betas
 * and sqrt(1 - beta2) are ones that 20 bits hold exactly, so that nothing at all is rounded.
 */
describe('float reading of the update program against AdamW', () => {
  let k: Kernels;
  beforeAll(() => {
    k = singleKernels();
  });
  afterAll(() => k.close());

  it.each([
    ['no clipping', 0],
    ['clipping on some steps', 1],
  ])('%s', (_, clip) => {
    const program = llamaProgram({
      shape: SHAPE,
      numbers: DEFAULT_NUMBERS,
      weightBits: {},
      batch: 1,
      sequence: 2,
      lora: { r: 1, targets: ['q_proj', 'up_proj'], scaling: 1 },
      adam: adamConstants(train.betas, clip),
      kind: 'update',
    });
    const n = program.axes['P'],
      rows = scheduleRows(train),
      count = 13,
      theta = Float64Array.from({ length: n }, (_, j) => Math.sin(j + 1) / 3),
      want = adamFloatState(theta);
    let now: Record<string, Float64Array> = { master: theta, mm: new Float64Array(n), vv: new Float64Array(n) };
    const clipped = new Set<boolean>();
    for (let s = 0; s < train.steps; s++) {
      // Means of 1e-6 to 2, so that epsilon matters for some; their norm is on both sides of the clip.
      const acc = Float64Array.from({ length: n }, (_, j) => count * 2 ** ((s % 3) - 1) * Math.cos(3 * j + s) * 10 ** -((j + s) % 7)),
        m = k.mark();
      const real = (x: bigint): number => Number(x) / 2 ** 96,
        scalars = {
          alpha: real(rows[s].alpha),
          decay: real(rows[s].decay),
          epsT: real(rows[s].eps),
          ...(clip ? { clipN: clip * count } : { clipC: 1 / count }),
        };
      const publics = Object.entries(scalars).map(([name, v]) => [name, Float64Array.of(v)] as [string, ReadingInput]);
      const r = new FloatReading(
        k,
        program,
        new Map<string, ReadingInput>([...Object.entries(now), ['C', now.master], ['acc', acc], ...publics]),
      );
      r.run();
      now = { master: r.read('master2'), mm: r.read('mm2'), vv: r.read('vv2') };
      k.release(m);
      const before = want.theta.slice(),
        norm = adamFloatStep(want, acc, {
          lr: Number(rows[s].lr) / 2 ** 96,
          betas: train.betas,
          epsilon: train.epsilon,
          weightDecay: train.weightDecay,
          clip,
          count,
        });
      clipped.add(clip > 0 && norm > clip);
      const step = Math.max(...want.theta.map((x, j) => Math.abs(x - before[j])));
      want.theta.forEach((x, j) => {
        expect(Math.abs(now.master[j] - x) / step, `parameter ${j}, step ${s}`).toBeLessThan(1e-11);
        expect(Math.abs(now.mm[j] - want.m[j]), `first moment ${j}, step ${s}`).toBeLessThan(1e-13 * Math.max(...want.m.map(Math.abs)));
        expect(Math.abs(now.vv[j] - want.v[j]), `second moment ${j}, step ${s}`).toBeLessThan(1e-13 * Math.max(...want.v));
      });
    }
    expect([...clipped].sort()).toEqual(clip ? [false, true] : [false]);
  });
});
