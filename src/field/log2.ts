/**
 * Logarithms of integers by their bits: shapes depend on them, so that no rounding of a floating-point function may.
 */

/** Bits of an integer n with 0 <= n <= 2^53: the least k with 2^k > n. */
function bitLength(n: number): number {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`${n} is no count`);
  return n >= 2 ** 32 ? 64 - Math.clz32(Math.floor(n / 2 ** 32)) : 32 - Math.clz32(n);
}

/** Least k >= 0 with 2^k >= n. */
export const log2Ceil = (n: number): number => (n <= 1 ? 0 : bitLength(n - 1));

/** Largest k with 2^k <= n, for n >= 1. */
export const log2Floor = (n: number): number => bitLength(n) - 1;

/** k where n = 2^k. Throws RangeError otherwise. */
export function log2Exact(n: number): number {
  const k = log2Floor(n);
  if (n !== 2 ** k) throw new RangeError(`${n} is no power of two`);
  return k;
}
