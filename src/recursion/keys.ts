import { sha256 } from '@noble/hashes/sha2.js';
import canonicalize from 'canonicalize';
import type { Heights } from '../circuit/program.js';
import { circuitKey } from '../circuit/prove.js';
import type { Kernels } from '../kernels/runtime.js';
import { PROOF_VERSION, programDigest } from '../tensor/statement.js';
import { stackRoot } from '../prove/settle.js';
import { RECURSION_VERSION, type RecursionClass } from './class.js';
import { endKeyShape } from './end.js';

/**
 * What a verifier of an end proof must know of the circuits, as published: everything from which the plan of the end is made, and the roots of the fixed columns. Its
 * digest is the verification key in one line. `programs` and `leaves` say of what the circuits are made.
 */
export interface VerificationKey {
  readonly type: 'certune-key';
  readonly version: number;
  readonly proofVersion: number;
  readonly programs: readonly string[];
  readonly leaves: readonly { readonly kind: string; readonly count: number }[];
  readonly proof: {
    readonly bits: number;
    /** log2 of inverse rates: of the witness of the program proofs that leaves verify, of leaves and folds, of the end, of the openings. */
    readonly programRate: number;
    readonly rate: number;
    readonly endRate: number;
    readonly settleRates: readonly number[];
    readonly grinding: number;
  };
  readonly heights: Heights;
  readonly endHeights: Heights;
  readonly baseVars: number;
  readonly root: readonly string[];
  readonly endRoot: readonly string[];
}

/** Verification keys of a class: stacks of fixed columns and their roots. */
export interface RecursionKeys {
  /** All circuits by kind, each padded to 2^frozenVars. */ readonly stack: BigInt64Array;
  readonly root: readonly bigint[];
  readonly end: { readonly stack: BigInt64Array; readonly root: readonly bigint[] };
  /** SHA-256 of every circuit's columns, by kind, the end last: to find what differs. */ readonly digests: readonly string[];
  readonly published: VerificationKey;
}

/** A SHA-256 digest given as eight words of 32 bits. */
export const digestText = (words: readonly bigint[]): string => `sha256:${words.map((w) => w.toString(16).padStart(8, '0')).join('')}`;

/** Columns and keys of a class: a few seconds. */
export function recursionKeys(k: Kernels, c: RecursionClass): RecursionKeys {
  const parts = c.circuits.map((x) => circuitKey(k, c.plan, x.fixed)),
    own = circuitKey(k, c.end.plan, c.end.circuit.fixed),
    slot = 2 ** c.plan.frozenVars,
    stack = new BigInt64Array((parts.length - 1) * slot + parts[parts.length - 1].stack.length);
  parts.forEach((p, i) => stack.set(p.stack, i * slot));
  const root = stackRoot(k, c.end.shape.keyShape, stack),
    endRoot = stackRoot(k, endKeyShape(c.end.plan), own.stack),
    { bits, grinding, rate } = c.plan.options;
  const programs = [...new Set(c.leaves.map((l) => l.plan.program))];
  return {
    stack,
    root,
    end: { stack: own.stack, root: endRoot },
    digests: [...parts, own].map((p) => digestText(p.digest)),
    published: {
      type: 'certune-key',
      version: RECURSION_VERSION,
      proofVersion: PROOF_VERSION,
      programs: programs.map((p) => digestText(programDigest(p))),
      leaves: c.leaves.map(({ kind, count }) => ({ kind, count })),
      proof: {
        bits,
        programRate: c.leaves[0].plan.options.rate,
        rate,
        endRate: c.end.plan.options.rate,
        settleRates: [c.end.shape.keyShape, c.end.shape.baseShape, endKeyShape(c.end.plan)].map((x) => x.groups[0].logInvRate),
        grinding,
      },
      heights: c.circuits[0].heights,
      endHeights: c.end.circuit.heights,
      baseVars: c.run.baseVars,
      root: root.map(String),
      endRoot: endRoot.map(String),
    },
  };
}

/** The key in one line: SHA-256 of its canonical JSON. */
export const keyDigest = (key: VerificationKey): string => {
  const d = sha256(new TextEncoder().encode(canonicalize(key)!));
  return `sha256:${[...d].map((x) => x.toString(16).padStart(2, '0')).join('')}`;
};
