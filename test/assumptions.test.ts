import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { P, inv, mod } from '../src/field/goldilocks.js';
import { DIAGONAL, EXTERNAL, INTERNAL } from '../src/hash/poseidon2-constants.js';
import { RATE, WIDTH } from '../src/hash/poseidon2.js';

/* Figures of docs/assumptions.md: what published bounds give for the instance in use. */

const page = readFileSync(new URL('../docs/assumptions.md', import.meta.url), 'utf8'),
  ALPHA = 7,
  FULL = EXTERNAL.length / WIDTH,
  PARTIAL = INTERNAL.length,
  /** Words of capacity and of a digest. */ WORDS = WIDTH - RATE,
  bits = (exponent: number): number => exponent * Math.log2(ALPHA);

describe('Poseidon2, as the page on assumptions has it', () => {
  it('is the instance that the page names', () => {
    expect([WIDTH, FULL, PARTIAL, WORDS]).toEqual([12, 8, 22, 4]);
    expect(page).toContain('width 12, S-box x^7, 8 external and 22 internal rounds');
  });
  it('2026/306: the bound on the ideal degree, squared', () => {
    const work = (full: number, partial: number): number => 2 * bits(WORDS * (FULL - full) + PARTIAL - partial);
    // Degrees of freedom: free words of the input less words that the output must have, four for each full round.
    expect((RATE - WORDS) / 4).toBe(1);
    expect(work(1, 0).toFixed(1)).toBe('280.7');
    expect(Math.floor(work(1, 0) - 128)).toBe(152);
    expect(work(WIDTH / 4, 0).toFixed(1)).toBe('235.8');
    // 4 r_F + r_P that leaves less than 2^128.
    const least = Array.from({ length: 55 }, (_, n) => n).find((n) => work(0, n) < 128)!;
    expect([least, WORDS * FULL + PARTIAL]).toEqual([32, 54]);
    for (const x of ['2^280.7', '152 bits', '2^235.8', '>= 32 of 54']) expect(page).toContain(x);
  });
  it('2026/1254: coefficients that must vanish before the first partial round', () => {
    const degree = ALPHA ** (FULL / 2 - 2);
    expect([degree, degree - ALPHA + 1]).toEqual([49, 43]);
    expect(page).toContain('takes 43 coefficients');
  });
  it('2026/1692: no gain for any number of constrained words, with three full rounds taken away', () => {
    // d = 7^(partial rounds left + last full rounds), k - 1 nested resultants, then roots in d'^2 log p.
    const cost = (k: number): number => 2 * bits((PARTIAL - (WIDTH - 2 * k) + FULL / 2) * 2 ** (k - 1)) + Math.log2(64);
    expect(cost(1).toFixed(1)).toBe('95.8');
    expect(cost(2).toFixed(1)).toBe('208.1');
    for (let k = 1; k <= WORDS; k++) expect(cost(k)).toBeGreaterThan(64 * k);
    for (const x of ['2^95.8', '2^208.1']) expect(page).toContain(x);
  });
  it('2026/1692: the S-box word and its images under the internal matrix span the state', () => {
    // Rows e, M e, M^2 e ... reduced one by one.
    let v = Array.from({ length: WIDTH }, (_, i): bigint => (i ? 0n : 1n)),
      rank = 0;
    const basis: bigint[][] = [];
    for (let n = 0; n < WIDTH; n++) {
      const r = [...v];
      for (const b of basis) {
        const at = b.findIndex((x) => x !== 0n),
          f = r[at];
        b.forEach((x, i) => {
          r[i] = mod(r[i] - f * x);
        });
      }
      const lead = r.find((x) => x !== 0n);
      if (lead !== undefined) {
        const by = inv(lead);
        basis.push(r.map((x) => (x * by) % P));
        rank++;
      }
      const sum = v.reduce((a, b) => a + b, 0n);
      v = v.map((x, i) => mod(x * DIAGONAL[i] + sum));
    }
    expect(rank).toBe(WIDTH);
  });
});
