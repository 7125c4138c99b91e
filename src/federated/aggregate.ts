import { isqrt } from '../field/fixedpoint.js';
import { FederationError } from './errors.js';
import { LEAST_C, MOST_C, type Named, tensorAt } from './update.js';

/*
 * Sums of updates in exact integers: whoever holds the updates computes the same adapter, in whatever order they come.
 * Quotients are rounded to the nearest integer, ties upward, as everywhere else.
 *
 *   mean      C + round(sum w d / W),  W = sum w
 *   trimmed   C + round(sum of d without the k least and the k greatest / (n - 2 k)), value by value, weights left out
 *   median    C + the middle of d, or round of the mean of the two middles, value by value
 *
 * Before either, `clip` scales an update whose norm passes B: d := round(d f / 2^24), f = floor(2^24 B / N), N the
 * least integer not below the norm. What is left has a norm of at most B and half a unit for every value.
 */

export const RULES = ['mean', 'trimmed', 'median'] as const;
export type Rule = (typeof RULES)[number];

export interface AggregateRule {
  readonly rule: Rule;
  /** Largest norm of an update, in units of 2^-20; 0 for no clipping. */ readonly clip: number;
  /** Updates dropped at either end, for the trimmed mean. */ readonly trim: number;
}

/** An update with its weight. */
export interface Weighted {
  readonly client: string;
  readonly weight: number;
  readonly d: Int32Array;
}

/** Largest sum of weights: 2^25 W must be exact in doubles after a split, and sums of products below 2^53. */
export const MOST_WEIGHT = 2 ** 36;
const CLIP_BITS = 24,
  LOW = 2 ** 13;

/**
 * floor((2 s + n) / (2 n)): s / n to the nearest integer, ties upward, for integers with a = 2 s + n below 2^53 in
 * magnitude. A quotient a / b that is no integer is at least 1 / b from one, more than the a / b 2^-53 that its
 * rounding is off by: the floor is right.
 */
const nearest = (s: number, n: number): number => Math.floor((2 * s + n) / (2 * n));

/** Sum of squares, exact: partial sums below 2^53 are collected in a bigint. */
export function squaredNorm(d: Int32Array): bigint {
  let total = 0n,
    part = 0;
  for (let i = 0; i < d.length; i++) {
    // Below 2^50 each: eight of them fit.
    part += d[i] * d[i];
    if (part >= 2 ** 52) {
      total += BigInt(part);
      part = 0;
    }
  }
  return total + BigInt(part);
}

/** An update whose norm is at most `most`, scaled down where it was larger. 0 clips nothing. */
export function clipUpdate(d: Int32Array, most: number): Int32Array {
  const B = BigInt(most),
    square = squaredNorm(d);
  if (most === 0 || square <= B * B) return d;
  const root = isqrt(square),
    norm = root * root === square ? root : root + 1n,
    f = Number((B << BigInt(CLIP_BITS)) / norm),
    half = 2 ** (CLIP_BITS - 1);
  // |d| < 2^25 and f < 2^24: the product is exact.
  return d.map((x) => Math.floor((x * f + half) / 2 ** CLIP_BITS));
}

/** Problems of a rule for so many updates; none where it can be used. */
export function ruleProblem(r: AggregateRule, updates: number): string | undefined {
  if (updates < 1) return 'there is no update to aggregate';
  if (r.rule === 'trimmed' && 2 * r.trim >= updates) return `trimming ${r.trim} at either end leaves nothing of ${updates} updates`;
  if (r.rule !== 'trimmed' && r.trim !== 0) return `the rule ${r.rule} trims nothing`;
  return undefined;
}

/** Sums w d in two halves of exact doubles, one for d 2^-13 rounded down and one for the rest. */
function weightedMean(list: readonly Weighted[], n: number, total: number): Int32Array {
  const low = new Float64Array(n),
    high = new Float64Array(n),
    out = new Int32Array(n),
    W = BigInt(total);
  for (const { d, weight } of list)
    for (let i = 0; i < n; i++) {
      const h = Math.floor(d[i] / LOW);
      high[i] += weight * h;
      low[i] += weight * (d[i] - h * LOW);
    }
  for (let i = 0; i < n; i++) {
    const s = high[i] * LOW + low[i];
    if (Math.abs(s) < 2 ** 51) out[i] = nearest(s, total);
    else {
      const num = 2n * (BigInt(high[i]) * BigInt(LOW) + BigInt(low[i])) + W,
        q = num / (2n * W);
      out[i] = Number(q * 2n * W > num ? q - 1n : q);
    }
  }
  return out;
}

/** Trimmed mean or median, value by value. */
function ordered(list: readonly Weighted[], n: number, trim: number, median: boolean): Int32Array {
  const out = new Int32Array(n),
    m = list.length,
    column = new Int32Array(m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) column[j] = list[j].d[i];
    column.sort();
    if (median) {
      out[i] = m % 2 ? column[(m - 1) / 2] : nearest(column[m / 2 - 1] + column[m / 2], 2);
      continue;
    }
    let s = 0;
    for (let j = trim; j < m - trim; j++) s += column[j];
    out[i] = nearest(s, m - 2 * trim);
  }
  return out;
}

/**
 * The adapter that comes of a global one and the updates to it. Throws RangeError for weights or lengths that cannot
 * be, FederationError where the rule leaves nothing, or naming the tensor where a value leaves its format.
 */
export function aggregate(global: Int32Array, updates: readonly Weighted[], r: AggregateRule, tensors: readonly Named[]): Int32Array {
  const problem = ruleProblem(r, updates.length);
  if (problem !== undefined) throw new FederationError('aggregate', problem, 'server');
  const total = updates.reduce((s, u) => s + u.weight, 0);
  if (updates.some((u) => !Number.isSafeInteger(u.weight) || u.weight < 1 || u.d.length !== global.length) || total > MOST_WEIGHT)
    throw new RangeError('weights are positive integers with a sum of at most 2^36, updates as long as the adapter');
  const list = updates.map((u) => ({ ...u, d: clipUpdate(u.d, r.clip) })),
    step = r.rule === 'mean' ? weightedMean(list, global.length, total) : ordered(list, global.length, r.trim, r.rule === 'median');
  return global.map((c, i) => {
    const x = c + step[i];
    if (x < LEAST_C || x > MOST_C)
      throw new FederationError(
        'aggregate format',
        `${tensorAt(tensors, i)}, value ${i} would be ${x}: clip updates, or lower the learning rate`,
        'server',
      );
    return x;
  });
}
