import { root } from '../field/goldilocks.js';
import type { Kernels } from './runtime.js';

/**
 * A matrix of words to encode: word w of height values, interleaved in groups (3 for elements of E, 1 for base
 * columns).
 */
export interface NttInput {
  readonly src: number;
  /** Words (base columns) in all. */
  readonly words: number;
  /** Values per word, at most 2^log; the rest is zero. */
  readonly height: number;
  readonly group?: 1 | 3;
  /** Signed i64 instead of canonical words. */
  readonly signed?: boolean;
}

/** Twiddles of sizes up to 2^log in the arena: 8 * 2^max(log, 1) bytes. */
export function nttTwiddles(k: Kernels, log: number): number {
  const tw = k.alloc(8 * 2 ** Math.max(log, 1));
  k.exports['nttTwiddles'](tw, log, BigInt.asIntN(64, root(log)));
  return tw;
}

/**
 * Value of word w at the point g^j, g = root(log), to dst + 8 * (w * 2^log + i): i = j in natural order, i = rev(j) in
 * reversed order (the default of commitments, and cheaper). Input word w, coefficient c at src + 8 * (((w div group) *
 * height + c) * group + w mod group).
 */
export function nttRows(k: Kernels, dst: number, input: NttInput, log: number, order: 'natural' | 'reversed' = 'natural'): void {
  if (input.height > 2 ** log) throw new RangeError(`${input.height} coefficients over 2^${log} points`);
  const { src, words, height, group = 1, signed = false } = input;
  k.scope(() => {
    const tw = nttTwiddles(k, log);
    k.parallel('nttWords', words, 1, (lo, hi) => [dst, src, 0, group, height, signed ? 1 : 0, 0, log, tw, lo, hi]);
    if (order === 'natural') k.parallel('bitReverse', words, 1, (lo, hi) => [dst, log, lo, hi]);
  });
}
