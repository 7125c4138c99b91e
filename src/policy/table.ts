import { compress, hashWords } from '../hash/poseidon2.js';

const empty: bigint[][] = [[0n, 0n, 0n, 0n]];

/** Node of the given height above zero digests only. */
export function emptyNode(height: number): readonly bigint[] {
  while (empty.length <= height) empty.push(compress(empty[empty.length - 1], empty[empty.length - 1]));
  return empty[height];
}

/** Least of the depths that holds so many rows, or undefined. */
export const tableDepth = (depths: readonly number[], rows: number): number | undefined => depths.find((d) => rows <= 2 ** d);

/**
 * Levels, leaves first, of a table that a circuit opens: a tree of 2^depth leaves, each the hash of (number, words) of
 * a row in the domain given; zero digests, of which nobody knows a preimage, stand behind the last row. A level holds
 * the nodes above rows only.
 */
export function tableLevels(domain: bigint, rows: readonly (readonly bigint[])[], depth: number): bigint[][][] {
  if (rows.length > 2 ** depth) throw new RangeError(`${rows.length} rows in a table of depth ${depth}`);
  const levels = [rows.map((r, k) => hashWords(domain, [BigInt(k), ...r]))];
  for (let d = 0; d < depth; d++) {
    const level = levels[d],
      zero = emptyNode(d);
    levels.push(Array.from({ length: Math.ceil(level.length / 2) }, (_, k) => compress(level[2 * k], level[2 * k + 1] ?? zero)));
  }
  return levels;
}

/**
 * Root of the same table without its levels: rows are taken one by one, and one node of every height is kept. Throws
 * RangeError for more rows than it holds.
 */
export function rootOf(domain: bigint, rows: Iterable<readonly bigint[]>, depth: number): bigint[] {
  // Nodes of whole subtrees that wait for their right sibling, by height.
  const waiting: (bigint[] | undefined)[] = [];
  let count = 0;
  for (const r of rows) {
    let node = hashWords(domain, [BigInt(count++), ...r]),
      d = 0;
    for (let left = waiting[0]; left; left = waiting[d]) {
      waiting[d++] = undefined;
      node = compress(left, node);
    }
    waiting[d] = node;
  }
  if (count > 2 ** depth) throw new RangeError(`${count} rows in a table of depth ${depth}`);
  let tail: bigint[] | undefined;
  for (let d = 0; d < depth; d++) {
    const left = waiting[d];
    if (left) tail = compress(left, tail ?? emptyNode(d));
    else if (tail) tail = compress(tail, emptyNode(d));
  }
  return waiting[depth] ?? tail ?? [...emptyNode(depth)];
}

/** Siblings of row `index` from the leaf up. */
export const tablePath = (levels: readonly (readonly (readonly bigint[])[])[], index: number): bigint[][] =>
  levels.slice(0, -1).map((level, d) => [...(level[Math.floor(index / 2 ** d) ^ 1] ?? emptyNode(d))]);

/** Root of a table's levels. */
export const tableRoot = (levels: readonly (readonly (readonly bigint[])[])[]): bigint[] => [
  ...(levels[levels.length - 1][0] ?? emptyNode(levels.length - 1)),
];
