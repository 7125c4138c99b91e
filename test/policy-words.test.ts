import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { proveStep } from '../src/prove/step.js';
import { enteredAt } from '../src/prove/entered.js';
import { placedLeaves, policyWitness } from '../src/prove/recursion.js';
import type { LeafRange } from '../src/prove/range.js';
import { proveEnd } from '../src/prove/end.js';
import { proveFold } from '../src/prove/fold.js';
import { leafPolicy, proveLeaf } from '../src/prove/leaf.js';
import { frozenOf, stateCommitment, zeroAccumulators } from '../src/run/commitments.js';
import { type Run, checkedRun, epochBatches, runOf } from '../src/run/facts.js';
import { type Manifest, manifestDigest, parseManifest } from '../src/run/manifest.js';
import { policyOf } from '../src/run/policy.js';
import type { StepProof } from '../src/run/parts.js';
import { POLICY_LAYOUT, POLICY_WORDS, SHOW, policyDigest, showWord, showsSteps } from '../src/policy/vector.js';
import { CircuitChannel } from '../src/circuit/channel.js';
import { runClass } from '../src/recursion/circuits.js';
import { recursionKeys } from '../src/recursion/keys.js';
import { type Before, type LeafPolicy, leafCircuit } from '../src/recursion/leaf.js';
import { partStatement } from '../src/recursion/leaves.js';
import type { NodeProof } from '../src/recursion/node-words.js';
import { type NodeStatement, START, decode, layout } from '../src/recursion/statement.js';
import { settleFrozen } from '../src/tensor/deferred.js';
import { makePlan } from '../src/tensor/plan.js';
import { P } from '../src/field/goldilocks.js';
import { proveMerge } from '../src/prove/merge.js';
import { verifyProgram } from '../src/tensor/verify.js';
import { NativeChannel } from '../src/transcript/native.js';
import { checkManifest, checkShown } from '../src/verify/compare.js';
import { settleNode } from '../src/verify/nodes.js';
import { setup } from '../src/setup/run.js';
import { singleKernels, threadedKernels } from '../src/kernels/index.js';
import { runSchema } from '../src/run/schema.js';
import { VerificationError } from '../src/transcript/index.js';
import { altered } from './altered.js';
import { QUICK } from './kit.js';

/*
 * Every word of the policy vector, altered alone, through real proofs of a leaf: either no witness satisfies the
 * circuit, or the leaf has a proof that
 * holds, of another policy than the manifest's, which its verifier refuses, and which folds with no other node of the
 * run.
 */
const path = (p: string): string => fileURLToPath(new URL(`./data/${p}`, import.meta.url));
const full = setup(
    runSchema.parse({
      version: 1,
      base: { path: path('tiny') },
      data: [{ path: path('pairs.jsonl'), language: 'fr', license: 'CC0-1.0', source: 'certune examples' }],
      lora: { r: 2, alpha: 4, targets: ['q_proj'] },
      train: { steps: 4, batch: 3, microBatch: 3, sequence: 12, learningRate: 0.002, warmup: 0 },
      policy: { bins: [{ name: 'french', where: { language: ['fr'] }, examples: { max: 50 } }], licenses: ['CC0-1.0'] },
      proof: { bits: 100 },
      numbers: { preset: 'small' },
    }),
    [1n, 2n, 3n, 4n],
  ),
  // Weak parameters: what is tested is what a leaf opens, and who compares it.
  programs = { ...full.run.programs, plan: makePlan(full.run.programs.program, QUICK) },
  run: Run = { ...full.run, programs },
  { inputs } = full;
const k = await threadedKernels({ threads: 2 }),
  vk = singleKernels(),
  fz = frozenOf(k, programs, inputs.base),
  base = { words: k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells), digest: fz.digest },
  zeroAcc = zeroAccumulators(programs),
  cls = runClass(run, zeroAcc, QUICK),
  keys = recursionKeys(k, cls),
  proofs: StepProof[] = [],
  ranges = placedLeaves(cls, run, 0, 4),
  start: Before = { place: START, s: stateCommitment(k, programs, 'sIn', inputs.initial), a: zeroAcc };
let state = inputs.initial;
for (let step = 0; step < 4; step++) {
  const r = proveStep(k, run, inputs, step, state, fz.digest);
  proofs.push(r.proof);
  state = r.after;
}
const passage = { run, data: inputs.data, policy: policyWitness(run, inputs.data) };
const policy = (r: LeafRange): LeafPolicy =>
  leafPolicy(
    passage,
    enteredAt(passage, (step) => proofs[step].parts.map((x) => x.loss), r.from),
    r,
  );

/** Proofs and statements of a range's programs, which begin in a state and leave another. */
function partsOf(range: LeafRange, before: Before) {
  let at = before;
  const parts = range.parts.map(({ step, part }) => {
    const proof = proofs[step].parts[part],
      r = partStatement(run, inputs.data, { frozen: fz.digest, zeroAcc }, at, step, part, proof);
    at = r.after;
    return { proof: proof.proof, statement: r.statement };
  });
  return { parts, after: at };
}
/** A leaf of a range with a policy that need not be the honest one. */
const inputOf = (range: LeafRange, before: Before, given: LeafPolicy) => ({
  parts: partsOf(range, before).parts,
  before,
  dataset: run.manifest.dataset.root.map(BigInt),
  epoch: BigInt(epochBatches(run.manifest)),
  policy: given,
});
const leafOf = (range: LeafRange, before: Before, given: LeafPolicy): NodeProof =>
  proveLeaf(k, cls, keys, base, range.kind, inputOf(range, before, given));
const word = (x: bigint): bigint => ((x % P) + P) % P;
/** Proof of the merge of a range's claims on the base, whatever its policy. */
const mergeOf = (range: LeafRange, before: Before): BigUint64Array =>
  k.scope(() => {
    const { plan } = programs,
      claims = partsOf(range, before).parts.map((p) => {
        const ch = new NativeChannel(k, p.proof);
        try {
          return verifyProgram(ch, plan, p.statement).detach(ch);
        } finally {
          ch.close();
        }
      }),
      at = k.alloc(8 * base.words.length);
    k.i64.set(base.words, at / 8);
    return claims.length > 1
      ? proveMerge(k, { frozenVars: cls.run.baseVars }, base.digest, claims, at, base.words.length)
      : new BigUint64Array(0);
  });
/** Checks of the leaf's circuit that fail, and its statement. */
const failing = (range: LeafRange, before: Before, given: LeafPolicy): readonly string[] => recorded(range, before, given).failed;
function recorded(range: LeafRange, before: Before, given: LeafPolicy) {
  // Nodes read no proof of their own: those of the children are opened one by one.
  const ch = new CircuitChannel(new BigUint64Array(0));
  leafCircuit(ch, cls.run, cls.leaves[range.kind - 1], range.kind, {
    ...inputOf(range, before, given),
    frozen: base.digest,
    key: keys.root,
    first: [word(base.words[0]), word(keys.stack[0])],
    merge: mergeOf(range, before),
  });
  return { failed: ch.failed, statement: decode(ch.rows.U.value, layout(cls.child.baseVars, cls.child.keyVars)) };
}
/** Verifies a node as a range alone is verified, and compares it with a run. */
function verify(node: NodeProof, of: Run = run): void {
  const claim = settleNode(vk, cls, keys, node);
  vk.scope(() => {
    const own = frozenOf(vk, programs, inputs.base);
    settleFrozen(vk, own.ptr, own.cells, [claim]);
  });
  checkManifest(of, node.statement);
}
/** The field that a word of the vector belongs to. */
const fieldOf = (at: number): string => [...POLICY_LAYOUT].find(([, f]) => at >= f.at && at < f.at + f.words)?.[0] ?? 'unused';

const [range, next] = ranges,
  honest = policy(range),
  first = leafOf(range, start, honest);

/**
 * Fields that a leaf of any run is refused for in every other value: what its rows, keys, classes and quotas are opened
 * under, and its shape.
 */
const REFUSED = [
  ...['version', 'depth', 'rounds', 'walks', 'bins', 'classDepth', 'scheduleDepth', 'innerRounds', 'innerWalks', 'strataDepth'],
  ...[
    'replacement',
    'root',
    'batch',
    'epochBatches',
    'a',
    'b',
    'publicKey',
    'seed',
    'mask',
    'classRoot',
    'quotas',
    'scheduleRoot',
    'unused',
  ],
];

describe('the policy vector', () => {
  const accepted = new Map<number, NodeProof>(),
    refused = new Set<string>();
  afterAll(() => k.close());

  it('as the manifest fixes it is proved', () => {
    expect(() => verify(first)).not.toThrow();
    expect(first.statement.policy).toEqual(policyOf(run.manifest).digest);
  });
  it('altered in any word is refused by the leaf, or by whoever compares it', () => {
    for (let at = 0; at < POLICY_WORDS; at++) {
      const vector = honest.vector.map((w, i) => (i === at ? (w + 1n) % P : w)),
        failed = failing(range, start, { ...honest, vector });
      if (failed.length) {
        refused.add(fieldOf(at));
        continue;
      }
      // What this leaf does not read, or reads the same: the comparison refuses it. One word of a field stands for the
      // others.
      if ([...accepted.keys()].some((x) => fieldOf(x) === fieldOf(at))) continue;
      const node = leafOf(range, start, { ...honest, vector });
      accepted.set(at, node);
      expect(node.statement.policy).toEqual(policyDigest(vector));
      expect(() => verify(node), `word ${at}`).toThrow(/^policy/);
    }
    expect([...refused]).toEqual(expect.arrayContaining(REFUSED));
    expect([...accepted.keys()].map(fieldOf).filter((f) => REFUSED.includes(f))).toEqual([]);
  });
  it('of `show` with other bits is another policy, or none', () => {
    const { at } = POLICY_LAYOUT.get('show')!;
    for (let bit = 0; bit < 8; bit++) {
      const vector = honest.vector.map((w, i) => (i === at ? w ^ (1n << BigInt(bit)) : w)),
        failed = failing(range, start, { ...honest, vector });
      // Where the leaf has nothing to say, the digest differs, and a proof of it was refused above for other words.
      if (failed.length) expect(failed.join(), `bit ${bit}`).toMatch(/show/);
      else expect(policyDigest(vector), `bit ${bit}`).not.toEqual(policyOf(run.manifest).digest);
    }
  });
  it('hides what `show` does not name: a leaf has zeros in its place, and whoever shows less or more is refused', () => {
    const { at } = POLICY_LAYOUT.get('show')!,
      zero = (w: readonly bigint[]): boolean => w.every((x) => x === 0n);
    for (const losses of SHOW)
      for (const targets of SHOW) {
        const show = { losses, targets, totals: 'none', adapter: 'commitment' } as const,
          vector = honest.vector.map((w, i) => (i === at ? showWord(show) : w)),
          { failed, statement: st } = recorded(range, start, { ...honest, vector }),
          of = { ...run.manifest, config: { ...run.manifest.config, show } },
          list = proofs.slice(0, range.to.step).map((p, step) => ({
            targets: targets === 'steps' ? inputs.data.batches[step].targets : 0,
            losses: losses === 'steps' ? p.parts.map((x) => x.loss) : [],
          })),
          shown = showsSteps(show) ? list : [],
          check = (s: object, l = shown): void => checkShown({ ...run, manifest: of }, { ...st, ...s } as unknown as NodeStatement, l, []);
        expect(failed).toEqual([]);
        expect([zero(st.lossesOut), zero(st.loss), zero(st.targetsOut), st.posOut[6] === 0n]).toEqual([
          losses !== 'steps',
          losses === 'none',
          targets !== 'steps',
          targets === 'none',
        ]);
        // Another leaf of this policy would not pass for one of the manifest's; its own verifier reads it so.
        expect(() => check({})).not.toThrow();
        expect(() => check({ lossesOut: [1n, ...st.lossesOut.slice(1)] })).toThrow(/^losses/);
        expect(() => check({ targetsOut: [1n, ...st.targetsOut.slice(1)] })).toThrow(/^targets/);
        if (losses !== 'steps')
          expect(() => check({ lossesIn: [1n, 0n, 0n, 0n], lossesOut: [1n, 0n, 0n, 0n] })).toThrow(/^losses: are not shown/);
        if (targets !== 'steps')
          expect(() => check({ targetsIn: [1n, 0n, 0n, 0n], targetsOut: [1n, 0n, 0n, 0n] })).toThrow(/^targets: are not shown/);
        if (losses !== 'epochs') expect(() => check({ loss: [st.loss[0] + 1n] })).toThrow(/^sum of losses/);
        if (targets !== 'epochs')
          expect(() => check({ posOut: st.posOut.map((x, i) => (i === 6 ? x + 1n : x)) })).toThrow(/^number of targets/);
        // Lists that say more than is shown, or nothing of it.
        const told = list.map((l, step) => ({
          targets: inputs.data.batches[step].targets,
          losses: proofs[step].parts.map((x) => x.loss),
          ...(l ? {} : {}),
        }));
        if (losses !== 'steps' || targets !== 'steps') expect(() => check({}, told)).toThrow(/^losses/);
        if (shown.length) expect(() => check({}, [])).toThrow(/^losses/);
      }
  });
  it('is one for all nodes of a run: another one folds with none, and no end publishes another', () => {
    const [[, other]] = accepted,
      before = partsOf(range, start).after,
      second = leafOf(next, before, policy(next)),
      node = proveFold(k, cls, keys, base, [first, second]);
    expect(() => verify(node)).not.toThrow();
    // One of them under another policy: the fold has one set of wires for both.
    expect(() => verify(proveFold(k, cls, keys, base, [other, second]))).toThrow();
    // Nor does its statement pass for that of the manifest's policy.
    expect(() => verify({ ...other, statement: { ...other.statement, policy: first.statement.policy } })).toThrow(VerificationError);
    expect(() => verify({ ...node, statement: { ...node.statement, policy: other.statement.policy } })).toThrow(VerificationError);
    expect(() => proveEnd(k, cls, keys, base, { ...node, statement: { ...node.statement, policy: other.statement.policy } })).toThrow();
  });
});

describe('a manifest', () => {
  it('altered in any field is refused, or is another statement and another policy', () => {
    const seen: Record<'refused' | 'other', string[]> = { refused: [], other: [] },
      m = run.manifest,
      own = policyOf(m).digest.join();
    for (const [at, raw] of altered(JSON.parse(JSON.stringify(m)))) {
      let other: Manifest;
      try {
        other = checkedRun('m', parseManifest('m', raw)).manifest;
        policyOf(other);
      } catch {
        seen.refused.push(at);
        continue;
      }
      seen.other.push(at);
      expect(manifestDigest(other), at).not.toBe(manifestDigest(m));
      // The seed hashes all of a manifest, so that its order is another one too, and with it the policy.
      expect(policyOf(other).digest.join(), at).not.toBe(own);
      expect(() => checkManifest(runOf(other, programs), first.statement), at).toThrow(VerificationError);
    }
    expect(seen.other.length).toBeGreaterThan(20);
    expect(seen.refused.length).toBeGreaterThan(20);
  });
});
