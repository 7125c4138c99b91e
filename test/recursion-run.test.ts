import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type StepProof, frozenOf, proveStep, stateRoot, zeroAccumulators } from '../src/aggregate/chain.js';
import {
  checkAdapter,
  checkBase,
  checkData,
  checkLosses,
  checkManifest,
  checkRange,
  checkStart,
} from '../src/aggregate/recursion/check.js';
import { recursionKeys } from '../src/aggregate/recursion/keys.js';
import type { Before } from '../src/aggregate/recursion/leaf.js';
import { proveEnd, proveFold, proveLeaf } from '../src/aggregate/recursion/prove.js';
import { epochBatches, leafRanges, partStatement, runClass } from '../src/aggregate/recursion/run.js';
import { START } from '../src/aggregate/recursion/statement.js';
import { type EndProof, type NodeProof, settleNode, verifyEnd } from '../src/aggregate/recursion/verify.js';
import { setup } from '../src/aggregate/setup.js';
import { Kernels } from '../src/kernels/index.js';
import { runSchema } from '../src/policy/runfile.js';
import { settleFrozen } from '../src/tensor/deferred.js';
import { makePlan } from '../src/tensor/plan.js';
import { VerificationError } from '../src/transcript/index.js';
import { QUICK } from './kit.js';

const path = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));
const config = runSchema.parse({
  version: 1,
  base: { path: path('tiny') },
  data: [{ path: path('pairs.jsonl'), language: 'fr' }],
  lora: { r: 2, alpha: 4, targets: ['q_proj', 'down_proj'] },
  train: { steps: 1, batch: 3, microBatch: 2, sequence: 12, learningRate: 0.002, warmup: 0 },
  proof: { bits: 100 },
  numbers: { preset: 'small' },
});

describe('a run with accumulated micro-batches as one proof', { timeout: 900_000 }, () => {
  it('verifies against data, schedule, base and adapter, and against nothing else', async () => {
    const k = await Kernels.create({ threads: 2 }),
      vk = Kernels.single(),
      full = setup(config, [1n, 2n, 3n, 4n]);
    // Weak parameters: what is tested is the composition.
    const s = { ...full, plan: makePlan(full.program, QUICK), update: { ...full.update!, plan: makePlan(full.update!.program, QUICK) } };
    const fz = frozenOf(k, s),
      base = { words: k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells), digest: fz.digest },
      zeroAcc = zeroAccumulators(k, s, s.initial),
      cls = runClass(s, zeroAcc, QUICK),
      keys = recursionKeys(k, cls);
    const proofs: StepProof[] = [];
    let state = s.initial;
    for (let step = 0; step < 1; step++) {
      const r = proveStep(k, s, step, state, fz.digest);
      proofs.push(r.proof);
      state = r.after;
    }
    let at: Before = { place: START, c: stateRoot(k, s, 'cIn', s.initial), o: stateRoot(k, s, 'oIn', s.initial), a: zeroAcc };
    const leaves = leafRanges(cls, s, 0, 1).map(({ kind, parts }) => {
      const before = at,
        given = parts.map(({ step, part }) => {
          const proof = proofs[step].parts[part],
            r = partStatement(s, { frozen: fz.digest, zeroAcc }, at, step, part, proof);
          at = r.after;
          return { proof: proof.proof, statement: r.statement };
        });
      return proveLeaf(k, cls, keys, base, kind, {
        parts: given,
        before,
        dataset: s.root,
        epoch: BigInt(epochBatches(s.manifest)),
      });
    });
    const node = leaves.slice(1).reduce<NodeProof>((a, b) => proveFold(k, cls, keys, base, [a, b]), leaves[0]),
      end = proveEnd(k, cls, keys, base, node);
    const list = proofs.map((p, step) => ({
      targets: s.batches[step].targets,
      losses: p.parts.filter((x) => x.kind !== 'update').map((x) => x.loss),
    }));
    const check = (o: Partial<{ end: EndProof; list: typeof list; released: BigInt64Array; s: typeof s }> = {}): void => {
      const run = o.s ?? s,
        st = (o.end ?? end).statement;
      verifyEnd(vk, keys.published, o.end ?? end);
      checkManifest(run, st);
      checkRange(run, st, 0, run.config.train.steps);
      checkStart(vk, run, st, run.initial);
      checkLosses(run, st, o.list ?? list);
      checkData(run, st, o.list ?? list);
      checkAdapter(vk, run, st, run.initial, o.released ?? state.C);
      checkBase(vk, run, st, frozenOf(vk, run));
    };
    check();
    // A node by itself: native evaluation of what the end settles.
    settleFrozen(k, fz.ptr, fz.cells, [settleNode(k, cls, keys, node)]);
    const C = state.C.slice();
    C[3] += 1n;
    expect(() => check({ released: C })).toThrow(/released adapter/);
    expect(() => check({ list: [] })).toThrow(/losses/);
    expect(() => check({ list: [{ ...list[0], losses: [...list[0].losses].reverse() }] })).toThrow(/losses/);
    expect(() => check({ list: [{ ...list[0], targets: list[0].targets + 1 }] })).toThrow(/schedule and targets/);
    expect(() => check({ s: { ...s, rows: [{ ...s.rows[0], alpha: 2n * s.rows[0].alpha }] } })).toThrow(/schedule/);
    const batches = [{ ...s.batches[0], micro: [...s.batches[0].micro].reverse() }];
    expect(() => check({ s: { ...s, batches } })).toThrow(/data/);
    expect(() => check({ s: { ...s, initial: { ...s.initial, mm: s.initial.mm.map((x, i) => (i ? x : 1n)) } } })).toThrow(
      /initial optimiser/,
    );
    const master = { ...s.manifest, config: { ...s.manifest.config, train: { ...s.manifest.config.train, steps: 3 } } };
    expect(() => check({ s: { ...s, manifest: master } as typeof s })).toThrow(VerificationError);
    const frozen = new Map([...s.frozen].map(([n, v], i) => [n, i ? v : v.map((x, j) => (j ? x : x + 1n))]));
    expect(() => check({ s: { ...s, frozen } })).toThrow(/digest of the base/);
    k.close();
  });
});
