import type { HashName } from '../hash/rows.js';

/** Parameters of one WHIR opening. All integers; the ledger derives the bits they buy. */
export interface WhirParams {
  readonly bits: number;
  readonly grinding: number;
  /** How much more than usual a permutation of the verifier weighs against the prover's hashes: more than one for proofs that travel. */
  readonly weight?: number;
  /** Hash of trees and transcript; Poseidon2 where a circuit will verify the proof. */
  readonly hash?: HashName;
}

/** One Merkle tree of a group: its leaves are the used columns of its parts in turn, which stand at their offsets in the group's stack. */
export interface WhirTree {
  readonly parts: readonly { readonly used: number; readonly offset: number }[];
}

/** Columns of a tree. */
export const usedColumns = (t: WhirTree): number => t.parts.reduce((n, p) => n + p.used, 0);

/** Cells of a group's stack up to its last column. */
export const groupCells = (g: GroupSpec): number =>
  Math.max(...g.trees.flatMap((t) => t.parts.map((p) => p.offset + p.used))) * 2 ** g.logHeight;

/** A committed matrix: log2 of its columns and rows, of its inverse rate, and the trees that hold its columns. */
export interface GroupSpec {
  readonly logColumns: number;
  readonly logHeight: number;
  readonly logInvRate: number;
  readonly trees: readonly WhirTree[];
}

/** A group as it is opened. `at`: where its folded vector begins in the vector of the second oracle. */
export interface WhirGroup extends GroupSpec {
  readonly domain: number;
  readonly queries: number;
  readonly cap: number;
  readonly at: number;
}

/** One later oracle: the vector of `cells` entries as `used` of 2^columns columns of 2^rows. */
export interface WhirRound {
  /** log2 of columns folded, of rows, of the domain. */ readonly columns: number;
  readonly rows: number;
  readonly used: number;
  readonly domain: number;
  readonly queries: number /** Levels of the cap of its tree. */;
  readonly cap: number;
  readonly logInvRate: number;
}

/**
 * Groups are folded each on its own; their folded vectors, one behind the other in order of falling size, are the vector of the second oracle, and one chain of
 * rounds goes on from there.
 */
export interface WhirShape {
  readonly params: WhirParams;
  readonly groups: readonly WhirGroup[];
  /** Entries of the second vector, and variables: the least that hold them. */ readonly cells: number;
  readonly vars: number;
  readonly rounds: readonly WhirRound[];
  /** log2 of the last vector, sent in clear. */ readonly final: number;
}

/** Multiplicity parameter of the Johnson bound: the list decoding radius is 1 - sqrt(rho)(1 + 1/(2 m)). */
export const JOHNSON_M = 30;

/** log2 of the list size at the Johnson radius of a commitment of rate 2^-r: (m + 1/2)/sqrt(rho). */
export const listBits = (r: number): number => Math.log2(JOHNSON_M + 0.5) + r / 2;

/** Bits that one query buys at rate 2^-r: -log2(sqrt(rho) (1 + 1/(2m))). */
export const queryBits = (r: number): number => r / 2 - Math.log2(1 + 1 / (2 * JOHNSON_M));

/** Queries for `bits` bits of which `grinding` are ground; the margin of 0.25 covers the union over the rounds. */
export const queriesFor = (bits: number, r: number, grinding: number): number => Math.ceil((bits + 0.25 - grinding) / queryBits(r));

/**
 * Levels of a tree below its root that an opening sends once, so that the paths of q positions end there: one level more costs 2^c hashes and saves q,
 * so that c is the least with 2^c >= q.
 */
export const capLevels = (queries: number, domain: number): number => Math.min(domain, log2Ceil(queries));

/** Least k with 2^k >= n. */
export const log2Ceil = (n: number): number => (n <= 1 ? 0 : 32 - Math.clz32(n - 1));

/** Permutations to open q rows of so many words: leaves, paths and the cap. */
export function openPermutations(queries: number, domain: number, words: number): number {
  const cap = capLevels(queries, domain);
  return queries * (Math.ceil(words / 8) + domain - cap) + 2 ** cap - 1;
}
