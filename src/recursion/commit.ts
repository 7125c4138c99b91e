import { type WhirGroup, type WhirShape, groupCells, usedColumns } from '../pcs/params.js';
import type { HashName } from '../hash/rows.js';
import { type Oracle, STACK_SHARE, commitBase, saveTree } from '../pcs/commit.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Tiled } from '../sumcheck/product.js';

/**
 * A committed stack, near or read in tiles from its words; what of it is near, and the levels of its tree, stay in the
 * kernel's memory until the caller releases them.
 */
export interface Settled {
  readonly shape: WhirShape;
  readonly stack: Tiled;
  readonly oracle: Oracle;
}

/** A stack's tree outside the kernel's memory (saveTree), 64 bytes for each point of the domain, and its root. */
export interface StackTree {
  readonly root: readonly bigint[];
  readonly tree: Uint8Array;
}

/** Words [from, from + n) to an address, zeros beyond their end. */
function copyWords(k: Kernels, words: BigInt64Array, to: number, from: number, n: number): void {
  const part = words.subarray(from, from + n);
  k.i64.set(part, to / 8);
  k.u8.fill(0, to + 8 * part.length, to + 8 * n);
}

/**
 * Commits a stack of signed words as the one tree of a group, padded with zeros to whole columns: copied, if that
 * leaves room, else column by column.
 */
function commitGroup(
  k: Kernels,
  g: WhirGroup,
  words: BigInt64Array,
  o: { readonly tree?: Uint8Array | undefined; readonly hash?: HashName | undefined } = {},
): { stack: Tiled; oracle: Oracle } {
  const length = groupCells(g),
    height = 2 ** g.logHeight,
    commit = (from: Parameters<typeof commitBase>[1]): Oracle =>
      commitBase(k, from, usedColumns(g.trees[0]), g.logHeight, { ...g, hash: o.hash }, 0, o.tree);
  if (words.length > length) throw new RangeError(`${words.length} words do not fit a commitment of ${length}`);
  if (8 * length > STACK_SHARE * k.room)
    return {
      stack: { length, fill: (dst, from, log) => copyWords(k, words, dst, from, 2 ** log), maxLog: g.logHeight },
      oracle: commit((dst, from, n) => copyWords(k, words, dst, from * height, n * height)),
    };
  const ptr = k.alloc(8 * length);
  copyWords(k, words, ptr, 0, length);
  return { stack: { length, ptr }, oracle: commit(ptr) };
}

/** Commits the stack of a settled claim. `tree`: that of the same words, made before (stackTree). */
export const commitStack = (k: Kernels, shape: WhirShape, words: BigInt64Array, tree?: Uint8Array): Settled => ({
  shape,
  ...commitGroup(k, shape.groups[0], words, { tree }),
});

/** Tree of a stack that is one group of an opening, by the hash of that. */
export const stackTree = (k: Kernels, g: WhirGroup, words: BigInt64Array, hash?: HashName): StackTree =>
  k.scope(() => {
    const { oracle } = commitGroup(k, g, words, { hash });
    return { root: oracle.root, tree: saveTree(oracle) };
  });

/** Root of a stack, without keeping anything. */
export const stackRoot = (k: Kernels, shape: WhirShape, words: BigInt64Array): bigint[] =>
  k.scope(() => commitStack(k, shape, words).oracle.root);
