import { DOMAIN, hashWords } from '../hash/poseidon2.js';
import type { Modes } from './order/keys.js';
import { type OrderShape, quotientBound } from './order/radices.js';

/*
 * Policy vector: everything of a manifest that a leaf's circuit reads, in 64 words. Its digest is what a statement
 * holds; a verifier computes the vector from the manifest and compares the digest, and takes no word of it from a file.
 */

/** Version of the vector's layout: its first word. */
export const POLICY_VERSION = 2;
export const POLICY_WORDS = 64;

/** Fields of the vector in order, with their number of words. */
const FIELDS = [
  ['version', 1],
  /** Shape of the circuit: equal to what its key was made for. */
  ['depth', 1],
  ['rounds', 1],
  ['walks', 1],
  ['bins', 1],
  ['classDepth', 1],
  ['scheduleDepth', 1],
  ['innerRounds', 1],
  ['innerWalks', 1],
  ['strataDepth', 1],
  ['replacement', 1],
  /** Dataset: root of the tree of rows. */
  ['root', 4],
  ['rows', 1],
  /** Order: domain of the permutation, draws an epoch, batch, batches an epoch, radices and their quotient bounds. */
  ['domain', 1],
  ['epochExamples', 1],
  ['batch', 1],
  ['epochBatches', 1],
  ['a', 1],
  ['b', 1],
  ['quotientA', 1],
  ['quotientB', 1],
  ['privateKey', 4],
  ['publicKey', 4],
  ['seed', 4],
  ['period', 1],
  ['mask', 1],
  ['strata', 4],
  ['strataCount', 1],
  /** Classes and quotas. */
  ['classRoot', 4],
  ['quotas', 4],
  /** Schedule: root of its table, steps, constant of the clip scalar (zero without), most targets of a step. */
  ['scheduleRoot', 4],
  ['steps', 1],
  ['clip', 1],
  ['mostTargets', 1],
  ['show', 1],
] as const;
export type PolicyField = (typeof FIELDS)[number][0];

/** Where a field begins, and its number of words. */
export const POLICY_LAYOUT: ReadonlyMap<PolicyField, { readonly at: number; readonly words: number }> = (() => {
  const out = new Map<PolicyField, { at: number; words: number }>();
  let at = 0;
  for (const [name, words] of FIELDS) {
    out.set(name, { at, words });
    at += words;
  }
  if (at > POLICY_WORDS) throw new Error(`the policy vector has ${at} words`);
  return out;
})();

/** What of losses, targets and totals is published. */
export const SHOW = ['none', 'epochs', 'steps'] as const;
export type Show = (typeof SHOW)[number];
export const SHOW_TOTALS = ['none', 'epochs'] as const;
export interface Shown {
  readonly losses: Show;
  readonly targets: Show;
  readonly totals: (typeof SHOW_TOTALS)[number];
}
/** Nothing is hidden. */
export const SHOW_ALL: Shown = { losses: 'steps', targets: 'steps', totals: 'epochs' };
/** Is anything said of every step, of every epoch? */
export const showsSteps = (s: Shown): boolean => s.losses === 'steps' || s.targets === 'steps';
export const showsEpochs = (s: Shown): boolean => s.losses !== 'none' || s.targets !== 'none' || s.totals !== 'none';

/** Two bits each: losses, targets, totals. */
export const showWord = (s: Shown): bigint =>
  BigInt(SHOW.indexOf(s.losses) + 4 * SHOW.indexOf(s.targets) + 16 * SHOW_TOTALS.indexOf(s.totals));

/** The policy part of a leaf's shape: constants of the circuit that a verification key was made for. */
export interface PolicyShape {
  readonly depth: number;
  readonly rounds: number;
  readonly walks: number;
  readonly bins: number;
  readonly classDepth: number;
  readonly scheduleDepth: number;
  /** Zeros without strata. */
  readonly innerRounds: number;
  readonly innerWalks: number;
  readonly strataDepth: number;
  readonly replacement: boolean;
}

export interface PolicyValues extends PolicyShape {
  readonly root: readonly bigint[];
  readonly rows: number;
  /** Permutation of the draws: over all rows, or with strata over the draws of an epoch. */
  readonly order: OrderShape;
  readonly epochExamples: number;
  readonly batch: number;
  readonly epochBatches: number;
  /** Commitments to the keys of both modes; zeros for a mode that no epoch is in. */
  readonly privateKey: readonly bigint[];
  readonly publicKey: readonly bigint[];
  readonly seed: readonly bigint[];
  readonly modes: Modes;
  readonly strata: readonly bigint[];
  readonly strataCount: number;
  readonly classRoot: readonly bigint[];
  readonly quotas: readonly bigint[];
  readonly scheduleRoot: readonly bigint[];
  readonly steps: number;
  readonly clip: bigint;
  /** Targets of a step at most. */ readonly mostTargets: number;
  readonly show: Shown;
}

/** The vector's words. */
export function policyVector(v: PolicyValues): bigint[] {
  const values: Record<PolicyField, readonly bigint[] | bigint | number> = {
    version: POLICY_VERSION,
    depth: v.depth,
    rounds: v.rounds,
    walks: v.walks,
    bins: v.bins,
    classDepth: v.classDepth,
    scheduleDepth: v.scheduleDepth,
    innerRounds: v.innerRounds,
    innerWalks: v.innerWalks,
    strataDepth: v.strataDepth,
    replacement: v.replacement ? 1 : 0,
    root: v.root,
    rows: v.rows,
    domain: v.order.n,
    epochExamples: v.epochExamples,
    batch: v.batch,
    epochBatches: v.epochBatches,
    a: v.order.a,
    b: v.order.b,
    quotientA: quotientBound(v.order.a),
    quotientB: quotientBound(v.order.b),
    privateKey: v.privateKey,
    publicKey: v.publicKey,
    seed: v.seed,
    period: v.modes.period,
    mask: v.modes.mask,
    strata: v.strata,
    strataCount: v.strataCount,
    classRoot: v.classRoot,
    quotas: v.quotas,
    scheduleRoot: v.scheduleRoot,
    steps: v.steps,
    clip: v.clip,
    mostTargets: v.mostTargets,
    show: showWord(v.show),
  };
  const out = Array<bigint>(POLICY_WORDS).fill(0n);
  for (const [name, { at, words }] of POLICY_LAYOUT) {
    const x = values[name],
      w = typeof x === 'object' ? x : [BigInt(x)];
    if (w.length !== words) throw new Error(`${name} has ${w.length} words, expected ${words}`);
    w.forEach((y, k) => {
      out[at + k] = y;
    });
  }
  return out;
}

/** Digest of a vector: what statements hold. */
export const policyDigest = (vector: readonly bigint[]): bigint[] => hashWords(DOMAIN.policy, vector);
