import type { WhirShape } from '../pcs/params.js';
import { type Oracle, commitBase } from '../pcs/commit.js';
import type { Kernels } from '../kernels/runtime.js';
import { settleMatrix } from './settle-shape.js';

/** A committed stack: `ptr` and levels of the tree stay in the kernel's memory until the caller releases them. */
export interface Settled {
  readonly shape: WhirShape;
  readonly ptr: number;
  readonly oracle: Oracle;
}

/** Commits a stack of signed words; they are copied, padded with zeros to whole columns. */
export function commitStack(k: Kernels, shape: WhirShape, words: BigInt64Array): Settled {
  const { used, logHeight, logInvRate, cells } = settleMatrix(shape);
  if (words.length > cells) throw new RangeError(`${words.length} words do not fit a commitment of ${cells}`);
  const ptr = k.zeroed(8 * cells);
  k.i64.set(words, ptr / 8);
  return { shape, ptr, oracle: commitBase(k, ptr, used, logHeight, { logInvRate }) };
}

/** Root of a stack, without keeping anything. */
export function stackRoot(k: Kernels, shape: WhirShape, words: BigInt64Array): bigint[] {
  return k.scope(() => commitStack(k, shape, words).oracle.root);
}
