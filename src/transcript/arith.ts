/**
 * The two interfaces against which every verifier is written once. Handles are opaque numbers: indices or addresses of
 * elements of E = F[x]/(x^3 - x - 1) natively, wires in a circuit. Verifier code never reads a value to decide what to
 * do next.
 */

declare const elemBrand: unique symbol;
/** Handle of an element of E (base elements are embedded as c0). */
export type Elem = number & { readonly [elemBrand]: true };

/** An element of E by value, coefficients canonical. */
export type Ext = readonly [bigint, bigint, bigint];

/** A commitment root: four base elements. */
export type Digest = readonly [Elem, Elem, Elem, Elem];

/** The four handles of a digest, from `at` on. */
export const asDigest = (e: readonly Elem[], at = 0): Digest => [e[at], e[at + 1], e[at + 2], e[at + 3]];

/** The three words of an element of E, from `at` on. */
export const asExt = (words: readonly bigint[], at = 0): Ext => [words[at], words[at + 1], words[at + 2]];

/** Arithmetic on handles. */
export interface Arith {
  constant(value: bigint | Ext): Elem;
  add(a: Elem, b: Elem): Elem;
  sub(a: Elem, b: Elem): Elem;
  mul(a: Elem, b: Elem): Elem;
  /** a * b + c */
  mulAdd(a: Elem, b: Elem, c: Elem): Elem;
  /** a + b x + c x^2 for base elements a, b, c. */
  compose(a: Elem, b: Elem, c: Elem): Elem;
  /** The base elements of which compose makes a. */
  coordinates(a: Elem): readonly [Elem, Elem, Elem];
  /** Throws VerificationError when a is zero. */
  inverse(a: Elem): Elem;
  /** bit = 1: a, bit = 0: b. `bit` must be a handle that split or sampleBits returned, or the constant 0 or 1. */
  select(bit: Elem, a: Elem, b: Elem): Elem;
  /** Throws VerificationError naming `check` when a != b. */
  assertEqual(a: Elem, b: Elem, check: string): void;
  /** c + sum a_i b_i, where a channel has something better than one product after the other. */
  dot?(a: readonly Elem[], b: readonly Elem[], c: Elem): Elem;
}

/** c + sum a_i b_i. */
export const dot = (ch: Arith, a: readonly Elem[], b: readonly Elem[], c: Elem): Elem =>
  ch.dot ? ch.dot(a, b, c) : a.reduce((sum, x, i) => ch.mulAdd(x, b[i], sum), c);

/**
 * Messages from the prover and challenges to it. Reading a message absorbs it; only Merkle openings are not absorbed.
 */
export interface Channel extends Arith {
  /** Absorb public inputs: base words known to both sides. Only allowed before the first challenge. */
  publicWords(label: string, words: readonly bigint[]): void;
  /** Absorb public inputs that are already handles of base elements (roots from a statement). */
  publicElems(label: string, elems: readonly Elem[]): void;
  /** Read and absorb n elements of E. */
  read(label: string, n: number): Elem[];
  /** Read and absorb n base elements. */
  readBase(label: string, n: number): Elem[];
  /** Read and absorb a digest. */
  readDigest(label: string): Digest;
  /** The n <= 62 bits of a base element, least significant first. Throws VerificationError when it is not below 2^n. */
  split(word: Elem, n: number): Elem[];
  /** hashWords of the proof's hash over base elements; neither read nor absorbed. */
  hash(domain: bigint, words: readonly Elem[]): Elem[];
  /** Squeeze a challenge in E. */
  sample(label: string): Elem;
  /**
   * Squeeze an index of n bits (at most 32), least significant bit first, as elements 0 or 1, from a canonically split
   * word.
   */
  sampleBits(label: string, n: number): Elem[];
  /** Read a nonce word, absorb it, require `bits` leading-zero grinding bits. */
  grind(label: string, bits: number): void;
  /**
   * Read the 2^levels nodes of a tree that lie `levels` below its root, unabsorbed, and check that they hash to `root`.
   * Behind those of a salted tree come the four words of its salt: `root` is the parent of the tree's own and of them.
   */
  merkleCap(label: string, root: Digest, levels: number, salted?: boolean): readonly Digest[];
  /**
   * Read an unabsorbed Merkle opening (leaf of `words` base elements, then the path), check it against the node of
   * `cap` at the position given by `bits` (least significant first, length = tree depth; the last ones select the
   * node), return the leaf.
   */
  merkleOpen(label: string, cap: readonly Digest[], bits: readonly Elem[], words: number): Elem[];
}

/** A verifier's refusal: `check` names the check that failed. */
export class VerificationError extends Error {
  readonly check: string;
  constructor(check: string, message?: string) {
    super(message ? `${check}: ${message}` : check);
    this.name = 'VerificationError';
    this.check = check;
  }
}
