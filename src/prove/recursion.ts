import type { Kernels } from '../kernels/runtime.js';
import type { AdapterState } from '../model/step.js';
import type { RecursionClass } from '../recursion/class.js';
import type { Before, LeafPolicy } from '../recursion/leaf.js';
import { rowShape } from '../policy/rows/digest.js';
import { policyOf } from '../run/policy.js';
import { publicKey } from '../policy/order/keys.js';
import { type PolicyState, PolicyWitness } from './policy.js';
import { type NodeOptions, type Stack, proveEnd, proveFold, proveLeaf } from './nodes.js';
import { type Run, epochBatches, stepKinds } from '../run/facts.js';
import { leafProofs, partPublics, partStatement } from '../recursion/leaves.js';
import { type Standing, START, advance, encode, endLayout } from '../recursion/statement.js';
import { settleNative, settleNode, verifyNode } from '../verify/nodes.js';
import type { StepProof } from '../run/parts.js';
import { frozenOf, stateCommitment } from '../run/commitments.js';
import type { Circuits } from '../recursion/circuits.js';
import { keyDigest } from '../recursion/key.js';
import { flat, nodeOf } from '../recursion/node-words.js';
import type { LeafRange, Recursion } from './range.js';
import type { Programs } from '../run/programs.js';
import type { Base, Complete, Data } from '../run/inputs.js';
import type { Manifest } from '../run/manifest.js';

/** The stack of the base's integers, outside of the kernels' memory. */
export function baseStack(k: Kernels, programs: Programs, base: Base): Stack {
  return k.scope(() => {
    const fz = frozenOf(k, programs, base);
    return { words: k.i64.slice(fz.ptr / 8, fz.ptr / 8 + fz.cells), digest: fz.digest };
  });
}

/** What folding takes: circuits and the base. */
export function folding(
  k: Kernels,
  manifest: Manifest,
  { cls, keys, digest }: Circuits,
  base: Stack,
  o: NodeOptions = {},
): Omit<Recursion, 'leaves' | 'leaf'> {
  return {
    manifest,
    key: { ...keys.published },
    keyDigest: digest,
    digestOf: keyDigest,
    fold: (a, b) => flat(cls, proveFold(k, cls, keys, base, [nodeOf(cls, a), nodeOf(cls, b)], o)),
    end: (n) => {
      const { statement, proof, opening } = proveEnd(k, cls, keys, base, nodeOf(cls, n), o);
      return { statement: encode(statement, endLayout()), proof, opening };
    },
    check: (n) => {
      verifyNode(k, cls, nodeOf(cls, n));
    },
    settle: (n) => {
      const claim = settleNode(k, cls, keys, nodeOf(cls, n));
      settleNative(k, base.words, [claim], 'base', 'the claim on the base that the range leaves does not hold');
    },
  };
}

/** Witness of a run's policy. */
export function policyWitness({ manifest }: Run, { rows, tree }: Data): PolicyWitness {
  const { train, sampler } = manifest.config,
    none = [0n, 0n, 0n, 0n];
  return new PolicyWitness(
    policyOf(manifest).facts,
    { shape: rowShape(train.sequence, manifest.base.shape.vocab), rows, tree },
    { salts: tree.secret, blinds: tree.secret, keys: { public: publicKey(sampler.key) }, privateBlind: none },
  );
}

/**
 * What the policy of a leaf needs. `losses` are those of the micro-batches of every step before the leaf's end. Counters are carried on from one leaf to the
 * next, and counted anew for one that lies before.
 */
export function leafPolicy(
  run: Run,
  data: Data,
  losses: readonly (readonly bigint[])[],
): (r: Pick<LeafRange, 'parts' | 'from' | 'to'>) => LeafPolicy {
  const policy = policyWitness(run, data),
    { batch, microBatch } = run.manifest.config.train,
    size = Math.min(batch, microBatch);
  let counted: { readonly step: number; readonly part: number; readonly state: PolicyState } = { step: 0, part: 0, state: policy.start() };
  /** What the epoch at hand has drawn before a part of a step. */
  const countedAt = (step: number, part: number): PolicyState => {
    if (counted.step > step || (counted.step === step && counted.part > part)) counted = { step: 0, part: 0, state: policy.start() };
    while (counted.step < step || counted.part < part) {
      const at = counted,
        kind = stepKinds(run, at.step)[at.part],
        loss = losses[at.step][at.part] ?? 0n,
        rows = kind === 'update' ? at.state.counters : policy.drawn(at.state.counters, at.step, at.part * size, size, loss),
        state = { ...at.state, counters: rows };
      counted =
        kind === 'micro'
          ? { step: at.step, part: at.part + 1, state }
          : { step: at.step + 1, part: 0, state: policy.ended(state, at.step) };
    }
    return counted.state;
  };
  return (r) => {
    const { counters, epochs } = countedAt(r.from.step, r.from.part);
    return {
      ...policy.leaf(counters, [r.from.step, r.from.part], [r.to.step, r.to.part]),
      epochs,
      parts: r.parts.map(({ step, part }) => {
        const kind = stepKinds(run, step)[part];
        return {
          ...(kind === 'update' ? {} : { batch: policy.batch(step, part * size, size) }),
          ...(kind === 'micro' ? {} : { end: policy.end(step) }),
        };
      }),
    };
  };
}

/** Leaves of a range of steps with the places where they begin and end. */
export const placedLeaves = (c: RecursionClass, run: Run, from: number, to: number): LeafRange[] =>
  leafProofs(c, run, from, to).map(({ kind, parts }) => {
    const { step, part } = parts[parts.length - 1],
      ends = part + 1 === stepKinds(run, step).length;
    return { kind, parts, from: parts[0], to: ends ? { step: step + 1, part: 0 } : { step, part: part + 1 } };
  });

/**
 * The recursion of a run whose data are at hand. `losses` are those of the micro-batches of every step before the end of what is proven; `states` gives the state
 * before a step.
 */
export function recursionOf(
  k: Kernels,
  run: Run,
  { base: integers, data }: Pick<Complete, 'base' | 'data'>,
  c: Circuits,
  losses: readonly (readonly bigint[])[],
  states: (step: number) => AdapterState,
  o: NodeOptions = {},
): Recursion {
  const base = baseStack(k, run.programs, integers),
    epoch = BigInt(epochBatches(run.manifest)),
    dataset = run.manifest.dataset.root.map(BigInt),
    context = { frozen: base.digest, zeroAcc: c.zeroAcc };
  // Leaves come in order: the place and the commitments with which the last one ended are at hand for the next.
  let standing: { readonly at: Standing; readonly step: number; readonly part: number } = { at: START, step: 0, part: 0 },
    left: { readonly step: number; readonly s: readonly bigint[] } | undefined;
  const placeAt = (step: number, part: number): Standing => {
    if (standing.step > step || (standing.step === step && standing.part > part)) standing = { at: START, step: 0, part: 0 };
    while (standing.step < step || standing.part < part) {
      const { kind, program, publics } = partPublics(run, data, standing.step, standing.part, losses[standing.step][standing.part] ?? 0n),
        at = advance(kind, program, epoch, standing.at, publics),
        ends = standing.part + 1 === stepKinds(run, standing.step).length;
      standing = ends ? { at, step: standing.step + 1, part: 0 } : { at, step: standing.step, part: standing.part + 1 };
    }
    return standing.at;
  };
  const policyInput = leafPolicy(run, data, losses);
  const before = ({ step, part }: { step: number; part: number }, proofs: readonly StepProof[]): Before => {
    const state = left?.step === step ? undefined : states(step);
    return {
      place: placeAt(step, part),
      s: state ? stateCommitment(k, run.programs, 'sIn', state) : left!.s,
      a: part === 0 ? c.zeroAcc : proofs.find((p) => p.step === step)!.parts[part - 1].roots['aOut'],
    };
  };
  return {
    ...folding(k, run.manifest, c, base, o),
    leaves: (from, to) => placedLeaves(c.cls, run, from, to),
    leaf: (r, proofs) => {
      const start = before(r.from, proofs);
      let at = start;
      const parts = r.parts.map(({ step, part }) => {
        const p = proofs.find((x) => x.step === step)!.parts[part],
          { statement, after } = partStatement(run, data, context, at, step, part, p);
        at = after;
        return { proof: p.proof, statement };
      });
      if (r.to.part === 0) left = { step: r.to.step, s: at.s };
      else if (left?.step !== r.to.step) left = { step: r.to.step, s: start.s };
      const given = { parts, before: start, dataset, epoch, policy: policyInput(r) };
      return flat(c.cls, proveLeaf(k, c.cls, c.keys, base, r.kind, given, o));
    },
  };
}
