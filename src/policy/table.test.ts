import { describe, expect, it } from 'vitest';
import { compress, hashWords } from '../hash/poseidon2.js';
import { singleKernels } from '../kernels/index.js';
import { emptyNode, rootOf, tableLevels, tablePath, tableRoot } from './table.js';

const k = singleKernels(),
  rowsOf = (n: number, words = 3): bigint[][] =>
    Array.from({ length: n }, (_, i) => Array.from({ length: words }, (_, w) => BigInt(i * i + 7 * w)));

/** The tree by definition: all leaves, the empty ones too, and one node after the other. */
function defined(domain: bigint, rows: readonly (readonly bigint[])[], depth: number): bigint[] {
  let level = Array.from({ length: 2 ** depth }, (_, i) =>
    i < rows.length ? hashWords(domain, [BigInt(i), ...rows[i]]) : [...emptyNode(0)],
  );
  for (; level.length > 1; level = Array.from({ length: level.length / 2 }, (_, i) => compress(level[2 * i], level[2 * i + 1])));
  return level[0];
}

describe('tables that circuits open', () => {
  it('are trees of numbered rows, zeros behind them, whoever hashes', () => {
    for (const [n, depth, words] of [
      [0, 4, 3],
      [1, 4, 3],
      [5, 3, 2],
      [8, 3, 8],
      [13, 4, 9],
    ]) {
      const rows = rowsOf(n, words),
        table = { domain: 19n, rows, depth },
        root = defined(19n, rows, depth);
      for (const kernels of [undefined, k]) {
        const levels = tableLevels(table, kernels);
        expect(rootOf(table, kernels)).toEqual(root);
        expect(tableRoot(levels)).toEqual(root);
        for (let i = 0; i < 2 ** depth; i++) {
          const leaf = i < n ? hashWords(19n, [BigInt(i), ...rows[i]]) : [...emptyNode(0)],
            up = tablePath(levels, i).reduce((d, s, l) => (Math.floor(i / 2 ** l) % 2 ? compress(s, d) : compress(d, s)), leaf);
          expect(up).toEqual(root);
        }
      }
    }
  });
  it('have one root in blocks and in one piece', () => {
    for (const [n, depth] of [
      [4095, 12],
      [4096, 12],
      [4097, 16],
      [20_000, 16],
      [20_480, 24],
    ]) {
      const table = { domain: 19n, rows: rowsOf(n), depth };
      expect(rootOf(table, k)).toEqual(tableRoot(tableLevels(table, k)));
    }
    const few = { domain: 19n, rows: rowsOf(4100), depth: 16 };
    expect(rootOf(few)).toEqual(rootOf(few, k));
  });
  it('hold no more rows than leaves', () => {
    for (const kernels of [undefined, k]) {
      expect(() => rootOf({ domain: 19n, rows: rowsOf(9), depth: 3 }, kernels)).toThrow(RangeError);
      expect(() => tableLevels({ domain: 19n, rows: rowsOf(9), depth: 3 }, kernels)).toThrow(RangeError);
    }
  });
});
