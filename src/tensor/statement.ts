import { sha256 } from '@noble/hashes/sha2.js';
import { P } from '../field/goldilocks.js';
import { VerificationError } from '../transcript/arith.js';
import type { Program, TensorClass } from './types.js';

/** Version of program proofs. */
export const PROOF_VERSION = 2;

/** Point of a state commitment that whoever checks it computes from the state itself. */
export const START_POINT = [0n, 1n, 0n] as const;

/** Whether a state class is left by a program rather than entered. */
export const isOut = (c: TensorClass): boolean => c === 'cOut' || c === 'oOut' || c === 'aOut';

/** Public inputs of a program: integers of dense tensors, ids of one-hot tensors. */
export type Publics = ReadonlyMap<string, BigInt64Array | Int32Array>;

/**
 * What a program proof is about. State commitments by class, ten words each: Merkle root, point z, value y. A root alone binds a list of
 * codewords, of which the next proof could open another one; f(z) = y at a point drawn after the root leaves one of them (docs/protocol.md,
 * section 8). A state that the verifier commits to itself has the fixed point START_POINT. Digest of the frozen integers, public inputs.
 */
export interface Statement {
  readonly roots: Readonly<Record<string, readonly bigint[]>>;
  readonly frozen: readonly bigint[];
  readonly publics: Publics;
}

const words = (digest: Uint8Array): bigint[] => {
  const v = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
  return Array.from({ length: 8 }, (_, k) => BigInt(v.getUint32(4 * k, false)));
};

/** Canonical JSON of a program: keys in the order of the types, integers as decimal strings. */
export function programJson(p: Program): string {
  const norm = (x: unknown): unknown => {
    if (typeof x === 'bigint') return x.toString();
    if (Array.isArray(x)) return x.map(norm);
    if (x && typeof x === 'object')
      return Object.fromEntries(
        Object.entries(x)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([k, v]) => [k, norm(v)]),
      );
    return x;
  };
  return JSON.stringify(norm(p));
}

/** SHA-256 of the program's canonical JSON as eight 32-bit words. */
export const programDigest = (p: Program): bigint[] => words(sha256(new TextEncoder().encode(programJson(p))));

/** SHA-256 over all public tensors, names, lengths and values, in the program's order. */
export function publicDigest(p: Program, publics: Publics): bigint[] {
  const h = sha256.create();
  for (const t of p.tensors) {
    if (t.cls !== 'public' || t.publicKind === 'causal') continue;
    const v = publics.get(t.name);
    if (!v) throw new VerificationError('public input', `${t.name} is missing`);
    if (t.publicKind === 'onehot' ? !(v instanceof Int32Array) : !(v instanceof BigInt64Array))
      throw new VerificationError('public input', `${t.name} has values of another type`);
    // No identity may wrap for any statement: the bounds of public tensors hold here or nowhere.
    if (v instanceof BigInt64Array)
      for (const x of v) if (x < t.lo || x > t.hi) throw new VerificationError('public input', `${t.name} holds ${x}, outside its format`);
    h.update(new TextEncoder().encode(`${t.name}\0${v.length}\0${v instanceof Int32Array ? 'i32' : 'i64'}\0`));
    h.update(littleEndian(v));
  }
  return words(h.digest());
}

/** Words of a statement as given: canonical, as many as expected, so that no two spellings are one statement. */
export function statementWords(label: string, words: readonly bigint[] | undefined, count: number): bigint[] {
  if (!Array.isArray(words) || words.length !== count || words.some((w) => typeof w !== 'bigint' || w < 0n || w >= P))
    throw new VerificationError('statement', `${label} must be ${count} canonical words`);
  return [...words];
}

/** SHA-256 over the frozen stack's signed words. */
export function frozenDigest(stack: BigInt64Array): bigint[] {
  return words(
    sha256
      .create()
      .update(new TextEncoder().encode(`certune/frozen/1/${stack.length}/`))
      .update(littleEndian(stack))
      .digest(),
  );
}

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
