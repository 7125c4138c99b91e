import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeRun, proveStep } from '../src/prove/step.js';
import type { StepProof } from '../src/run/parts.js';
import { checkMerge, checkSteps, verifyRun } from '../src/verify/steps.js';
import { frozenOf, stateCommitment } from '../src/run/commitments.js';
import { type Setup, setup } from '../src/setup/run.js';
import { proveMerge } from '../src/prove/merge.js';
import { P } from '../src/field/goldilocks.js';
import { DetachedClaim, settleFrozen } from '../src/tensor/deferred.js';
import { type Kernels, singleKernels, threadedKernels } from '../src/kernels/index.js';
import { runSchema } from '../src/run/schema.js';
import { VerificationError } from '../src/transcript/index.js';

const path = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));
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
  let k: Kernels, s: Setup, released: BigInt64Array, merge: BigUint64Array;
  const proofs: StepProof[] = [],
    vk = singleKernels();
  beforeAll(async () => {
    k = await threadedKernels({ threads: 2 });
    s = setup(config, [1n, 2n, 3n, 4n]);
    const fz = frozenOf(k, s.run.programs, s.inputs.base);
    let state = s.inputs.initial;
    for (let step = 0; step < 2; step++) {
      const r = proveStep(k, s.run, s.inputs, step, state, fz.digest);
      proofs.push(r.proof);
      state = r.after;
    }
    released = state.C;
    merge = mergeRun(k, s.run, s.inputs, proofs, fz);
  });
  afterAll(() => k.close());
  const refuse = (ps: readonly StepProof[], set = s, C = released): void =>
    expect(() => verifyRun(vk, set.run, { ...set.inputs, released: C }, { steps: ps, merge })).toThrow(VerificationError);

  it('verifies', () => expect(verifyRun(vk, s.run, { ...s.inputs, released: released }, { steps: proofs, merge }).steps).toBe(2));
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
    // The same word of 64 bits, but not the same loss.
    refuse([{ step: 0, parts: [{ ...a, loss: a.loss + 2n ** 64n }, b, u] }, proofs[1]]);
    const C = released.slice();
    C[5] += 1n;
    refuse(proofs, s, C);
    refuse([proofs[0], { step: 1, parts: [...proofs[1].parts.slice(0, 2), { ...proofs[1].parts[2], roots: u.roots }] }]);
  });
  it('refuses another point or value of a state commitment', () => {
    const [a, b, u] = proofs[0].parts;
    // Root, digest of the adapter, point, value of the adapter, value of the optimiser state.
    for (const at of [0, 4, 8, 11, 14]) {
      const roots = { sOut: u.roots['sOut'].map((x, i) => (i === at ? x ^ 1n : x)) };
      refuse([{ step: 0, parts: [a, b, { ...u, roots }] }, proofs[1]]);
    }
    const roots = { aOut: a.roots['aOut'].map((x, i) => (i === 7 ? x ^ 1n : x)) };
    refuse([{ step: 0, parts: [{ ...a, roots }, b, u] }, proofs[1]]);
  });
  it('merges the claims of all micro-batches; refuses any other merge', () => {
    const fz = frozenOf(vk, s.run.programs, s.inputs.base),
      { claims } = checkSteps(vk, s.run, s.inputs, proofs, fz.digest);
    expect(claims.length).toBe(4);
    const check =
      (cs = claims, m = merge, digest: readonly bigint[] = fz.digest) =>
      () => {
        settleFrozen(vk, fz.ptr, fz.cells, [checkMerge(vk, s.run.programs.plan, digest, cs, m)]);
      };
    expect(check()).not.toThrow();
    expect(check(claims.slice(1))).toThrow(VerificationError);
    expect(check([...claims, claims[0]])).toThrow(VerificationError);
    expect(check([claims[1], claims[0], ...claims.slice(2)])).toThrow(VerificationError);
    expect(check([])).toThrow(VerificationError);
    expect(
      check(
        claims,
        merge,
        fz.digest.map((x, i) => (i === 3 ? x ^ 1n : x)),
      ),
    ).toThrow(VerificationError);
    const one = claims[2];
    const other = (v: readonly [bigint, bigint, bigint]) => new DetachedClaim(one.plan, one.point, v);
    const moved = new DetachedClaim(one.plan, [[one.point[0][0] ^ 1n, one.point[0][1], one.point[0][2]], ...one.point.slice(1)], one.value);
    const forged = [claims[0], claims[1], other([one.value[0] ^ 1n, one.value[1], one.value[2]]), claims[3]];
    expect(check(forged)).toThrow(VerificationError);
    expect(check([claims[0], claims[1], moved, claims[3]])).toThrow(VerificationError);
    // A prover who runs the merge on a false claim, or lies about its last value, ends in a claim that the base does
    // not meet.
    expect(check(forged, proveMerge(vk, s.run.programs.plan, fz.digest, forged, fz.ptr, fz.cells))).toThrow(VerificationError);
    const lie = proveMerge(vk, s.run.programs.plan, fz.digest, claims, fz.ptr, fz.cells, (label, w) =>
      label === 'merge value' ? w.map((x, i) => (i === 0 ? (x + 1n) % P : x)) : w,
    );
    expect(check(claims, lie)).toThrow(VerificationError);
    for (let i = 0; i < merge.length; i += 5) {
      const m = merge.slice();
      m[i] ^= 1n;
      expect(check(claims, m)).toThrow(VerificationError);
    }
    expect(check(claims, merge.slice(1))).toThrow(VerificationError);
  });
  it('takes what enters a step from the step before, whatever the proof says', () => {
    // Step 1 proved from the initial state, its own roots in smuggled among the roots out: verified while the proof
    // could name them.
    const fz = frozenOf(k, s.run.programs, s.inputs.base),
      r = proveStep(k, s.run, s.inputs, 1, s.inputs.initial, fz.digest),
      sIn = stateCommitment(k, s.run.programs, 'sIn', s.inputs.initial);
    const parts = r.proof.parts.map((p) => ({ ...p, roots: { ...p.roots, sIn } }));
    expect(() => checkSteps(vk, s.run, s.inputs, [proofs[0], { step: 1, parts }], fz.digest)).toThrow(VerificationError);
  });
  it('refuses micro-batches and update of one step that enter different states, though only one of them reads what differs', () => {
    // Another optimiser state: micro-batches do not use it, so that they leave the same accumulators.
    const fz = frozenOf(k, s.run.programs, s.inputs.base),
      mm = s.inputs.initial.mm.slice();
    mm[0] += 1n;
    const [a, b, u] = proofs[0].parts,
      [x, y, v] = proveStep(k, s.run, s.inputs, 0, { ...s.inputs.initial, mm }, fz.digest).proof.parts;
    expect(x.roots).toEqual(a.roots);
    expect(y.roots).toEqual(b.roots);
    expect(v.roots).not.toEqual(u.roots);
    const check = (parts: StepProof['parts']) => () => checkSteps(vk, one, s.inputs, [{ step: 0, parts }], fz.digest),
      { manifest } = s.run,
      config = { ...manifest.config, train: { ...manifest.config.train, steps: 1 } },
      one = { ...s.run, manifest: { ...manifest, config } };
    expect(check([a, b, u])).not.toThrow();
    for (const parts of [
      [a, b, v],
      [x, b, u],
      [a, y, u],
      [x, y, u],
      [x, y, v],
    ])
      expect(check(parts)).toThrow(VerificationError);
  });
  it('refuses a loss in an update, roots left out', () => {
    const [a, b, u] = proofs[0].parts;
    refuse([{ step: 0, parts: [a, b, { ...u, loss: 1n }] }, proofs[1]]);
    refuse([{ step: 0, parts: [a, b, { ...u, roots: {} }] }, proofs[1]]);
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
      // What is only declared is bound as well: by the digest of the manifest, which every proof absorbs.
      { data: [{ ...config.data[0], license: 'MIT' }] },
      { data: [{ ...config.data[0], source: 'elsewhere' }] },
      { data: [{ ...config.data[0], language: 'en' }] },
      { base: { ...config.base, revision: 'other' } },
    ];
    const verified = (x: Setup) => verifyRun(vk, x.run, { ...x.inputs, released }, { steps: proofs, merge });
    for (const v of variants)
      expect(() => verified(setup(runSchema.parse({ ...config, ...v }), [1n, 2n, 3n, 4n])), JSON.stringify(v)).toThrow(VerificationError);
    refuse(proofs, setup(config, [1n, 2n, 3n, 5n]));
  });
});

describe('a run whose proofs use BLAKE3', () => {
  it('verifies, and not under Poseidon2', async () => {
    const k = await threadedKernels({ threads: 2 }),
      vk = singleKernels(),
      of = (hash: 'poseidon2' | 'blake3'): Setup =>
        setup({ ...config, train: { ...config.train, steps: 1, batch: 2 }, proof: { ...config.proof, hash } }, [1n, 2n, 3n, 4n]);
    const s = of('blake3'),
      fz = frozenOf(k, s.run.programs, s.inputs.base),
      { proof, after } = proveStep(k, s.run, s.inputs, 0, s.inputs.initial, fz.digest),
      run = { steps: [proof], merge: mergeRun(k, s.run, s.inputs, [proof], fz) };
    k.close();
    expect(verifyRun(vk, s.run, { ...s.inputs, released: after.C }, run).steps).toBe(1);
    const other = of('poseidon2');
    expect(() => verifyRun(vk, other.run, { ...other.inputs, released: after.C }, run)).toThrow(VerificationError);
  });
});

describe('runs of accumulated steps, whatever the size of the adapter', () => {
  // Micro-batches enter s and a and leave a, updates enter both and leave s: 6 and 9 words a parameter, of which only
  // the latter may pass a power of two.
  it.each([
    [2, ['q_proj', 'down_proj']],
    [8, ['q_proj']],
    [8, ['q_proj', 'v_proj']],
    [4, ['q_proj', 'o_proj']],
    [8, ['q_proj', 'k_proj', 'v_proj', 'o_proj']],
    [7, ['q_proj', 'v_proj']],
    [8, ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']],
  ] as const)('rank %i on %j: both programs put their state alike', (r, targets) => {
    const s = setup(runSchema.parse({ ...config, lora: { ...config.lora, r, targets } }), [1n, 2n, 3n, 4n]),
      [a, b] = [s.run.programs.plan, s.run.programs.update!.plan].map((p) => p.whir.groups[1]);
    expect([a.logHeight, a.logInvRate, a.trees[0].parts.map((x) => x.used)]).toEqual([
      b.logHeight,
      b.logInvRate,
      b.trees[0].parts.map((x) => x.used),
    ]);
  });
});
