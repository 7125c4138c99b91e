import { describe, expect, it } from 'vitest';
import { Buckets } from './buckets.js';

describe('buckets', () => {
  it('give so many at once and so many a second after that, to every name its own', () => {
    let now = 0;
    const b = new Buckets({ burst: 3, perSecond: 2 }, () => now),
      take = (name: string, n: number): boolean[] => Array.from({ length: n }, () => b.take(name));
    expect(take('a', 4)).toEqual([true, true, true, false]);
    expect(take('b', 1)).toEqual([true]);
    now = 499;
    expect(take('a', 1)).toEqual([false]);
    now = 1000;
    expect(take('a', 3)).toEqual([true, true, false]);
    // Never more than the burst, however long nobody came.
    now = 1e9;
    expect(take('a', 4)).toEqual([true, true, true, false]);
  });
  it('forget names that were seen longest ago, and hold no more than so many', () => {
    const b = new Buckets({ burst: 1, perSecond: 0 }, () => 0);
    for (let i = 0; i < 10_001; i++) expect(b.take(`n${i}`)).toBe(true);
    expect(b.take('n10000')).toBe(false);
    expect(b.take('n0')).toBe(true);
  });
});
