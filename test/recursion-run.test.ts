import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type StepProof, frozenOf, proveStep, stateRoot } from '../src/aggregate/chain.js';
import { recursionKeys } from '../src/aggregate/recursion/keys.js';
import { proveFold, proveLeaf } from '../src/aggregate/recursion/prove.js';
import { runChains, runClass, stepPublics, verifyFolded } from '../src/aggregate/recursion/run.js';
import type { NodeProof } from '../src/aggregate/recursion/verify.js';
import { manifestWords } from '../src/aggregate/manifest.js';
import { setup } from '../src/aggregate/setup.js';
import { noFrozen } from '../src/aggregate/state.js';
import { Kernels } from '../src/kernels/index.js';
import { runSchema } from '../src/policy/runfile.js';
import { makePlan } from '../src/tensor/plan.js';
import type { Statement } from '../src/tensor/statement.js';
import { VerificationError } from '../src/transcript/index.js';
import { QUICK } from './kit.js';

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

describe('a run of two accumulated steps as one proof', { timeout: 900_000 }, () => {
  it('verifies against data, schedule, base and adapter, and against nothing else', async () => {
    const k = await Kernels.create({ threads: 2 }),
      vk = Kernels.single(),
      full = setup(config, [1n, 2n, 3n, 4n]);
    // Weak parameters: what is tested is the composition.
    const s = { ...full, plan: makePlan(full.program, QUICK), update: { ...full.update!, plan: makePlan(full.update!.program, QUICK) } };
    const fz = frozenOf(k, s),
      base = { words: k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells), digest: fz.digest },
      cls = runClass(k, s, QUICK),
      keys = recursionKeys(k, cls);
    const proofs: StepProof[] = [];
    let state = s.initial;
    for (let step = 0; step < 2; step++) {
      const r = proveStep(k, s, step, state, fz.digest);
      proofs.push(r.proof);
      state = r.after;
    }
    const losses = proofs.map((p) => p.parts.filter((x) => x.kind !== 'update').map((x) => x.loss)),
      chains = runChains(s, losses),
      context = manifestWords(s.manifest);
    const entered = (step: number): { cIn: readonly bigint[]; oIn: readonly bigint[] } => {
      const before = proofs[step - 1]?.parts.at(-1)?.roots;
      return before
        ? { cIn: before['cOut'], oIn: before['oOut'] }
        : { cIn: stateRoot(k, s, 'cIn', s.initial), oIn: stateRoot(k, s, 'oIn', s.initial) };
    };
    const leaf = (step: number): NodeProof => {
      const publics = stepPublics(s, step, losses[step]),
        { cIn, oIn } = entered(step);
      let aIn: readonly bigint[] = stateRoot(k, s, 'aIn', s.initial);
      const parts = proofs[step].parts.map((p, i) => {
        const statement: Statement = {
          context,
          frozen: p.kind === 'update' ? noFrozen() : fz.digest,
          roots: { ...(p.kind === 'update' ? { aIn, oIn } : { cIn, aIn }), ...p.roots },
          publics: publics[i].publics,
        };
        if (p.kind === 'micro') aIn = p.roots['aOut'];
        return { proof: p.proof, statement };
      });
      return proveLeaf(k, cls, keys, base, { parts, from: step, dataIn: chains[step].data, scalarsIn: chains[step].scalars });
    };
    const node = proveFold(k, cls, keys, base, [leaf(0), leaf(1)]);
    k.close();
    const check = (o: Partial<{ node: NodeProof; losses: typeof losses; released: BigInt64Array; s: typeof s }> = {}): void =>
      verifyFolded(vk, o.s ?? s, cls, keys, o.node ?? node, o.losses ?? losses, o.released ?? state.C);
    check();
    const C = state.C.slice();
    C[3] += 1n;
    expect(() => check({ released: C })).toThrow(/released adapter/);
    expect(() => check({ losses: [losses[1], losses[0]] })).toThrow(/schedule and losses/);
    expect(() => check({ losses: [losses[0]] })).toThrow(/losses/);
    const batches = [s.batches[1], s.batches[0]];
    expect(() => check({ s: { ...s, batches } })).toThrow(/: is not that of this run|data/);
    expect(() => check({ s: { ...s, rows: [s.rows[1], s.rows[0]] } })).toThrow(/schedule and losses/);
    expect(() => check({ s: { ...s, initial: { ...s.initial, mm: s.initial.mm.map((x, i) => (i ? x : 1n)) } } })).toThrow(
      /initial optimiser/,
    );
    const master = { ...s.manifest, config: { ...s.manifest.config, train: { ...s.manifest.config.train, steps: 3 } } };
    expect(() => check({ s: { ...s, manifest: master } as typeof s })).toThrow(VerificationError);
    expect(() => check({ s: { ...s, config: { ...s.config, train: { ...s.config.train, steps: 1 } } } })).toThrow(VerificationError);
  });
});
