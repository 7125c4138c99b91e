import { describe, expect, it } from 'vitest';
import { type Ratio, atMost, caught, caughtOver, deposit, drawnUnits, missed, mostBad, percent, ratio, toNumber, wilson } from './catch.js';

/** All choices of A of M, as bit masks. */
function* choices(pool: number, drawn: number): Generator<number> {
  for (let x = 0; x < 1 << pool; x++) {
    let n = 0;
    for (let y = x; y; y &= y - 1) n++;
    if (n === drawn) yield x;
  }
}

describe('catch formulas', () => {
  it('are what enumeration of all draws gives, for every pool of up to 10 units', () => {
    for (let pool = 1; pool <= 10; pool++)
      for (let drawn = 0; drawn <= pool; drawn++) {
        const all = [...choices(pool, drawn)];
        for (let bad = 0; bad <= pool; bad++) {
          const set = (1 << bad) - 1,
            none = all.filter((x) => (x & set) === 0).length;
          expect(missed(pool, drawn, bad)).toEqual(ratio(BigInt(none), BigInt(all.length)));
          // Where the bad units lie changes nothing.
          if (bad && bad < pool) {
            const spread = (1 << (pool - 1)) | ((1 << (bad - 1)) - 1);
            expect(all.filter((x) => (x & spread) === 0).length).toBe(none);
          }
        }
      }
  });
  it('bound the bad units: with one more the draw would have passed with at most one in a hundred', () => {
    for (const pool of [1, 2, 7, 32, 100])
      for (let drawn = 1; drawn <= pool; drawn++) {
        const d = mostBad(pool, drawn),
          error: Ratio = { num: 1n, den: 100n };
        expect(d === pool || atMost(missed(pool, drawn, d + 1), error)).toBe(true);
        if (d > 0) expect(atMost(missed(pool, drawn, d), error)).toBe(false);
      }
    // The figures of the design, from drawn numbers.
    expect([10, 20, 40].map((a) => mostBad(200, a))).toEqual([72, 39, 19]);
    expect([320, 640, 1280].map((a) => mostBad(6400, a))).toEqual([89, 43, 20]);
    expect(mostBad(50, 0)).toBe(50);
    expect(mostBad(50, 50)).toBe(0);
  });
  it('take the deposit that makes no number of bad units pay, and no more', () => {
    for (let pool = 1; pool <= 12; pool++)
      for (let drawn = 1; drawn < pool; drawn++) {
        const X = deposit(pool, drawn)!;
        let most: Ratio = { num: 0n, den: 1n };
        for (let b = 1; b <= pool; b++) {
          const q = missed(pool, drawn, b),
            p = caught(pool, drawn, b);
          if (p.num === 0n) continue;
          const need = ratio(BigInt(b) * q.num * p.den, q.den * p.num);
          expect(atMost(need, X), `${b} of ${pool}, ${drawn} drawn`).toBe(true);
          if (atMost(most, need)) most = need;
        }
        expect(most).toEqual(X);
      }
    expect(deposit(20, 1)).toEqual({ num: 19n, den: 1n });
    expect(deposit(20, 20)).toEqual({ num: 0n, den: 1n });
    expect(deposit(20, 0)).toBeUndefined();
  });
  it('say that one bad unit is caught with the coverage alone: 5, 9.75% in two rounds', () => {
    const p = caught(200, 10, 1);
    expect(p).toEqual({ num: 1n, den: 20n });
    const two = caughtOver([missed(200, 10, 1), missed(200, 10, 1)]);
    expect(percent(two, 2)).toBe('9.75%');
    expect(percent({ num: 9999n, den: 10_000n }, 1)).toBe('99.9%');
  });
  it('round a coverage up, and refuse counts that cannot be', () => {
    const c = ratio(1n, 20n);
    expect([0, 1, 20, 21, 40].map((m) => drawnUnits(c, m))).toEqual([0, 1, 1, 2, 2]);
    expect(drawnUnits(ratio(1n, 1n), 7)).toBe(7);
    expect(() => missed(4, 5, 1)).toThrow(RangeError);
    expect(() => missed(4, 1, 5)).toThrow(RangeError);
    expect(() => missed(4, 1.5, 1)).toThrow(RangeError);
    expect(() => drawnUnits({ num: 3n, den: 2n }, 4)).toThrow(RangeError);
    expect(() => ratio(1n, 0n)).toThrow(RangeError);
  });
  it('print and bound samples', () => {
    expect(toNumber(ratio(-1n, 4n))).toBe(-0.25);
    const w = wilson(50, 100);
    expect(w.least).toBeLessThan(0.5);
    expect(w.most).toBeGreaterThan(0.5);
    expect(wilson(0, 10).least).toBe(0);
  });
});
