import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floorDiv, isqrt } from '../field/fixedpoint.js';
import { type AggregateRule, type Weighted, MOST_WEIGHT, aggregate, clipUpdate, squaredNorm } from './aggregate.js';
import { FederationError } from './errors.js';
import { LEAST_C, MOST_C } from './update.js';

const tensors = [
  { name: 'a', cells: 2 },
  { name: 'b', cells: 1000 },
];
/** The rules again, over rationals in bigints, sorted by comparison of numbers. */
function reference(global: Int32Array, updates: readonly Weighted[], r: AggregateRule): bigint[] {
  const near = (s: bigint, n: bigint): bigint => floorDiv(2n * s + n, 2n * n);
  const clipped = updates.map((u) => {
    const sq = u.d.reduce((s, x) => s + BigInt(x) * BigInt(x), 0n),
      B = BigInt(r.clip);
    if (r.clip === 0 || sq <= B * B) return Array.from(u.d, BigInt);
    let norm = isqrt(sq);
    if (norm * norm < sq) norm++;
    const f = (B << 24n) / norm;
    return Array.from(u.d, (x) => floorDiv(BigInt(x) * f + (1n << 23n), 1n << 24n));
  });
  return Array.from(global, (c, i) => {
    const column = clipped.map((d) => d[i]);
    if (r.rule === 'mean') {
      const W = updates.reduce((s, u) => s + BigInt(u.weight), 0n);
      return (
        BigInt(c) +
        near(
          column.reduce((s, x, j) => s + BigInt(updates[j].weight) * x, 0n),
          W,
        )
      );
    }
    column.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const m = column.length,
      kept = r.rule === 'trimmed' ? column.slice(r.trim, m - r.trim) : m % 2 ? [column[(m - 1) / 2]] : column.slice(m / 2 - 1, m / 2 + 1);
    return (
      BigInt(c) +
      near(
        kept.reduce((s, x) => s + x, 0n),
        BigInt(kept.length),
      )
    );
  });
}

const rules: readonly AggregateRule[] = [
  { rule: 'mean', clip: 0, trim: 0 },
  { rule: 'mean', clip: 1000, trim: 0 },
  { rule: 'trimmed', clip: 0, trim: 1 },
  { rule: 'trimmed', clip: 5000, trim: 2 },
  { rule: 'median', clip: 0, trim: 0 },
];
const value = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -(2 ** 22), max: 2 ** 22 }));
const cases = fc.integer({ min: 5, max: 8 }).chain((m) =>
  fc.record({
    global: fc.array(fc.integer({ min: -(2 ** 22), max: 2 ** 22 }), { minLength: 6, maxLength: 6 }),
    updates: fc.array(
      fc.record({
        weight: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 2 ** 32 })),
        d: fc.array(value, { minLength: 6, maxLength: 6 }),
      }),
      {
        minLength: m,
        maxLength: m,
      },
    ),
  }),
);
const weighted = (us: readonly { weight: number; d: readonly number[] }[]): Weighted[] =>
  us.map((u, i) => ({ client: `c${i}`, weight: u.weight, d: Int32Array.from(u.d) }));

describe('aggregation', () => {
  it.each(rules)('%o is that of rationals, in any order of the updates', (r) => {
    fc.assert(
      fc.property(cases, ({ global, updates }) => {
        const g = Int32Array.from(global),
          list = weighted(updates),
          got = aggregate(g, list, r, tensors);
        expect(Array.from(got, BigInt)).toEqual(reference(g, list, r));
        expect(aggregate(g, [...list].reverse(), r, tensors)).toEqual(got);
        expect(aggregate(g, [...list.slice(2), ...list.slice(0, 2)], r, tensors)).toEqual(got);
      }),
      { numRuns: 80 },
    );
  });
  it('is exact where weights and differences are as large as they may be, and rounds ties upward', () => {
    const far = MOST_C - LEAST_C,
      list = weighted([
        { weight: MOST_WEIGHT - 3, d: [far, -far, 1] },
        { weight: 3, d: [-far, far, 2] },
      ]),
      g = Int32Array.of(LEAST_C, MOST_C, 0);
    expect(Array.from(aggregate(g, list, rules[0], tensors), BigInt)).toEqual(reference(g, list, rules[0]));
    const ties = weighted([
      { weight: 1, d: [1, -1, 3] },
      { weight: 1, d: [0, 0, 0] },
    ]);
    expect([...aggregate(new Int32Array(3), ties, rules[0], tensors)]).toEqual([1, 0, 2]);
    expect([...aggregate(new Int32Array(3), ties, rules[4], tensors)]).toEqual([1, 0, 2]);
  });
  it('clips to the norm that is asked for, and leaves what is within it', () => {
    const d = Int32Array.from({ length: 1002 }, (_, i) => (i % 7) * 1000 - 3000),
      n = squaredNorm(d),
      c = clipUpdate(d, 10_000);
    expect(n).toBe(d.reduce((s, x) => s + BigInt(x * x), 0n));
    expect(Math.sqrt(Number(squaredNorm(c)))).toBeLessThanOrEqual(10_000 + Math.sqrt(1002) / 2);
    expect(Math.sqrt(Number(squaredNorm(c)))).toBeGreaterThan(9_900);
    expect(clipUpdate(d, Number(isqrt(n)) + 1)).toBe(d);
    expect(clipUpdate(d, 0)).toBe(d);
  });
  it('refuses rules that leave nothing, weights that cannot be, and names the tensor that leaves its format', () => {
    const u = weighted([
      { weight: 1, d: [0, 0, 5] },
      { weight: 1, d: [0, 0, 5] },
    ]);
    const g = Int32Array.of(0, 0, MOST_C);
    expect(() => aggregate(g, u, { rule: 'trimmed', clip: 0, trim: 1 }, tensors)).toThrow(/^aggregate: server: trimming 1/);
    expect(() => aggregate(g, [], rules[0], tensors)).toThrow(FederationError);
    expect(() => aggregate(g, u, { rule: 'median', clip: 0, trim: 1 }, tensors)).toThrow(/trims nothing/);
    expect(() => aggregate(g, u, rules[0], tensors)).toThrow(/^aggregate format: server: b, value 2 would be 16777220/);
    for (const weight of [0, -1, 1.5, MOST_WEIGHT])
      expect(() => aggregate(g, [{ ...u[0], weight }, u[1]], rules[0], tensors)).toThrow(RangeError);
    expect(() => aggregate(g, [{ ...u[0], d: new Int32Array(2) }], rules[0], tensors)).toThrow(RangeError);
  });
});
