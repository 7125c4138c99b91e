import { describe, expect, it } from 'vitest';
import type { Artifact } from '../tools/leakage/artifact.js';
import { awareScore, distinguish } from '../tools/leakage/distinguish.js';
import { PLANTED } from '../tools/leakage/planted.js';
import { Random } from '../tools/leakage/random.js';
import { auroc, binomialTail, clopperPearson } from '../tools/leakage/statistics.js';

/*
 * The test of leakage itself: on artifacts without a proof it finds every leak that is planted, and none where there is
 * none. `npm run leakage` runs it on proofs.
 */
describe('statistics', () => {
  it('of proportions are exact', () => {
    // By hand: P(X >= 8), X binomial(10, 1/2), is 56/1024.
    expect(binomialTail(10, 8, 0.5)).toBeCloseTo(56 / 1024, 10);
    const [low, high] = clopperPearson(10, 10, 0.95);
    // All of ten: the lower end is (0.025)^(1/10).
    expect(low).toBeCloseTo(0.025 ** 0.1, 6);
    expect(high).toBe(1);
    const [l, h] = clopperPearson(20, 5, 0.95);
    expect([l, h]).toEqual([expect.closeTo(0.0866, 3), expect.closeTo(0.491, 3)]);
  });
  it('of curves are those of Mann and Whitney', () => {
    expect(auroc([1, 2, 3], [2, 4]).auroc).toBeCloseTo((1.5 + 3) / 6, 10);
    expect(auroc([0, 0], [0, 0])).toMatchObject({ auroc: 0.5 });
    const apart = auroc([1, 2, 3, 4], [5, 6, 7, 8]);
    expect(apart.auroc).toBe(1);
    // Eight right guesses say that much, and no more.
    expect(apart.low).toBeCloseTo(0.0005 ** (1 / 8), 3);
    const r = new Random(3),
      x = Array.from({ length: 400 }, () => r.below(1000)),
      same = auroc(x.slice(0, 200), x.slice(200));
    expect(same.low).toBeLessThan(0.5);
    expect(same.high).toBeGreaterThan(0.5);
  });
});

describe('the test of leakage', () => {
  it.each(PLANTED.map((a): [string, Artifact] => [a.name, a]))('finds every leak that is planted, and no other: %s', (_, a) => {
    const v = distinguish(a);
    expect(v.found).toBe(a.leaks);
    // What the prover cannot help publishing tells nothing here.
    expect(v.publics.low).toBeLessThan(0.5);
    if (a.leaks && a.predict) expect(v.aware!.auroc).toBeGreaterThan(0.95);
  });
  it('counts words that one witness alone explains', () => {
    expect(
      awareScore(
        [1n, 2n, 3n],
        [
          [1n, 2n, 9n],
          [1n, 7n, 3n],
        ],
      ),
    ).toBe(0);
    expect(
      awareScore(
        [1n, 2n, 3n],
        [
          [9n, 9n, 9n],
          [1n, undefined, 3n],
        ],
      ),
    ).toBe(2);
    expect(
      awareScore(
        [1n, 2n, 3n],
        [
          [undefined, undefined, undefined],
          [undefined, undefined, undefined],
        ],
      ),
    ).toBe(0);
  });
});
