import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { P } from '../field/goldilocks.js';
import { toHex } from '../provenance/bytes.js';
import {
  type Boundary,
  BOUNDARY_BYTES,
  BOUNDARY_WORDS,
  boundaryBytes,
  boundaryOf,
  boundaryWords,
  firstBoundary,
  sameBoundary,
} from './boundary.js';
import { FederationError } from './errors.js';
import { leafHash, pathLength, pathRoot, recordLeaf, recordSalt, treePath, treeRoot } from './tree.js';

const leaves = (n: number): Uint8Array[] => Array.from({ length: n }, (_, i) => leafHash(Uint8Array.of(i)));

describe('trees of records', () => {
  it('are those of RFC 9162', () => {
    // Root of one leaf without data, as certificate transparency prints it.
    expect(toHex(treeRoot([leafHash(new Uint8Array(0))]))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
    const [a, b, c] = leaves(3),
      node = (x: Uint8Array, y: Uint8Array): Uint8Array => sha256(Uint8Array.of(1, ...x, ...y));
    expect(treeRoot([a, b, c])).toEqual(node(node(a, b), c));
    expect(treePath([a, b, c], 2)).toEqual([node(a, b)]);
  });
  it('open every leaf at its place and at no other, for every size up to 20', () => {
    for (let n = 1; n <= 20; n++) {
      const l = leaves(n),
        root = treeRoot(l);
      for (let i = 0; i < n; i++) {
        const path = treePath(l, i);
        expect(path).toHaveLength(pathLength(i, n));
        expect(pathRoot(l[i], i, n, path)).toEqual(root);
        for (let j = 0; j < n; j++) if (j !== i && pathLength(j, n) === path.length) expect(pathRoot(l[i], j, n, path)).not.toEqual(root);
      }
    }
  });
  it('refuse places outside, siblings more or fewer, an inner node as a leaf', () => {
    const l = leaves(5),
      path = treePath(l, 1);
    for (const [i, n] of [
      [5, 5],
      [-1, 5],
      [1.5, 5],
      [0, 2 ** 21],
    ])
      expect(() => pathRoot(l[0], i, n, path, 'dave')).toThrow(/^record place: dave/);
    expect(() => pathRoot(l[1], 1, 5, path.slice(1))).toThrow(/^record path/);
    expect(() => pathRoot(l[1], 1, 5, [...path, path[0]])).toThrow(FederationError);
    // The node above leaves 0 and 1, passed off as the leaf of a tree of fewer: its data would have to begin with the
    // byte 1.
    const inner = treeRoot(l, 0, 2);
    expect(() => pathRoot(inner, 0, 5, path.slice(1))).toThrow(/^record path/);
    expect(leafHash(Uint8Array.of(...l[0], ...l[1]))).not.toEqual(inner);
  });
  it('have salts that are functions of round and place', () => {
    const secret = new Uint8Array(32).fill(9),
      s = recordSalt(secret, 3, 4);
    expect(s).toHaveLength(16);
    expect(recordSalt(secret, 3, 4)).toEqual(s);
    for (const other of [recordSalt(secret, 3, 5), recordSalt(secret, 4, 4), recordSalt(new Uint8Array(32), 3, 4)])
      expect(other).not.toEqual(s);
    const b = boundaryBytes(firstBoundary(3, Array<bigint>(17).fill(1n)));
    expect(recordLeaf(s, 4, b)).not.toEqual(recordLeaf(s, 5, b));
  });
});

describe('boundary records', () => {
  const b = firstBoundary(
    7,
    Array.from({ length: 17 }, (_, i) => BigInt(i)),
  );
  it('have 36 words in 288 bytes, one encoding each', () => {
    expect([BOUNDARY_WORDS, BOUNDARY_BYTES, boundaryBytes(b).length]).toEqual([36, 288, 288]);
    expect(boundaryOf(boundaryWords(b))).toEqual(b);
    expect(sameBoundary(b, firstBoundary(8, b.s))).toBe(false);
    expect(b.pos[3]).toBe(7n);
  });
  it('refuse words that are not canonical, more or fewer', () => {
    for (const bad of [
      { ...b, pos: [...b.pos.slice(1), P] },
      { ...b, s: b.s.slice(1) },
      { ...b, losses: [0n, 0n, 0n, -1n] },
      { ...b, epochs: [...b.epochs, 0n] },
    ] as Boundary[])
      expect(() => boundaryWords(bad, 'erin')).toThrow(/^boundary record: erin/);
    expect(() => boundaryOf(Array<bigint>(35).fill(0n))).toThrow(/35 words/);
    expect(() => boundaryOf(Array<bigint>(36).fill(P))).toThrow(/^boundary record/);
  });
});
