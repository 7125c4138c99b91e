import { type WhirGroup, type WhirShape, groupCells, usedColumns } from '../pcs/params.js';
import type { HashName } from '../hash/rows.js';
import { type Oracle, commitBase, saveTree } from '../pcs/commit.js';
import type { Kernels } from '../kernels/runtime.js';

/** A committed stack: `ptr` and levels of the tree stay in the kernel's memory until the caller releases them. */
export interface Settled {
  readonly shape: WhirShape;
  readonly ptr: number;
  readonly oracle: Oracle;
}

/** A stack's tree outside the kernel's memory (saveTree), 64 bytes for each point of the domain, and its root. */
export interface StackTree {
  readonly root: readonly bigint[];
  readonly tree: Uint8Array;
}

/** Commits a stack of signed words as the one tree of a group; they are copied, padded with zeros to whole columns. */
function commitGroup(
  k: Kernels,
  g: WhirGroup,
  words: BigInt64Array,
  o: { readonly tree?: Uint8Array | undefined; readonly hash?: HashName | undefined } = {},
): { ptr: number; oracle: Oracle } {
  const cells = groupCells(g);
  if (words.length > cells) throw new RangeError(`${words.length} words do not fit a commitment of ${cells}`);
  const ptr = k.zeroed(8 * cells);
  k.i64.set(words, ptr / 8);
  return { ptr, oracle: commitBase(k, ptr, usedColumns(g.trees[0]), g.logHeight, { ...g, hash: o.hash }, 0, o.tree) };
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
