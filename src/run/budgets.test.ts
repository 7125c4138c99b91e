import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { smallNumbers } from '../model/base.js';
import { ATTN_FRAC, DEFAULT_NUMBERS, HEAD_FRAC, SILU_FRAC } from '../model/shape.js';
import { tableColumns } from '../tensor/tables.js';
import { budgetsOf, logSumExpBudget } from './budgets.js';

/*
 * The error ledger derived anew. Exponentials here are products over the binary digits of the argument of factors from
 * a series, at 200 bits: neither the program's two tabulated factors nor the script's running product.
 */
const W = 200n,
  ONE = 1n << W;
const factors = new Map<number, bigint>();
/** exp(-2^k) by the alternating series, after 40 halvings. */
function factor(k: number): bigint {
  let v = factors.get(k);
  if (v === undefined) {
    const G = W + 64n,
      shift = BigInt(40 - k);
    let term = 1n << G,
      sum = 0n;
    for (let i = 1n; term !== 0n; i++) {
      sum += term;
      term = -(term >> shift) / i;
    }
    for (let i = 0; i < 40; i++) sum = (sum * sum) >> G;
    v = sum >> 64n;
    factors.set(k, v);
  }
  return v;
}
function expNeg(d: number, F: number): bigint {
  let out = ONE;
  for (let i = 0; 2 ** i <= d; i++) if (Math.floor(d / 2 ** i) % 2) out = (out * factor(i - F)) >> W;
  return out;
}
const ulps = (entry: bigint, f: number, real: bigint): number => {
  const e = (entry << (W - BigInt(f))) - real;
  return Number((((e < 0n ? -e : e) << BigInt(f)) * 10n ** 12n) >> W) / 1e12;
};
/**
 * silu and its derivative by tanh-free formulas: x/(1+E), and (1 + E (1 + x)) / (1 + E)^2 for E = exp(-x), both for x
 * of either sign.
 */
function siluReal(n: number, F: number): { y: bigint; dy: bigint } {
  const e = expNeg(Math.abs(n), F),
    x = (BigInt(Math.abs(n)) << W) >> BigInt(F),
    den = ((ONE + e) * (ONE + e)) >> W;
  const pos = { y: (x << W) / (ONE + e), dy: ((ONE + ((e * (ONE + x)) >> W)) << W) / den };
  // silu(-x) = silu(x) - x and silu'(-x) = 1 - silu'(x)
  return n >= 0 ? pos : { y: pos.y - x, dy: ONE - pos.dy };
}

interface Entry {
  readonly name: string;
  readonly kind: 'exhaustive' | 'argument';
  readonly ulp: number;
  readonly absolute: number;
  readonly key?: number;
  readonly rows?: number;
  readonly budget?: number;
}
const docs = (p: string): string => readFileSync(fileURLToPath(new URL(`../../docs/${p}`, import.meta.url)), 'utf8'),
  ledger = JSON.parse(docs('error-ledger.json')) as { entries: Entry[] },
  entry = (name: string): Entry => ledger.entries.find((e) => e.name === name)!;
/** Every so-manieth key, the first and last ones, and those about the recorded worst one. */
const keys = (lo: number, size: number, worst: number): number[] => [
  ...Array.from({ length: Math.floor(size / 499) }, (_, k) => lo + 499 * k),
  ...[0, 1, 2, size - 2, size - 1].map((k) => lo + k),
  ...[-2, -1, 0, 1, 2].map((k) => Math.min(lo + size - 1, Math.max(lo, worst + k))),
];

describe('error ledger', () => {
  for (const n of [DEFAULT_NUMBERS, smallNumbers()])
    for (const [F, f] of [
      [n.scoreFrac, ATTN_FRAC],
      [n.headFrac, HEAD_FRAC],
    ])
      it(`exp:${F}:${f} is off by what the ledger says at its worst row and by no more elsewhere`, () => {
        const size = 2 ** n.expBits,
          [e1, e2] = tableColumns({ name: `exp:${F}:${f}`, axis: 'x', lo: 0n, size, columns: ['a', 'b'] }),
          one = entry(`exp:${F}:${f} T[d]`),
          two = entry(`exp:${F}:${f} T[d - 1]`);
        expect([one.rows, two.rows]).toEqual([size, size]);
        const shifted = (k: number): bigint => (k ? expNeg(k - 1, F) : (ONE * ONE) / factor(-F));
        expect(ulps(e1[one.key!], f, expNeg(one.key!, F))).toBeCloseTo(one.ulp, 9);
        expect(ulps(e2[two.key!], f, shifted(two.key!))).toBeCloseTo(two.ulp, 9);
        for (const k of keys(0, size, one.key!)) expect(ulps(e1[k], f, expNeg(k, F))).toBeLessThanOrEqual(one.ulp + 1e-11);
        for (const k of keys(0, size, two.key!).slice(-200)) expect(ulps(e2[k], f, shifted(k))).toBeLessThanOrEqual(two.ulp + 1e-11);
      });
  for (const n of [DEFAULT_NUMBERS, smallNumbers()])
    it(`silu at ${n.siluFrac} is off by what the ledger says`, () => {
      const half = 2 ** (n.siluBits - 1),
        F = n.siluFrac,
        f = SILU_FRAC,
        [y, dy] = tableColumns({ name: `silu:${F}:${f}:${f}`, axis: 'x', lo: BigInt(-half), size: 2 * half, columns: ['a', 'b'] }),
        a = entry(`silu at ${F}:${f}`),
        b = entry(`silu' at ${F}:${f}`);
      expect(ulps(y[a.key! + half], f, siluReal(a.key!, F).y)).toBeCloseTo(a.ulp, 9);
      expect(ulps(dy[b.key! + half], f, siluReal(b.key!, F).dy)).toBeCloseTo(b.ulp, 9);
      for (const k of [...keys(-half, 2 * half, a.key!), b.key! - 1, b.key! + 1]) {
        const real = siluReal(k, F);
        expect(ulps(y[k + half], f, real.y)).toBeLessThanOrEqual(a.ulp + 1e-11);
        expect(ulps(dy[k + half], f, real.dy)).toBeLessThanOrEqual(b.ulp + 1e-11);
      }
    });

  it('no entry passes its declared budget', () => {
    const budgets = budgetsOf(DEFAULT_NUMBERS, 2, 2);
    for (const e of ledger.entries) {
      const most = e.name.startsWith('exp:')
        ? budgets.exp
        : e.name.startsWith("silu'")
          ? budgets.siluDerivative
          : e.name.startsWith('silu')
            ? budgets.silu
            : (e.budget ?? 1);
      expect([e.name, e.ulp <= most]).toEqual([e.name, true]);
    }
    expect(ledger.entries.filter((e) => e.kind === 'exhaustive').length).toBe(16);
  });

  it('log-sum-exp of many scores stays within its budget, and two scores reach what the ledger says', () => {
    const n = smallNumbers(),
      F = n.scoreFrac,
      f = ATTN_FRAC,
      size = 2 ** n.expBits,
      [T] = tableColumns({ name: `exp:${F}:${f}`, axis: 'x', lo: 0n, size, columns: ['a', 'b'] });
    const most = ((ONE * ONE) / factor(-F - 1) + (1n << (W - BigInt(f) - 1n))) >> (W - BigInt(f));
    const off = (scores: number[]): number => {
      const top = Math.max(...scores),
        sum = (M: number): bigint => scores.reduce((x, s) => x + T[M - s], 0n);
      let lo = top - 1,
        hi = top + Math.ceil(Math.log(scores.length) * 2 ** F) + 2;
      while (hi - lo > 1) {
        const mid = (lo + hi) >> 1;
        if (sum(mid) <= most) hi = mid;
        else lo = mid;
      }
      return Math.abs(hi - 2 ** F * Math.log(scores.reduce((x, s) => x + Math.exp((s - top) / 2 ** F), 0)) - top);
    };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 14 }), { minLength: 1, maxLength: 300 }), (scores) => {
        expect(off(scores)).toBeLessThanOrEqual(logSumExpBudget(scores.length, F, f) + 1e-9);
      }),
      { numRuns: 200 },
    );
    const pair = entry(`log-sum-exp of two scores at ${F}, weights ${f}`);
    expect(off([pair.key!, 0])).toBeCloseTo(pair.ulp, 6);
    expect(pair.ulp).toBeLessThanOrEqual(logSumExpBudget(2, F, f));
    expect(pair.ulp).toBeGreaterThan(0.49);
    expect(() => logSumExpBudget(2 ** 21, F, f)).toThrow(/say nothing/);
  });

  it('stands in docs/numbers.md', () => {
    const text = docs('numbers.md');
    for (const e of ledger.entries) {
      const row = text.split('\n').find((l) => l.startsWith(`| ${e.name} |`));
      expect([e.name, row !== undefined]).toEqual([e.name, true]);
      expect(row).toContain(e.kind === 'exhaustive' ? e.ulp.toFixed(9) : `at most ${e.ulp}`);
    }
  });
});
