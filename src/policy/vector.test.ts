import { describe, expect, it } from 'vitest';
import { ALL_PUBLIC } from './order/keys.js';
import { orderShape } from './order/radices.js';
import { POLICY_LAYOUT, POLICY_WORDS, type PolicyValues, policyDigest, policyVector } from './vector.js';

const four = (x: bigint): bigint[] => [x, x + 1n, x + 2n, x + 3n];
const values: PolicyValues = {
  depth: 12,
  rounds: 28,
  walks: 2,
  bins: 3,
  classDepth: 4,
  scheduleDepth: 8,
  innerRounds: 0,
  innerWalks: 0,
  strataDepth: 0,
  replacement: false,
  root: four(100n),
  rows: 1009,
  order: orderShape(1009),
  epochExamples: 1000,
  batch: 8,
  epochBatches: 125,
  privateKey: four(200n),
  publicKey: four(300n),
  seed: four(400n),
  modes: ALL_PUBLIC,
  strata: four(500n),
  strataCount: 0,
  classRoot: four(600n),
  quotas: four(700n),
  scheduleRoot: four(800n),
  steps: 200,
  clip: 1n,
  mostTargets: 2,
  show: { losses: 'steps', targets: 'epochs', totals: 'none' },
};

describe('policy vector', () => {
  it('has every field at its own place, zeros behind, and this digest for ever', () => {
    const v = policyVector(values),
      used = [...POLICY_LAYOUT.values()].reduce((n, f) => n + f.words, 0);
    expect(v).toHaveLength(POLICY_WORDS);
    expect(v.slice(used).every((w) => w === 0n)).toBe(true);
    expect(v[POLICY_LAYOUT.get('rows')!.at]).toBe(1009n);
    expect(v[POLICY_LAYOUT.get('show')!.at]).toBe(6n);
    expect(policyDigest(v).map(String)).toMatchInlineSnapshot(`
      [
        "6939068959132247467",
        "10329427046146422073",
        "7518164294124870624",
        "5256655992337198897",
      ]
    `);
  });
  it('is another one where any word differs', () => {
    const v = policyVector(values),
      seen = new Set([policyDigest(v).join()]);
    for (let i = 0; i < POLICY_WORDS; i++) seen.add(policyDigest(v.map((w, j) => (i === j ? w + 1n : w))).join());
    expect(seen.size).toBe(POLICY_WORDS + 1);
  });
  it('refuses fields of another size', () => {
    expect(() => policyVector({ ...values, root: [1n] })).toThrow('root');
  });
});
