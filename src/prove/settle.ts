import type { Kernels } from '../kernels/runtime.js';
import { type Oracle, type WhirShape, commitBase, openWhir } from '../pcs/index.js';
import type { DetachedClaim } from '../tensor/deferred.js';
import { ProverChannel } from '../transcript/index.js';
import { settleMatrix } from '../recursion/settle-shape.js';
import { settleSchedule } from '../recursion/settle-schedule.js';
import { settlePreamble } from '../recursion/settle.js';

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
  const m = k.mark(),
    { root } = commitStack(k, shape, words).oracle;
  k.release(m);
  return root;
}

/** Proves a claim on a committed stack (relation: verify.ts). */
export function proveSettled(k: Kernels, s: Settled, claim: Pick<DetachedClaim, 'point' | 'value'>): BigUint64Array {
  const m = k.mark(),
    { cells } = settleMatrix(s.shape),
    ch = new ProverChannel(settleSchedule(s.shape).schedule, { grinder: k });
  const words = [...claim.point, claim.value].flatMap((x) => [...x]);
  for (const w of settlePreamble(s.shape, (x) => x, s.oracle.root, words)) ch.publicWords(w.label, w.words);
  const weights = k.alloc(24 * (cells + 1));
  k.exports['eqTrunc'](weights, k.exts(claim.point), claim.point.length, cells, k.alloc(64));
  openWhir(k, ch, s.shape, [
    { oracles: [s.oracle], f: { length: cells, ptr: s.ptr }, w: { length: cells, ptr: weights }, value: claim.value },
  ]);
  k.release(m);
  return ch.words();
}
