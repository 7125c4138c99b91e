import { sha256, sha256Stream } from '../hash/sha256.js';
import { P, mod } from '../field/goldilocks.js';
import { DOMAIN } from '../hash/poseidon2.js';
import type { HashName } from '../hash/rows.js';
import { varsOf } from '../lookup/shape.js';
import { type Arith, type Elem, type Ext, VerificationError } from '../transcript/arith.js';
import { merkleHash } from '../transcript/sponge.js';
import { type StateTree, commitmentLayout } from './state-layout.js';
import type { Program, TensorSpec } from './types.js';

/** Version of program proofs. */
export const PROOF_VERSION = 9;

/**
 * Point of the state commitment with this root (and digest of the adapter): their hash, so that it is drawn after the
 * committed words and yet anyone who holds the state makes the same commitment, without the proof that left it.
 */
export function statePoint(rootAndDigest: readonly bigint[], hash: HashName = 'poseidon2'): Ext {
  const [a, b, c] = merkleHash(hash).hashWords(DOMAIN.state, rootAndDigest);
  return [a, b, c];
}

/** Public inputs of a program: integers of dense tensors, ids of one-hot tensors. */
export type Publics = ReadonlyMap<string, BigInt64Array | Int32Array>;

/**
 * What a program proof is about. State commitments by name (words: commitmentLayout). A root alone binds a list of
 * codewords, of which the next proof could open another one; its values at a point that is a hash of the root leave one
 * of them (docs/protocol.md, section 8). Digest of the frozen integers, public inputs.
 */
export interface Statement {
  /**
   * What the proof is part of: digest of the run's manifest, so that it is no proof under another one. Zeros for a
   * program alone.
   */
  readonly context?: readonly bigint[];
  readonly roots: Readonly<Record<string, readonly bigint[]>>;
  readonly frozen: readonly bigint[];
  readonly publics: Publics;
}

/**
 * The same as handles of base elements: constants natively, wires in a circuit. `publics` holds the packed words of
 * every public tensor but the causal masks.
 */
export interface StatementElems {
  readonly context: readonly Elem[];
  readonly roots: Readonly<Record<string, readonly Elem[]>>;
  readonly frozen: readonly Elem[];
  readonly publics: ReadonlyMap<string, readonly Elem[]>;
}

/** Bits of a word that carry packed values: below p, so that a word has one split. */
const PACKED_BITS = 62;

/** How a public tensor is written in words. */
export interface Packing {
  readonly cells: number;
  /** Values in a row: the last axis. */ readonly width: number;
  /** Bits of a value; 0: a word per value. */ readonly bits: number;
  readonly perWord: number;
  /** Words of a row, and of all rows. */ readonly rowWords: number;
  readonly words: number;
}

/**
 * How a public tensor is written in words. Ids of a one-hot tensor over v rows take b + 1 bits, b = ceil(log2 v): the
 * id, or 2^b for none; a dense tensor of bits takes one each; as many as fit 62 bits share a word, first value lowest.
 * Every row (the last axis) begins with a word of its own, so that the words of a row of tokens are those that the
 * dataset's commitment hashes. Other dense tensors take a word per value.
 */
export function packing(p: Program, t: TensorSpec): Packing {
  const sizes = t.axes.map((a) => p.axes[a]),
    hot = t.publicKind === 'onehot',
    positions = sizes.slice(hot ? 1 : 0),
    cells = positions.reduce((x, y) => x * y, 1),
    width = positions[positions.length - 1] ?? 1,
    bits = hot ? varsOf(sizes[0]) + 1 : t.lo === 0n && t.hi === 1n ? 1 : 0,
    perWord = bits ? Math.floor(PACKED_BITS / bits) : 1,
    rowWords = Math.ceil(width / perWord);
  return { cells, width, bits, perWord, rowWords, words: (cells / width) * rowWords };
}

/** Word of the value at position k. */
export const wordOf = (x: Packing, k: number): number => Math.floor(k / x.width) * x.rowWords + Math.floor((k % x.width) / x.perWord);

/** Values in a word. */
export const valuesIn = (x: Packing, word: number): number => Math.min(x.perWord, x.width - (word % x.rowWords) * x.perWord);

/**
 * Words of a public tensor. Throws VerificationError where its values are missing, of another type or number, or
 * outside its format.
 */
export function packPublic(p: Program, t: TensorSpec, values: BigInt64Array | Int32Array | undefined): bigint[] {
  const x = packing(p, t),
    { cells, bits, perWord, width, words } = x,
    hot = t.publicKind === 'onehot',
    // Tokens of which another tensor takes the next ones: every position has one.
    least = hot && p.tensors.some((o) => o.next?.ids === t.name) ? 0 : -1;
  if (!values) throw new VerificationError('public input', `${t.name} is missing`);
  if (hot ? !(values instanceof Int32Array) : !(values instanceof BigInt64Array))
    throw new VerificationError('public input', `${t.name} has values of another type`);
  if (values.length !== cells) throw new VerificationError('public input', `${t.name} has ${values.length} values, expected ${cells}`);
  const out = Array<bigint>(words).fill(0n);
  values.forEach((v: bigint | number, k: number) => {
    if (hot ? v < least || v >= p.axes[t.axes[0]] : v < t.lo || v > t.hi)
      throw new VerificationError('public input', `${t.name} holds ${v}, outside its format`);
    const code = hot && v < 0 ? 1n << BigInt(bits - 1) : BigInt(v);
    out[wordOf(x, k)] += bits ? code << BigInt(bits * ((k % width) % perWord)) : mod(code);
  });
  return out;
}

/** Handles of a statement given by value. Throws VerificationError for public inputs outside their formats. */
export function statementElems(ch: Arith, p: Program, states: readonly StateTree[], st: Statement): StatementElems {
  const elems = (words: readonly bigint[]): Elem[] => words.map((w) => ch.constant(w));
  return {
    context: elems(contextWords(st)),
    roots: Object.fromEntries(
      states.map((t) => [t.name, elems(statementWords(`state ${t.name}`, st.roots[t.name], commitmentLayout(t).words))]),
    ),
    frozen: elems(statementWords('frozen digest', st.frozen, 8)),
    publics: new Map(publicTensors(p).map((t) => [t.name, elems(packPublic(p, t, st.publics.get(t.name)))])),
  };
}

/** Public tensors that the statement lists, in the program's order: not those that follow from others. */
export const publicTensors = (p: Program): TensorSpec[] =>
  p.tensors.filter((t) => t.cls === 'public' && t.publicKind !== 'causal' && t.next === undefined);

const words = (digest: Uint8Array): bigint[] => {
  const v = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
  return Array.from({ length: 8 }, (_, k) => BigInt(v.getUint32(4 * k, false)));
};

/** Whether names are in order. */
const inOrder = (names: readonly string[]): boolean => names.every((n, i) => i === 0 || names[i - 1] < n);

/** A part of a program as JSON; undefined for what JSON has no text for. */
function jsonOf(x: unknown): string | undefined {
  if (typeof x === 'bigint') return `"${x}"`;
  if (x === null || typeof x !== 'object') return JSON.stringify(x);
  if (Array.isArray(x)) {
    let all = '';
    for (const v of x) all += `${all === '' ? '' : ','}${jsonOf(v) ?? 'null'}`;
    return `[${all}]`;
  }
  const names = Object.keys(x);
  if (!inOrder(names)) names.sort();
  let all = '';
  for (const n of names) {
    const v = jsonOf((x as Readonly<Record<string, unknown>>)[n]);
    if (v !== undefined) all += `${all === '' ? '' : ','}${JSON.stringify(n)}:${v}`;
  }
  return `{${all}}`;
}

/**
 * Canonical JSON of a program: keys in the order of their characters, integers as decimal strings. Written at once, for
 * every verification of a file makes a program: normalised and then written, it took as long as building it.
 */
export const programJson = (p: Program): string => jsonOf(p)!;

const digests = new WeakMap<Program, readonly bigint[]>();

/**
 * SHA-256 of the program's canonical JSON as eight 32-bit words. A program never changes, so that each is hashed once.
 */
export function programDigest(p: Program): readonly bigint[] {
  let d = digests.get(p);
  if (!d) {
    d = words(sha256(new TextEncoder().encode(programJson(p))));
    digests.set(p, d);
  }
  return d;
}

/** Words of a statement as given: canonical, as many as expected, so that no two spellings are one statement. */
export function statementWords(label: string, words: readonly bigint[] | undefined, count: number): bigint[] {
  // A hole of a sparse array would be passed over by every method.
  const all: unknown[] = Array.isArray(words) ? Array.from(words) : [];
  if (all.length !== count || all.some((w) => typeof w !== 'bigint' || w < 0n || w >= P))
    throw new VerificationError('statement', `${label} must be ${count} canonical words`);
  return all as bigint[];
}

/** The context of a statement: eight words. */
export const contextWords = (st: Pick<Statement, 'context'>): bigint[] =>
  st.context === undefined ? Array<bigint>(8).fill(0n) : statementWords('context', st.context, 8);

/** SHA-256 over the frozen stack's signed words. */
export function frozenDigest(stack: BigInt64Array): bigint[] {
  const digest = sha256Stream().update(new TextEncoder().encode(`certune/frozen/1/${stack.length}/`));
  for (let at = 0; at < stack.length; at += DIGESTED) digest.update(littleEndian(stack.subarray(at, at + DIGESTED)));
  return words(digest.digest());
}

/** Words of a stack that are hashed at a time: no more than 2^31 bytes may be. */
const DIGESTED = 2 ** 24;

function littleEndian(v: BigInt64Array | Int32Array): Uint8Array {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
  const out = new Uint8Array(v.byteLength),
    d = new DataView(out.buffer);
  v.forEach((x: bigint | number, k: number) => {
    if (typeof x === 'bigint') d.setBigInt64(8 * k, x, true);
    else d.setInt32(4 * k, x, true);
  });
  return out;
}
