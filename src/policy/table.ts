import { compress, hashWords } from '../hash/poseidon2.js';
import { poseidon2Rows, rowDigests } from '../hash/rows.js';
import type { Kernels } from '../kernels/runtime.js';

const empty: bigint[][] = [[0n, 0n, 0n, 0n]];

/** Node of the given height above zero digests only. */
export function emptyNode(height: number): readonly bigint[] {
  while (empty.length <= height) empty.push(compress(empty[empty.length - 1], empty[empty.length - 1]));
  return empty[height];
}

/** Least of the depths that holds so many rows, or undefined. */
export const tableDepth = (depths: readonly number[], rows: number): number | undefined => depths.find((d) => rows <= 2 ** d);

/** Pairs of nodes hashed in one go: bounds the kernels' memory. */
const PAIRS = 1 << 18;

/** Nodes above those of a level, four words each, by the kernels; behind the last is `zero`. */
export function levelAbove(k: Kernels, level: BigUint64Array, zero: readonly bigint[]): BigUint64Array {
  const nodes = Math.ceil(level.length / 8),
    up = new BigUint64Array(4 * nodes);
  for (let from = 0; from < nodes; from += PAIRS) {
    const n = Math.min(PAIRS, nodes - from),
      part = level.subarray(8 * from, 8 * (from + n));
    k.scope(() => {
      const src = k.alloc(64 * n),
        dst = k.alloc(32 * n);
      k.u64.set(part, src / 8);
      if (part.length < 8 * n) k.u64.set(zero, src / 8 + part.length);
      poseidon2Rows.merkleLevel(k, dst, src, n);
      up.set(k.u64.subarray(dst / 8, dst / 8 + 4 * n), 4 * from);
    });
  }
  return up;
}

/** A table that a circuit opens: rows, which are numbered from 0, in the domain given, in a tree of 2^depth leaves. */
export interface Table {
  readonly domain: bigint;
  readonly rows: Iterable<readonly bigint[]>;
  readonly depth: number;
}

/** Rows of a table that are hashed in one go: log2. */
const BLOCK = 12;

/**
 * Leaves of a table, 2^BLOCK at a time: hashes of (number, words) of rows. Without kernels they take 40 times as long.
 * Throws RangeError for more rows than the table holds.
 */
function* leafBlocks({ domain, rows, depth }: Table, k?: Kernels): Generator<BigUint64Array> {
  let count = 0,
    block: bigint[][] = [];
  const hashed = (): BigUint64Array => {
    const words = block[0]?.length ?? 0,
      n = block.length,
      out = new BigUint64Array(4 * n);
    if (!k) block.forEach((r, j) => out.set(hashWords(domain, r), 4 * j));
    else
      k.scope(() => {
        const src = k.alloc(8 * words * n),
          dst = k.alloc(32 * n);
        block.forEach((r, j) => k.u64.set(r, src / 8 + words * j));
        rowDigests(k, dst, domain, src, words, n);
        out.set(k.u64.subarray(dst / 8, dst / 8 + 4 * n));
      });
    block = [];
    return out;
  };
  for (const r of rows) {
    if (count >= 2 ** depth) throw new RangeError(`more than ${count} rows in a table of depth ${depth}`);
    block.push([BigInt(count++), ...r]);
    if (block.length === 2 ** BLOCK) yield hashed();
  }
  if (block.length) yield hashed();
}

/** The nodes above those of a level, by kernels or without. */
function above(level: BigUint64Array, zero: readonly bigint[], k?: Kernels): BigUint64Array {
  if (k) return levelAbove(k, level, zero);
  const up = new BigUint64Array(4 * Math.ceil(level.length / 8)),
    node = (at: number): readonly bigint[] => (at < level.length ? [...level.subarray(at, at + 4)] : zero);
  for (let at = 0; at < up.length; at += 4) up.set(compress(node(2 * at), node(2 * at + 4)), at);
  return up;
}

/**
 * Levels, leaves first, of a table; zero digests, of which nobody knows a preimage, stand behind the last row. A level
 * holds the nodes above rows only, four words each.
 */
export function tableLevels(t: Table, k?: Kernels): BigUint64Array[] {
  const blocks = [...leafBlocks(t, k)],
    leaves = new BigUint64Array(blocks.reduce((n, b) => n + b.length, 0));
  blocks.reduce((at, b) => (leaves.set(b, at), at + b.length), 0);
  const levels: BigUint64Array[] = [leaves];
  for (let d = 0; d < t.depth; d++) levels.push(above(levels[d], emptyNode(d), k));
  return levels;
}

/**
 * Root of the same table without its levels: rows are taken block by block, and one node of every height above is kept.
 */
export function rootOf(t: Table, k?: Kernels): bigint[] {
  const height = Math.min(BLOCK, t.depth),
    // Nodes of whole subtrees that wait for their right sibling, by height.
    waiting: (readonly bigint[] | undefined)[] = [];
  for (const leaves of leafBlocks(t, k)) {
    let level = leaves;
    for (let d = 0; d < height; d++) level = above(level, emptyNode(d), k);
    let node: readonly bigint[] = [...level],
      d = height;
    for (let left = waiting[d]; left; left = waiting[d]) {
      waiting[d++] = undefined;
      node = compress(left, node);
    }
    waiting[d] = node;
  }
  let tail: readonly bigint[] | undefined;
  for (let d = height; d < t.depth; d++) {
    const left = waiting[d];
    if (left) tail = compress(left, tail ?? emptyNode(d));
    else if (tail) tail = compress(tail, emptyNode(d));
  }
  return [...(waiting[t.depth] ?? tail ?? emptyNode(t.depth))];
}

/** Siblings of row `index` from the leaf up. */
export const tablePath = (levels: readonly BigUint64Array[], index: number): bigint[][] =>
  levels.slice(0, -1).map((level, d) => {
    const at = 4 * (Math.floor(index / 2 ** d) ^ 1);
    return at < level.length ? [...level.subarray(at, at + 4)] : [...emptyNode(d)];
  });

/** Root of a table's levels. */
export const tableRoot = (levels: readonly BigUint64Array[]): bigint[] => {
  const top = levels[levels.length - 1];
  return top.length ? [...top] : [...emptyNode(levels.length - 1)];
};
