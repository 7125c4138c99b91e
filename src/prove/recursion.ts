import type { Kernels } from '../kernels/runtime.js';
import type { Proven } from '../artifact/folded.js';
import { rowShape } from '../policy/rows/digest.js';
import type { Circuits } from '../recursion/circuits.js';
import type { RecursionClass } from '../recursion/class.js';
import { keyDigest } from '../recursion/key.js';
import { leafProofs } from '../recursion/leaves.js';
import { flat, nodeOf } from '../recursion/node-words.js';
import { encode, endLayout } from '../recursion/statement.js';
import { frozenWords } from '../run/commitments.js';
import { type Run, stepKinds } from '../run/facts.js';
import type { Base, Complete, Data } from '../run/inputs.js';
import type { Manifest } from '../run/manifest.js';
import { orderOf, policyFacts } from '../run/policy.js';
import type { Programs } from '../run/programs.js';
import { settleNative, settleNode, verifyNode } from '../verify/nodes.js';
import { proveEnd } from './end.js';
import { proveFold } from './fold.js';
import { type JobInputs, leafNode } from './leaf.js';
import type { NodeOptions, Stack } from './node.js';
import { PolicyWitness } from './policy.js';
import type { LeafRange, Recursion } from './range.js';

/** The stack of the base's integers, outside of the kernels' memory. */
export const baseStack = (programs: Programs, base: Base): Stack => frozenWords(programs, base);

/** What folding takes: circuits and the base. */
export function folding(
  k: Kernels,
  manifest: Manifest,
  { cls, keys, digest }: Circuits,
  base: Stack,
  o: NodeOptions = {},
): Omit<Recursion, 'leaves' | 'leaf'> & { readonly settle: (node: Proven) => void } {
  return {
    manifest,
    key: { ...keys.published },
    keyDigest: digest,
    digestOf: keyDigest,
    fold: (a, b) => k.scope(() => flat(cls, proveFold(k, cls, keys, base, [nodeOf(cls, a), nodeOf(cls, b)], o))),
    end: (n) => {
      const { statement, proof } = k.scope(() => proveEnd(k, cls, keys, base, nodeOf(cls, n), o));
      return { statement: encode(statement, endLayout(cls.child.baseVars)), proof };
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
export function policyWitness({ manifest, facts }: Run, { rows, tree, key }: Data): PolicyWitness {
  const { train } = manifest.config,
    { keys } = orderOf(manifest, key);
  return new PolicyWitness(
    policyFacts(manifest),
    { shape: rowShape(train.sequence, manifest.base.shape.vocab), rows, tree },
    { salts: tree.secret, blinds: tree.secret, context: facts.context, keys, privateBlind: key?.blind ?? [0n, 0n, 0n, 0n] },
    tree.kernels,
  );
}

/** Leaves of a range of steps with the places where they begin and end. */
export const placedLeaves = (c: RecursionClass, run: Run, from: number, to: number): LeafRange[] =>
  leafProofs(c, run, from, to).map(({ kind, parts }) => {
    const { step, part } = parts[parts.length - 1],
      ends = part + 1 === stepKinds(run, step).length;
    return { kind, parts, from: parts[0], to: ends ? { step: step + 1, part: 0 } : { step, part: part + 1 } };
  });

/** What the jobs of a run share, made from it once. */
export const jobInputs = (run: Run, { base, data }: Pick<Complete, 'base' | 'data'>, circuits: Circuits): JobInputs => ({
  run,
  data,
  circuits,
  base: baseStack(run.programs, base),
  policy: policyWitness(run, data),
});

/**
 * The recursion of a run whose data are at hand: leaf, fold and end are functions of what they are given, and keep
 * nothing.
 */
export function recursionOf(k: Kernels, inputs: JobInputs, o: NodeOptions = {}): Recursion {
  const { run, circuits, base } = inputs;
  return {
    ...folding(k, run.manifest, circuits, base, o),
    leaves: (from, to) => placedLeaves(circuits.cls, run, from, to),
    leaf: (start, range, proofs) => k.scope(() => leafNode(k, inputs, start, range, proofs, o)),
  };
}
