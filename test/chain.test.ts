import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StepProof, frozenOf, proveStep, verifyRun } from '../src/aggregate/chain.js';
import { type Setup, setup } from '../src/aggregate/setup.js';
import { Kernels } from '../src/kernels/index.js';
import { runSchema } from '../src/policy/runfile.js';
import { VerificationError } from '../src/transcript/index.js';

const path = (p: string): string => fileURLToPath(new URL(`../examples/${p}`, import.meta.url));
const config = runSchema.parse({
  version: 1,
  base: { path: path('tiny') },
  data: [{ path: path('pairs.jsonl'), language: 'fr' }],
  lora: { r: 2, alpha: 4, targets: ['q_proj', 'down_proj'] },
  train: { steps: 2, batch: 3, microBatch: 2, sequence: 12, learningRate: 0.002, warmup: 0 },
  proof: { bits: 100 },
  numbers: { preset: 'small' },
});

describe('a run of two accumulated steps', () => {
  let k: Kernels, s: Setup, released: BigInt64Array;
  const proofs: StepProof[] = [],
    vk = Kernels.single();
  beforeAll(async () => {
    k = await Kernels.create({ threads: 2 });
    s = setup(config, [1n, 2n, 3n, 4n]);
    const fz = frozenOf(k, s);
    let state = s.initial;
    for (let step = 0; step < 2; step++) {
      const r = proveStep(k, s, step, state, fz.digest, proofs[step - 1]?.parts.at(-1)?.roots);
      proofs.push(r.proof);
      state = r.after;
    }
    released = state.C;
  }, 200_000);
  afterAll(() => k.close());
  const refuse = (ps: readonly StepProof[], set = s, C = released): void =>
    expect(() => verifyRun(vk, set, ps, C)).toThrow(VerificationError);

  it('verifies', () => expect(verifyRun(vk, s, proofs, released).steps).toBe(2));
  it('refuses skipped, repeated and reordered steps and parts', () => {
    refuse([proofs[0]]);
    refuse([proofs[0], proofs[0]]);
    refuse([proofs[0], { ...proofs[0], step: 1 }]);
    refuse([
      { ...proofs[1], step: 0 },
      { ...proofs[0], step: 1 },
    ]);
    const [a, b, u] = proofs[0].parts;
    refuse([{ step: 0, parts: [b, a, u] }, proofs[1]]);
    refuse([{ step: 0, parts: [a, u] }, proofs[1]]);
    refuse([{ step: 0, parts: [a, a, u] }, proofs[1]]);
  });
  it('refuses another loss, another adapter, another state', () => {
    const [a, b, u] = proofs[0].parts;
    refuse([{ step: 0, parts: [{ ...a, loss: a.loss + 1n }, b, u] }, proofs[1]]);
    const C = released.slice();
    C[5] += 1n;
    refuse(proofs, s, C);
    refuse([proofs[0], { step: 1, parts: [...proofs[1].parts.slice(0, 2), { ...proofs[1].parts[2], roots: u.roots }] }]);
  });
  it('refuses another point or value of a state commitment', () => {
    const [a, b, u] = proofs[0].parts;
    for (const [cls, at] of [
      ['cOut', 4],
      ['cOut', 8],
      ['oOut', 9],
    ] as const) {
      const roots = { ...u.roots, [cls]: u.roots[cls].map((x, i) => (i === at ? x ^ 1n : x)) };
      refuse([{ step: 0, parts: [a, b, { ...u, roots }] }, proofs[1]]);
    }
    const roots = { aOut: a.roots['aOut'].map((x, i) => (i === 7 ? x ^ 1n : x)) };
    refuse([{ step: 0, parts: [{ ...a, roots }, b, u] }, proofs[1]]);
  });
  it('refuses each setting changed alone', () => {
    const variants: Record<string, unknown>[] = [
      { train: { ...config.train, learningRate: 0.0021 } },
      { train: { ...config.train, schedule: 'constant' } },
      { train: { ...config.train, betas: [0.9, 0.951] } },
      { train: { ...config.train, epsilon: 2e-8 } },
      { train: { ...config.train, weightDecay: 0.06 } },
      { train: { ...config.train, clip: 0.9 } },
      { train: { ...config.train, eos: false } },
      { lora: { ...config.lora, alpha: 5 } },
      { lora: { ...config.lora, seed: 1 } },
      { sampler: { ...config.sampler, key: 'other' } },
      { sampler: { ...config.sampler, beacon: 'x' } },
    ];
    for (const v of variants)
      expect(
        () => verifyRun(vk, setup(runSchema.parse({ ...config, ...v }), [1n, 2n, 3n, 4n]), proofs, released),
        JSON.stringify(v),
      ).toThrow(VerificationError);
    refuse(proofs, setup(config, [1n, 2n, 3n, 5n]));
  }, 120_000);
});
