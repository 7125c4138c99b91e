import type { Heights } from '../circuit/heights.js';
import { sha256Hex } from '../hash/sha256.js';
import { canonicalJson } from '../hash/canonical.js';

/** Version of the circuits of recursion, absorbed by every node: a change of any fixed column must raise it. */
export const RECURSION_VERSION = 8;

/**
 * Slots of a class with so many circuits: those that the bits of a kind can name. None is empty, for under zero columns
 * a program proves anything; where a circuit is missing the fold stands again, and the kind is refused all the same.
 */
export const slotsOf = (circuits: number): number => (circuits > 2 ? 4 : 2);

/**
 * What a verifier of an end proof must know of the circuits, as published: everything from which the plan of the end is
 * made, and the roots of the fixed columns. Its digest is the verification key in one line. `programs` and `leaves` say
 * of what the circuits are made.
 */
export interface VerificationKey {
  readonly type: 'certune-key';
  readonly version: number;
  readonly proofVersion: number;
  readonly programs: readonly string[];
  readonly leaves: readonly { readonly kind: string; readonly count: number }[];
  readonly proof: {
    readonly bits: number;
    /**
     * log2 of inverse rates: of the witness of the program proofs that leaves verify, of leaves and folds, of the end,
     * of the openings.
     */
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

/** A SHA-256 digest given as eight words of 32 bits. */
export const digestText = (words: readonly bigint[]): string => `sha256:${words.map((w) => w.toString(16).padStart(8, '0')).join('')}`;

/** A key as it lies beside a proof: JSON that nobody has checked. */
export type PublishedKey = Readonly<Record<string, unknown>>;

/** The key in one line: SHA-256 of its canonical JSON. Throws RangeError where it is nested too deep for that. */
export const keyDigest = (key: VerificationKey | PublishedKey): string => `sha256:${sha256Hex(canonicalJson(key))}`;
