/*
 * What a draw of A units out of M, uniform and without replacement, finds out: exact rationals over bigint, no floating
 * point but for printing.
 *
 *   p(b) = 1 - q(b),  q(b) = C(M - b, A) / C(M, A)        b bad units are hit at least once
 *
 * The one who cheats knows A and may place the bad units as he likes: without replacement no placement is better than
 * another.
 */

/** A rational with a positive denominator. */
export interface Ratio {
  readonly num: bigint;
  readonly den: bigint;
}

const gcd = (a: bigint, b: bigint): bigint => {
  while (b) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
};

/** num / den in lowest terms. Throws RangeError for a denominator that is not positive. */
export function ratio(num: bigint, den: bigint): Ratio {
  if (den <= 0n) throw new RangeError('a ratio needs a positive denominator');
  const g = gcd(num, den);
  return g > 1n ? { num: num / g, den: den / g } : { num, den };
}

/** Whether a <= b. */
export const atMost = (a: Ratio, b: Ratio): boolean => a.num * b.den <= b.num * a.den;

/** The nearest double, for printing alone; within 2^-60 of values below 1. */
export const toNumber = (r: Ratio): number => {
  const sign = r.num < 0n ? -1 : 1,
    n = r.num < 0n ? -r.num : r.num;
  return sign * (Number(n / r.den) + Number(((n % r.den) << 64n) / r.den) / 2 ** 64);
};

/** A probability in percent with so many decimals, rounded down, so that 99.99 is never printed as 100. */
export function percent(r: Ratio, decimals = 1): string {
  const unit = 10n ** BigInt(decimals),
    n = (100n * unit * r.num) / r.den;
  return `${n / unit}${decimals ? `.${String(n % unit).padStart(decimals, '0')}` : ''}%`;
}

/** Largest pool that the formulas are computed for. */
export const MOST_POOL = 1_000_000;

function checkCounts(pool: number, drawn: number, bad: number): void {
  const whole = (x: number): boolean => Number.isSafeInteger(x) && x >= 0;
  if (!(whole(pool) && whole(drawn) && whole(bad) && pool <= MOST_POOL && drawn <= pool && bad <= pool))
    throw new RangeError(`${drawn} drawn and ${bad} bad of ${pool} units`);
}

/** Product a (a + 1) ... (b - 1), by halves, so that the factors stay of equal size. */
const product = (a: number, b: number): bigint => {
  if (b <= a) return 1n;
  if (b - a === 1) return BigInt(a);
  const m = (a + b) >> 1;
  return product(a, m) * product(m, b);
};

/**
 * Probability that none of `bad` units is among `drawn` of `pool`: C(M - b, A) / C(M, A) as a product of min(A, b)
 * fractions.
 */
export function missed(pool: number, drawn: number, bad: number): Ratio {
  checkCounts(pool, drawn, bad);
  if (drawn + bad > pool) return { num: 0n, den: 1n };
  // C(M - b, A) / C(M, A) is symmetric in A and b: the shorter product is taken.
  const few = Math.min(drawn, bad),
    many = Math.max(drawn, bad);
  return ratio(product(pool - many - few + 1, pool - many + 1), product(pool - few + 1, pool + 1));
}

/** Probability that at least one of `bad` units is drawn: p(b). */
export function caught(pool: number, drawn: number, bad: number): Ratio {
  const q = missed(pool, drawn, bad);
  return { num: q.den - q.num, den: q.den };
}

/** Probability of being caught over several rounds with these probabilities of being missed in each. */
export function caughtOver(rounds: readonly Ratio[]): Ratio {
  const q = rounds.reduce((a, b) => ratio(a.num * b.num, a.den * b.den), { num: 1n, den: 1n });
  return { num: q.den - q.num, den: q.den };
}

/** Error of the bound that records print: one in a hundred. */
export const CONFIDENCE_ERROR: Ratio = { num: 1n, den: 100n };

/**
 * The most bad units D that are consistent with a draw of which all passed, at confidence 1 - error: the least D with
 * q(D + 1) <= error. With more than D bad units the draw would have hit one with a probability of 1 - error or more.
 * `pool` where nothing was drawn.
 */
export function mostBad(pool: number, drawn: number, error: Ratio = CONFIDENCE_ERROR): number {
  checkCounts(pool, drawn, 0);
  let low = 0,
    high = pool;
  // q falls with b, and q(pool) is 0 unless nothing was drawn: the least b with q(b) <= error is D + 1.
  while (low < high) {
    const mid = (low + high) >> 1;
    if (atMost(missed(pool, drawn, mid), error)) high = mid;
    else low = mid + 1;
  }
  return atMost(missed(pool, drawn, low), error) ? Math.max(0, low - 1) : pool;
}

/**
 * The deposit that makes cheating not pay, in gains of one bad unit: the least X with X p(b) >= b (1 - p(b)) for all b.
 * It is (M - A) / A, reached at b = 1: with x / (x - A) falling in x, (1 - q(b)) / q(b) = sum_{j < b} q(j) / q(b) A /
 * (M - j) has b terms of at least A / (M - A) each. Undefined where nothing is drawn.
 */
export function deposit(pool: number, drawn: number): Ratio | undefined {
  checkCounts(pool, drawn, 0);
  return drawn === 0 ? undefined : ratio(BigInt(pool - drawn), BigInt(drawn));
}

/** Units that a coverage draws: the ceiling of its share of the pool, so that a small pool is not left out. */
export function drawnUnits(coverage: Ratio, pool: number): number {
  if (coverage.num < 0n || coverage.num > coverage.den) throw new RangeError('a coverage lies between 0 and 1');
  return Number((coverage.num * BigInt(pool) + coverage.den - 1n) / coverage.den);
}

/** Interval of Wilson's score for `hits` of `trials` at `z` standard deviations, for printing beside a formula. */
export function wilson(hits: number, trials: number, z = 2.575829): { readonly least: number; readonly most: number } {
  const p = hits / trials,
    z2 = z * z,
    mid = (p + z2 / (2 * trials)) / (1 + z2 / trials),
    half = (z / (1 + z2 / trials)) * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials * trials));
  return { least: Math.max(0, mid - half), most: Math.min(1, mid + half) };
}
