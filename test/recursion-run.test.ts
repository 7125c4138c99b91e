import { P } from '../src/field/goldilocks.js';
import type { Inputs } from '../src/run/inputs.js';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { proveStep } from '../src/prove/step.js';
import type { StepProof } from '../src/run/parts.js';
import { frozenOf, stateCommitment, zeroAccumulators } from '../src/run/commitments.js';
import { checkAdapter, checkCounters, checkData, checkManifest, checkRange, checkShown, checkStart } from '../src/verify/compare.js';
import { checkBase, checkRoot } from '../src/verify/base.js';
import { recursionKeys } from '../src/recursion/keys.js';
import type { Before, LeafPolicy } from '../src/recursion/leaf.js';
import { enteredAt } from '../src/prove/entered.js';
import { leafPolicy } from '../src/prove/leaf.js';
import type { LeafRange } from '../src/prove/range.js';
import { placedLeaves, policyWitness } from '../src/prove/recursion.js';
import { proveHiddenEnd } from '../src/prove/certificate.js';
import { hiddenEndPlan, verifyHiddenEnd } from '../src/verify/certificate.js';
import { proveEnd } from '../src/prove/end.js';
import { proveFold } from '../src/prove/fold.js';
import { proveLeaf } from '../src/prove/leaf.js';
import { type Run, epochBatches, runOf } from '../src/run/facts.js';
import { partStatement } from '../src/recursion/leaves.js';
import { runClass } from '../src/recursion/circuits.js';
import { type EndField, type EndStatement, START } from '../src/recursion/statement.js';
import type { NodeProof } from '../src/recursion/node-words.js';
import { settleNode, verifyEnd } from '../src/verify/nodes.js';
import type { PublishedTotals } from '../src/policy/epochs.js';
import { RowTree } from '../src/policy/rows/tree.js';
import { setup } from '../src/setup/run.js';
import { singleKernels, threadedKernels } from '../src/kernels/index.js';
import { runSchema } from '../src/run/schema.js';
import { settleFrozen } from '../src/tensor/deferred.js';
import { makePlan } from '../src/tensor/plan.js';
import { VerificationError } from '../src/transcript/index.js';
import { checkView, viewOf } from '../src/verify/view.js';
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

describe('a run with accumulated micro-batches as one proof', () => {
  it('verifies against data, schedule, base and adapter, and against nothing else', async () => {
    const k = await threadedKernels({ threads: 2 }),
      vk = singleKernels(),
      full = setup(config, [1n, 2n, 3n, 4n]);
    // Weak parameters: what is tested is the composition.
    const all = full.run.programs,
      programs = {
        ...all,
        plan: makePlan(all.program, QUICK),
        update: { ...all.update!, plan: makePlan(all.update!.program, QUICK) },
      },
      s = { run: { ...full.run, programs }, inputs: full.inputs };
    const fz = frozenOf(k, programs, s.inputs.base),
      base = { words: k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells), digest: fz.digest },
      zeroAcc = zeroAccumulators(programs),
      cls = runClass(s.run, zeroAcc, QUICK),
      keys = recursionKeys(k, cls);
    const proofs: StepProof[] = [];
    let state = s.inputs.initial;
    for (let step = 0; step < 1; step++) {
      const r = proveStep(k, s.run, s.inputs, step, state, fz.digest);
      proofs.push(r.proof);
      state = r.after;
    }
    let at: Before = { place: START, s: stateCommitment(k, programs, 'sIn', s.inputs.initial), a: zeroAcc };
    const passage = { run: s.run, data: s.inputs.data, policy: policyWitness(s.run, s.inputs.data) },
      policy = (r: LeafRange): LeafPolicy =>
        leafPolicy(
          passage,
          enteredAt(passage, (step) => proofs[step].parts.map((x) => x.loss), r.from),
          r,
        );
    const leaves = placedLeaves(cls, s.run, 0, 1).map((range) => {
      const { kind, parts } = range;
      const before = at,
        given = parts.map(({ step, part }) => {
          const proof = proofs[step].parts[part],
            r = partStatement(s.run, s.inputs.data, { frozen: fz.digest, zeroAcc }, at, step, part, proof);
          at = r.after;
          return { proof: proof.proof, statement: r.statement };
        });
      return proveLeaf(k, cls, keys, base, kind, {
        parts: given,
        before,
        dataset: s.run.manifest.dataset.root.map(BigInt),
        epoch: BigInt(epochBatches(s.run.manifest)),
        policy: policy(range),
      });
    });
    // The rows that the leaf opens are those that the step's proof absorbed: no other row, salt, class, key, counter or
    // micro-batch goes with it.
    const [range] = placedLeaves(cls, s.run, 0, 1),
      honest = policy(range),
      [first] = honest.parts,
      forged = (p: LeafPolicy, epoch = BigInt(epochBatches(s.run.manifest))): (() => NodeProof) => {
        const place = { place: START, s: stateCommitment(k, programs, 'sIn', s.inputs.initial), a: zeroAcc };
        let here: Before = place;
        const given = range.parts.map(({ step, part }) => {
          const proof = proofs[step].parts[part],
            r = partStatement(s.run, s.inputs.data, { frozen: fz.digest, zeroAcc }, here, step, part, proof);
          here = r.after;
          return { proof: proof.proof, statement: r.statement };
        });
        return () =>
          proveLeaf(k, cls, keys, base, range.kind, {
            parts: given,
            before: place,
            dataset: s.run.manifest.dataset.root.map(BigInt),
            epoch,
            policy: p,
          });
      },
      rows = first.batch!.rows,
      withRows = (list: typeof rows): LeafPolicy => ({
        ...honest,
        parts: [{ ...first, batch: { ...first.batch!, rows: list } }, ...honest.parts.slice(1)],
      });
    expect(forged(withRows([...rows].reverse()))).toThrow(/dataset root/);
    expect(forged(withRows([{ ...rows[0], salt: rows[1].salt }, ...rows.slice(1)]))).toThrow(/dataset root/);
    expect(forged(withRows([{ ...rows[0], bins: 1n }, ...rows.slice(1)]))).toThrow(/class table/);
    const otherKey = { ...first.batch!, key: { ...first.batch!.key, key: [1n, 2n, 3n, 4n] } };
    expect(forged({ ...honest, parts: [{ ...first, batch: otherKey }, ...honest.parts.slice(1)] })).toThrow(/sampler key/);
    expect(forged(honest, BigInt(epochBatches(s.run.manifest)) + 1n)).toThrow(/batches in an epoch of the policy/);
    expect(forged({ ...honest, vector: honest.vector.map((w, i) => (i === 1 ? w + 1n : w)) })).toThrow(/policy shape/);
    const node = leaves.slice(1).reduce<NodeProof>((a, b) => proveFold(k, cls, keys, base, [a, b]), leaves[0]),
      end = proveEnd(k, cls, keys, base, node);
    // The same statement with the witness of its proof hidden.
    const t0 = performance.now(),
      hidden = proveHiddenEnd(k, cls, keys, base, node, viewOf({ hides: true, manifest: s.run.manifest })),
      t1 = performance.now();
    // A view of the same: the adapter that is left and nothing else of what is.
    const adapterAlone = end.statement.sOut.map((w, i) => (i >= 4 && i < 14 ? w : 0n));
    expect(hidden.statement).toEqual({
      ...end.statement,
      shows: [1n, 0n],
      sOut: adapterAlone,
      aOut: end.statement.aOut.map(() => 0n),
      countersOut: [0n, 0n, 0n, 0n],
    });
    expect([end.statement.shows, end.statement.sOut.length]).toEqual([[1n, 1n], 17]);
    // The adapter is compared without the root; another one, another point and another value are refused.
    checkAdapter(vk, s.run, hidden.statement, state.C);
    expect(() =>
      checkAdapter(
        vk,
        s.run,
        hidden.statement,
        state.C.map((x, i) => (i ? x : x + 1n)),
      ),
    ).toThrow(/its digest/);
    for (const [at, why] of [
      [4, /its digest/],
      [8, /its (point|value)/],
      [11, /its value/],
    ] as const) {
      const sOut = adapterAlone.map((w, i) => (i === at ? w + 1n : w));
      expect(() => checkAdapter(vk, s.run, { ...hidden.statement, sOut }, state.C), String(at)).toThrow(why);
    }
    // Words under a flag of zero are zero, whatever is claimed; flags that the manifest does not give are refused
    // before the proof: a certificate under the flags of an end, an end under those of one, and flags that are none.
    const shown = { ...hidden.statement, sOut: end.statement.sOut },
      certificate = { manifest: s.run.manifest, hides: true as const };
    expect(() => verifyHiddenEnd(vk, keys.published, { ...hidden, statement: shown })).toThrow(VerificationError);
    expect(() => verifyHiddenEnd(vk, keys.published, { ...hidden, statement: { ...hidden.statement, shows: [1n, 1n] } })).toThrow(
      VerificationError,
    );
    checkView(certificate, hidden.statement.shows);
    checkView({ manifest: s.run.manifest }, end.statement.shows);
    for (const shows of [[1n, 1n], [0n, 0n], [2n, 0n], [1n], [1n, 0n, 0n]]) expect(() => checkView(certificate, shows)).toThrow(/^view/);
    for (const shows of [
      [1n, 0n],
      [0n, 1n],
      [2n, 1n],
    ])
      expect(() => checkView({ manifest: s.run.manifest }, shows)).toThrow(/^view/);
    verifyHiddenEnd(vk, keys.published, hidden);
    const t2 = performance.now();
    for (let n = 0; n < 5; n++) verifyHiddenEnd(vk, keys.published, hidden);
    const { pads, whir } = hiddenEndPlan(keys.published);
    console.log(
      `end with its witness hidden: ${8 * hidden.proof.length} bytes (in clear ${8 * end.proof.length}), ${pads!.pads} pads, ${pads!.products.length} products, tail ${whir.groups[0].tail!.cells}, proved in ${((t1 - t0) / 1000).toFixed(1)} s, verified in ${((performance.now() - t2) / 5).toFixed(1)} ms`,
    );
    expect(() => verifyHiddenEnd(vk, keys.published, end)).toThrow(/proof length/);
    for (const i of [0, 1000, hidden.proof.length - 1]) {
      const bad = hidden.proof.slice();
      bad[i] = (bad[i] + 1n) % P;
      expect(() => verifyHiddenEnd(vk, keys.published, { ...hidden, proof: bad })).toThrow(VerificationError);
    }
    const raised = { ...hidden.statement, loss: [hidden.statement.loss[0] + 1n] };
    expect(() => verifyHiddenEnd(vk, keys.published, { ...hidden, statement: raised })).toThrow(VerificationError);
    const list = proofs.map((p, step) => ({
      targets: s.inputs.data.batches[step].targets,
      losses: p.parts.filter((x) => x.kind !== 'update').map((x) => x.loss),
    }));
    const compare = (st: EndStatement, o: Partial<Inputs & { list: typeof list; epochs: PublishedTotals[]; run: Run }> = {}): void => {
      const run = o.run ?? s.run,
        { base, data, initial } = { ...s.inputs, ...o };
      checkManifest(run, st);
      checkRange(run, st, 0, run.manifest.config.train.steps);
      checkStart(vk, run, st, initial);
      expect(checkCounters(run, st)).toBe(true);
      checkShown(run, st, o.list ?? list, o.epochs ?? []);
      checkData(run, data, st, o.list ?? list);
      checkAdapter(vk, run, st, o.released ?? state.C);
      const m = vk.mark();
      const fz = frozenOf(vk, programs, base);
      checkBase(vk, programs, st, fz);
      checkRoot(vk, programs, st.root, fz);
      vk.release(m);
    };
    const check = (o: Parameters<typeof compare>[1] = {}): void => {
      verifyEnd(vk, keys.published, end);
      compare(end.statement, o);
    };
    check();
    // A node by itself: native evaluation of what the end settles.
    settleFrozen(k, fz.ptr, fz.cells, [settleNode(k, cls, keys, node)]);
    const C = state.C.slice();
    C[3] += 1n;
    expect(() => check({ released: C })).toThrow(/released adapter/);
    expect(() => check({ list: [] })).toThrow(/losses/);
    expect(() => check({ list: [{ ...list[0], losses: [...list[0].losses].reverse() }] })).toThrow(/losses/);
    expect(() => check({ list: [{ ...list[0], targets: list[0].targets + 1 }] })).toThrow(/^targets/);
    // Two losses off by 2^64 in opposite directions: the same words, the same sum.
    const [l, ...more] = list[0].losses;
    expect(more).toHaveLength(1);
    expect(() => check({ list: [{ ...list[0], losses: [l + 2n ** 64n, more[0] - 2n ** 64n] }] })).toThrow(/a loss outside its format/);
    const { tree, rows: committed } = s.inputs.data,
      other = new RowTree(tree.shape, tree.secret);
    for (const r of [...committed].reverse()) other.push(r);
    expect(() => check({ data: { ...s.inputs.data, tree: other } })).toThrow(/^data/);
    // Totals of an epoch that has not ended.
    expect(() => check({ epochs: [{ epoch: 0, targets: 1, loss: 0n, bins: [] }] })).toThrow(/^totals of epochs/);
    const { initial } = s.inputs;
    expect(() => check({ initial: { ...initial, mm: initial.mm.map((x, i) => (i ? x : 1n)) } })).toThrow(/initial state/);
    const { manifest } = s.run,
      master = { ...manifest, config: { ...manifest.config, train: { ...manifest.config.train, steps: 3 } } };
    expect(() => check({ run: runOf(master, programs) })).toThrow(VerificationError);
    const frozen = new Map([...s.inputs.base.frozen].map(([n, v], i) => [n, i ? v : v.map((x, j) => (j ? x : x + 1n))]));
    expect(() => check({ base: { frozen } })).toThrow(/digest of the base/);
    // A statement that held and differed in one word: which comparison refuses it. `key` is compared by verifyEnd;
    // optimiser and accumulators that are left are not released.
    const refusals: Record<EndField, RegExp | undefined> = {
      key: undefined,
      program: /^programs/,
      context: /^manifest/,
      dataset: /^dataset root/,
      frozen: /^digest of the base/,
      epoch: /^batches in an epoch/,
      policy: /^policy/,
      posIn: /^first step/,
      posOut: /^last step/,
      sIn: /^initial state/,
      aIn: /^initial accumulators/,
      sOut: /^released adapter/,
      aOut: undefined,
      lossesIn: /^start of the losses/,
      lossesOut: /^losses/,
      targetsIn: /^start of the targets/,
      targetsOut: /^targets/,
      countersIn: /^counters at the start of an epoch/,
      // Blinded counters of an epoch that goes on are for whoever goes on from here.
      countersOut: undefined,
      epochsIn: /^start of the epochs/,
      epochsOut: /^totals of epochs/,
      loss: /^sum of losses/,
      base: /^frozen weights/,
      root: /^commitment to the base/,
      // By verifyEndOf, before the proof.
      shows: undefined,
    };
    const st = end.statement,
      change = (f: EndField, i: number): EndStatement => ({ ...st, [f]: st[f].map((w, j) => (j === i ? w + 1n : w)) });
    for (const f of Object.keys(st) as EndField[]) {
      const why = refusals[f];
      if (why) expect(() => compare(change(f, 0)), f).toThrow(why);
      else expect(() => compare(change(f, 0)), f).not.toThrow();
    }
    // Every word of the state entered, of the claim on the base and of its commitment.
    for (const f of ['sIn', 'base', 'root'] as const)
      for (let i = 0; i < st[f].length; i++) expect(() => compare(change(f, i)), `${f} ${i}`).toThrow(refusals[f]);
    expect(() => compare({ ...st, base: st.base.slice(3) })).toThrow(/claim on the base: is on a stack of another size/);
    // Micro-batches and targets of a step begun, epoch, batches drawn in it; examples and targets in all.
    for (const [i, why] of [/^last step/, /^last step/, /^last step/, /^last step/, /^last step/, /^number of targets/].entries())
      expect(() => compare(change('posOut', i + 1)), `posOut ${i + 1}`).toThrow(why);
    for (let i = 0; i < 7; i++) expect(() => compare(change('posIn', i)), `posIn ${i}`).toThrow(i < 6 ? /^first step/ : /^start/);
    k.close();
  });
});
