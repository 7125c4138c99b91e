import { log2Ceil } from '../field/log2.js';
import type { HashName } from '../hash/rows.js';
import type { Provenance } from './trusted.js';

/** Parameters of one WHIR opening. All integers; the ledger derives the bits they buy. */
export interface WhirParams {
  readonly bits: number;
  readonly grinding: number;
  /** For a proof that travels and that no circuit verifies: hashes of the prover that a byte less is worth. */
  readonly byteHashes?: number;
  /** Hash of trees and transcript; Poseidon2 where a circuit will verify the proof. */
  readonly hash?: HashName;
}

/**
 * One Merkle tree of a group: its leaves are the used columns of its parts in turn, which stand at their offsets in the
 * group's stack.
 */
export interface WhirTree {
  readonly parts: readonly { readonly used: number; readonly offset: number }[];
  /**
   * Where the root that is committed to hides what is under it: parent of the tree's own root and of four words that
   * only the prover has. An opening shows them.
   */
  readonly salted?: true;
}

/** Columns of a tree. */
export const usedColumns = (t: WhirTree): number => t.parts.reduce((n, p) => n + p.used, 0);

/** Words of a leaf: one of every column, and those of the mask column where the group hides. */
export const leafWords = (g: Pick<GroupSpec, 'hides'>, t: WhirTree): number => usedColumns(t) + (g.hides ? 3 : 0);

/** Cells of a group's stack up to its last column. */
export const groupCells = (g: GroupSpec): number =>
  Math.max(...g.trees.flatMap((t) => t.parts.map((p) => p.offset + p.used))) * 2 ** g.logHeight;

/** A committed matrix: log2 of its columns and rows, of its inverse rate, and the trees that hold its columns. */
export interface GroupSpec {
  readonly logColumns: number;
  readonly logHeight: number;
  readonly logInvRate: number;
  readonly trees: readonly WhirTree[];
  /**
   * Set where the verifier itself takes the roots to be those of an honest commitment, and by whose word: what is
   * opened is then a codeword, and a query buys twice as much. The claim must come with roots of that kind
   * (TrustedRoot).
   */
  readonly trusted?: Provenance;
  /**
   * Where its opening shows nothing of it but the claim: every column has random cells behind its own, and the leaves
   * of its one tree hold a random column of E besides (docs/protocol.md, section 12). Made by `hidingGroup`.
   */
  readonly hides?: Tail;
}

/** Random cells behind each column of a group that hides. */
export interface Tail {
  /** Cells that are random, and those of them, the first ones, that have a weight in the column sumcheck. */
  readonly cells: number;
  readonly masked: number;
  /** log2 of their place in the second vector: a cheating tail may fill it. */
  readonly log: number;
  /** Queries of the group, whose code is longer by the tails. */
  readonly counted: Queries;
}

/** Part of a group's folded vector: where it lies in the second vector, log2 of its length, power of its first cell. */
export interface Piece {
  readonly at: number;
  readonly log: number;
  readonly first: number;
}

/** Parts of a group's folded vector: its cells, and the tail where it hides. */
export const piecesOf = (g: Pick<WhirGroup, 'at' | 'logHeight' | 'tail'>): Piece[] => [
  { at: g.at, log: g.logHeight, first: 0 },
  ...(g.tail ? [{ at: g.tail.at, log: g.tail.log, first: 2 ** g.logHeight }] : []),
];

/** A group as it is opened. `at`: where its folded vector begins in the vector of the second oracle. */
export interface WhirGroup extends GroupSpec {
  readonly domain: number;
  readonly queries: number;
  /** Multiplicity at which its queries and its list are counted; none where its roots are trusted: there is no list. */
  readonly multiplicity?: number;
  readonly cap: number;
  readonly at: number;
  /** Of a group that hides, and where it begins there. */ readonly tail?: Tail & { readonly at: number };
}

/** One later oracle: the vector of `cells` entries as `used` of 2^columns columns of 2^rows. */
export interface WhirRound {
  /** log2 of columns folded, of rows, of the domain. */ readonly columns: number;
  readonly rows: number;
  readonly used: number;
  readonly domain: number;
  readonly queries: number;
  /** Multiplicity at which its queries and its list are counted. */
  readonly multiplicity: number;
  /** Levels of the cap of its tree. */
  readonly cap: number;
  readonly logInvRate: number;
}

/**
 * Groups are folded each on its own; their folded vectors, one behind the other in order of falling size, are the
 * vector of the second oracle, and one chain of rounds goes on from there.
 */
export interface WhirShape {
  readonly params: WhirParams;
  readonly groups: readonly WhirGroup[];
  /** Entries of the second vector, and variables: the least that hold them. */ readonly cells: number;
  readonly vars: number;
  readonly rounds: readonly WhirRound[];
  /** log2 of the last vector, sent in clear. */ readonly final: number;
}

/** log2 |E| = 3 log2 p, rounded down: p^3 = 2^192 (1 - 2^-32 + 2^-64)^3. */
export const CHALLENGE_BITS = 191.999999998;

/** Least multiplicity for which the bound on lists and the one on agreement are proved. */
const LEAST_MULTIPLICITY = 3;

/** log2 of the list size (m + 1/2)/sqrt(rho) at agreement sqrt(rho)(1 + 1/(2 m)), for a code of rate 2^-r. */
export const listBits = (m: number, r: number): number => Math.log2(m + 0.5) + r / 2;

/** Bits that one query buys there: -log2(sqrt(rho)(1 + 1/(2 m))). */
export const queryBits = (m: number, r: number): number => r / 2 - Math.log2(1 + 1 / (2 * m));

/** Queries of an oracle, and the multiplicity m of the Johnson bound at which they are counted. */
export interface Queries {
  readonly queries: number;
  readonly multiplicity: number;
}

/** Bits of a group's rate: below logInvRate where columns have a tail. */
export const groupRate = (g: Pick<WhirGroup, 'logHeight' | 'logInvRate' | 'tail'>): number =>
  g.logInvRate - (g.tail ? Math.log2(1 + 2 ** (g.tail.log - g.logHeight)) : 0);

const known = new Map<string, Queries>();

/**
 * Queries for `bits` bits of which `grinding` are ground, at rate 2^-r; a margin of 1/4 covers the union over the
 * rounds. The number is the least one at the Johnson radius itself, and m the least that suffices for it: (sqrt(rho)(1
 * + 1/(2 m)))^q <= 2^(grinding - bits - 1/4). Larger lists cost the other terms of the ledger, which have more bits
 * than they need. Decided in integers: shapes follow from it.
 */
export function queriesFor(bits: number, r: number, grinding: number): Queries {
  const key = `${bits} ${r} ${grinding}`,
    found = known.get(key);
  if (found) return found;
  // In quarters of a bit: 2 r q of them at the radius, less 4 q log2(1 + 1/(2 m)).
  const need = 4 * (bits - grinding) + 1,
    queries = Math.max(1, Math.floor(need / (2 * r)) + 1),
    spare = BigInt(2 * r * queries - need),
    enough = (m: number): boolean => BigInt(2 * m + 1) ** BigInt(4 * queries) <= (BigInt(2 * m) ** BigInt(4 * queries)) << spare;
  const out = { queries, multiplicity: leastMultiplicity(enough) };
  known.set(key, out);
  return out;
}

/** The least multiplicity that is enough, where all above are. */
export function leastMultiplicity(enough: (m: number) => boolean): number {
  let high = LEAST_MULTIPLICITY;
  while (!enough(high)) high *= 2;
  let low = LEAST_MULTIPLICITY;
  while (low < high) {
    const mid = Math.floor((low + high) / 2);
    if (enough(mid)) high = mid;
    else low = mid + 1;
  }
  return high;
}

/**
 * The same for a group whose roots are trusted: two codewords agree in less than rho of the positions, so that a query
 * buys r bits: least q with r q >= bits - grinding + 1/4.
 */
export const trustedQueries = (bits: number, r: number, grinding: number): number =>
  Math.max(1, Math.ceil((4 * (bits - grinding) + 1) / (4 * r)));

/** log2 of the list of a group, over which what is said of its stack is charged: none where its roots are trusted. */
export const groupListBits = (g: WhirGroup): number => (g.multiplicity === undefined ? 0 : listBits(g.multiplicity, groupRate(g)));

/**
 * Levels of a tree below its root that an opening sends once, so that the paths of q positions end there: one level
 * more costs 2^c hashes and saves q, so that c is the least with 2^c >= q.
 */
export const capLevels = (queries: number, domain: number): number => Math.min(domain, log2Ceil(queries));

/** Permutations to open q rows of so many words: leaves, paths and the cap. */
export function openPermutations(queries: number, domain: number, words: number): number {
  const cap = capLevels(queries, domain);
  return queries * (Math.ceil(words / 8) + domain - cap) + 2 ** cap - 1;
}
