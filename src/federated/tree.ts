import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '../provenance/bytes.js';
import { FederationError } from './errors.js';

/*
 * Trees of SHA-256 as RFC 9162 (section 2.1) has them: a leaf is hashed behind a byte 0, a node behind a byte 1, and
 * the left half of n leaves is the largest power of two below n. No circuit reads these trees.
 */

const LEAF = Uint8Array.of(0),
  NODE = Uint8Array.of(1);
/** Most leaves of a tree: the units of a round, or its clients. */
export const MOST_LEAVES = 2 ** 20;

export const leafHash = (data: Uint8Array): Uint8Array => sha256(concatBytes(LEAF, data));
const nodeHash = (a: Uint8Array, b: Uint8Array): Uint8Array => sha256(concatBytes(NODE, a, b));

/** Largest power of two below n, for n > 1. */
const split = (n: number): number => {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
};

/** Root over hashes of leaves. Throws RangeError for no leaf. */
export function treeRoot(leaves: readonly Uint8Array[], from = 0, to = leaves.length): Uint8Array {
  if (to <= from) throw new RangeError('a tree needs a leaf');
  if (to - from === 1) return leaves[from];
  const k = from + split(to - from);
  return nodeHash(treeRoot(leaves, from, k), treeRoot(leaves, k, to));
}

/** Siblings of a leaf from the leaf up. */
export function treePath(leaves: readonly Uint8Array[], index: number, from = 0, to = leaves.length): Uint8Array[] {
  if (to - from <= 1) return [];
  const k = from + split(to - from);
  return index < k
    ? [...treePath(leaves, index, from, k), treeRoot(leaves, k, to)]
    : [...treePath(leaves, index, k, to), treeRoot(leaves, from, k)];
}

/** Number of siblings of a leaf of a tree of n. */
export function pathLength(index: number, n: number): number {
  let from = 0,
    to = n,
    out = 0;
  while (to - from > 1) {
    const k = from + split(to - from);
    if (index < k) to = k;
    else from = k;
    out++;
  }
  return out;
}

/**
 * Root that a leaf and its siblings give at a place. Throws FederationError where the place is not in the tree, or the
 * siblings are more or fewer than its place has.
 */
export function pathRoot(leaf: Uint8Array, index: number, n: number, path: readonly Uint8Array[], party?: string): Uint8Array {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < n && n <= MOST_LEAVES))
    throw new FederationError('record place', `place ${index} of ${n}`, party);
  if (path.length !== pathLength(index, n))
    throw new FederationError('record path', `${path.length} siblings, place ${index} of ${n} has ${pathLength(index, n)}`, party);
  let at = 0;
  const go = (from: number, to: number): Uint8Array => {
    if (to - from === 1) return leaf;
    const k = from + split(to - from);
    if (index < k) {
      const below = go(from, k);
      return nodeHash(below, path[at++]);
    }
    const below = go(k, to);
    return nodeHash(path[at++], below);
  };
  return go(0, n);
}

export const SALT_BYTES = 16;

/**
 * Salt of a client's boundary record: the first 16 bytes of HMAC-SHA-256 under its secret, of round and place. One that
 * is opened tells nothing of another's.
 */
export function recordSalt(secret: Uint8Array, round: number, index: number): Uint8Array {
  const at = new Uint8Array(16),
    v = new DataView(at.buffer);
  v.setBigUint64(0, BigInt(round), false);
  v.setBigUint64(8, BigInt(index), false);
  return hmac(sha256, secret, at).slice(0, SALT_BYTES);
}

/** Leaf of a boundary record: its salt, its place as eight bytes, its words. */
export function recordLeaf(salt: Uint8Array, index: number, record: Uint8Array): Uint8Array {
  const at = new Uint8Array(8);
  new DataView(at.buffer).setBigUint64(0, BigInt(index), false);
  return leafHash(concatBytes(salt, at, record));
}
