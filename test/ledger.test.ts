import { describe, expect, it } from 'vitest';
import { countPlan } from '../src/estimate/counts.js';
import { LEAST_BITS, mergeLedger, programLedger, runLedger } from '../src/run/ledger.js';
import { GRINDING, programsOf } from '../src/run/programs.js';
import { CHALLENGE_BITS, type WhirShape, exceptional, whirLedger, whirShape } from '../src/pcs/index.js';
import { runSchema } from '../src/run/schema.js';
import { type Plan, stateGroup } from '../src/tensor/plan.js';
import { STORIES } from './stories.js';

/*
 * The integers that ship (queries, grinding, caps, folds) and every printed term, from formulas written here anew:
 *
 * - Reed-Solomon code of rate rho, length n; proximity radius 1 - sqrt(rho) (1 + 1/2m), m the least with which the
 *   least number of queries suffices.
 *   List size L = (m + 1/2)/sqrt(rho) (Guruswami-Sudan). Lines, agreement on the same positions: at most (2 mu - 1) h +
 *   theta (h + mu + 4 D mu h) +
 *   (n - D - 1) mu exceptional challenges, with the degree D = k - 1 (eprint 2026/2056).
 * - A query misses with probability sqrt(rho) (1 + 1/2m).
 * - Two of L codewords agree at a random point with probability at most L^2/2 degree/|E|.
 * - Every challenge before an opening must serve all pairs of codewords of the two unopened stacks: a factor L L'.
 */
const p = 2n ** 64n - 2n ** 32n + 1n,
  E = Math.log2(Number((p ** 3n) >> 128n)) + 128;

const missBits = (m: number, r: number): number => r / 2 - Math.log2(1 + 1 / (2 * m));
const list = (m: number, r: number): number => Math.log2(m + 0.5) + r / 2;

/** Queries, multiplicity and levels of the cap of an oracle. */
function integers(bits: number, r: number, domain: number): { queries: number; multiplicity: number; cap: number } {
  // At the radius itself the list would be without bound: the number of queries is the one that a finite multiplicity
  // reaches.
  let queries = 0;
  while ((queries * r) / 2 + 16 <= bits + 0.25) queries++;
  let multiplicity = 3;
  while (queries * missBits(multiplicity, r) + 16 < bits + 0.25) multiplicity++;
  // One level of a cap more saves a hash on every path and costs as many as it has nodes.
  let cap = 0;
  while (cap < domain && 2 ** cap < queries) cap++;
  return { queries, multiplicity, cap };
}

/** Bits of one term of an opening by its name. */
function openingBits(s: WhirShape, name: string): number | undefined {
  if (/end: sumcheck rounds/.test(name)) return E - 1;
  if (/end: claim batching/.test(name)) return E - Math.log2(s.groups.length - 1);
  const i = Number(/round (\d+):/.exec(name)?.[1]),
    group = s.groups[name.startsWith('state') ? 1 : 0],
    o = i === 0 ? { ...group, columns: group.logColumns, rows: group.logHeight } : s.rounds[i - 1];
  if (!o) return undefined;
  const { queries, multiplicity: m } = integers(s.params.bits, o.logInvRate, o.domain),
    n = 2 ** (o.rows + o.logInvRate),
    D = 2 ** o.rows - 1,
    T = m + 0.5,
    mu = Math.ceil(T / Math.sqrt(D / n)) - 1,
    h = Math.ceil((T * T * n) / (3 * D)) - 1,
    theta = (n - D) / (Math.ceil(Math.sqrt(D * n) * (1 + 1 / (2 * m))) - D),
    a = (2 * mu - 1) * h + theta * (h + mu + 4 * D * mu * h) + (n - D - 1) * mu,
    // The claims that an oracle inherits: one a query of those before it, theirs, and its own value.
    before = i === 1 ? s.groups.reduce((n, g) => n + g.queries + 1, 0) : i > 1 ? s.rounds[i - 2].queries + 1 : 0;
  if (/folding agreement/.test(name)) return E - Math.log2(a) - Math.log2(Math.max(1, o.columns));
  if (/sumcheck over the list/.test(name)) return E - Math.log2(2) - list(m, o.logInvRate);
  if (/out-of-domain sample/.test(name)) return E + 1 - 2 * list(m, o.logInvRate) - (o.rows + o.columns);
  if (/claim batching/.test(name)) return E - list(m, o.logInvRate) - Math.log2(before + 1);
  if (/queries/.test(name)) return queries * missBits(m, o.logInvRate) + 16;
  return undefined;
}

/** Bits of every other term. */
function programBits(plan: Plan, name: string): number | undefined {
  const at = (r: number): number => list(integers(plan.options.bits, r, 20).multiplicity, r),
    lists = at(plan.options.rate) + (plan.states.length ? at(plan.options.stateRate) : 0),
    of = (errors: number): number => E - Math.log2(errors) - lists,
    cs = plan.program.constraints,
    n = plan.logup.vars;
  const leaves = plan.logup.boxes.reduce((s, b) => s + 2 ** b.vars, 0);
  if (/^LogUp: sum/.test(name)) {
    // Numerator of the sum: total degree in gamma and beta below (fractions) (largest degree of one denominator).
    const degree = Math.max(1, ...cs.map((c) => (c.kind === 'lookup' ? c.exprs.length : 1)));
    expect(2 ** n).toBeGreaterThanOrEqual(leaves);
    return of(2 ** n * degree);
  }
  if (/joining numerator and denominator/.test(name)) return of(1);
  if (/^LogUp-GKR: sumcheck/.test(name)) return of(4);
  if (/zero constraints/.test(name)) return of(Math.max(1, cs.filter((c) => c.kind === 'zero').length));
  if (/^batched sumcheck/.test(name)) return of(4);
  if (/claims for the openings/.test(name)) {
    // Multiplicities, and columns that are committed.
    const tables = plan.tables.reduce(
      (s, t) => s + 1 + (t.kind === 'table' ? t.spec.columns.length : t.kind === 'segment' ? t.segment.columns.filter((c) => c).length : 0),
      0,
    );
    return of(tables + plan.factors.filter((f) => f.tensor.cls !== 'public').length + plan.states.flatMap((t) => t.classes).length);
  }
  if (/^frozen reduction/.test(name)) return of(2);
  if (/^state point/.test(name)) {
    // Pairs of the list, and the adapter of the digest with each of it.
    const g = stateGroup(plan)!,
      L = 2 ** at(5),
      outs = plan.states.filter((t) => t.name.endsWith('Out')).length;
    return (
      E - Math.log2(L ** 2 / 2 + L) - Math.log2(outs * Math.max(...g.trees.flatMap((t) => t.parts.map((x) => x.used))) * 2 ** g.logHeight)
    );
  }
  return openingBits(plan.whir, name);
}

const weightBits = new Proxy({}, { get: () => 20 }) as Record<string, number>;
const config = (o: Record<string, unknown>): ReturnType<typeof runSchema.parse> =>
  runSchema.parse({ version: 1, base: { path: '' }, data: [{ path: '' }], ...o });
const cases = [
  ['defaults', config({})],
  ['100 bits at rate 1/2', config({ proof: { bits: 100, rate: 1 } })],
  ['accumulated, rate 1/16', config({ train: { batch: 16, microBatch: 2, sequence: 64 }, proof: { rate: 4 } })],
  ['tiny tables', config({ train: { batch: 2, microBatch: 2, sequence: 12 }, numbers: { preset: 'small' } })],
] as const;

describe('soundness ledger', () => {
  it('challenges have 192 bits', () => {
    // log2 p^3 - 192 without cancellation: the constant is below it, by less than 2e-9.
    const below = (3 * Math.log1p(-(2 ** -32) + 2 ** -64)) / Math.LN2;
    expect(CHALLENGE_BITS - 192).toBeLessThanOrEqual(below);
    expect(CHALLENGE_BITS - 192).toBeGreaterThan(below - 2e-9);
    expect(CHALLENGE_BITS).toBeCloseTo(E, 6);
    expect([GRINDING, LEAST_BITS]).toEqual([16, 100]);
  });

  it('every shipped integer follows from the formulas', () => {
    for (let bits = 100; bits <= 128; bits++)
      for (const r of [1, 2, 3, 4, 5])
        for (const [c, h] of [
          [0, 3],
          [6, 9],
          [6, 14],
          [7, 17],
          [6, 21],
        ]) {
          const one = { logColumns: c, logHeight: h, logInvRate: r, trees: [{ parts: [{ used: 1, offset: 0 }] }] },
            s = whirShape({ bits, grinding: GRINDING }, [one, { ...one, logHeight: 5, logInvRate: 5 }]);
          for (const o of [...s.groups, ...s.rounds])
            expect({ queries: o.queries, multiplicity: o.multiplicity, cap: o.cap }, `${bits} bits, rate 2^-${r}, 2^${c} x 2^${h}`).toEqual(
              integers(bits, o.logInvRate, o.domain),
            );
          // A round folds what the one before left, at a domain of its rows and rate.
          let cells = 2 ** h + 2 ** 5;
          expect(s.cells).toBe(cells);
          for (const x of s.rounds) {
            expect(2 ** (x.rows + x.columns)).toBeGreaterThanOrEqual(cells);
            expect([x.used, x.domain]).toEqual([Math.ceil(cells / 2 ** x.rows), x.rows + x.logInvRate]);
            cells = 2 ** x.rows;
          }
          expect(2 ** s.final).toBeGreaterThanOrEqual(cells);
        }
    // What a reader can check by hand: 128 bits at rates 1/2, 1/4 and 1/32.
    expect([integers(128, 1, 20), integers(128, 2, 20), integers(128, 5, 16)]).toEqual([
      { queries: 225, multiplicity: 649, cap: 8 },
      { queries: 113, multiplicity: 109, cap: 7 },
      { queries: 45, multiplicity: 130, cap: 6 },
    ]);
  });

  it.each(cases)('every printed term follows: %s', (_n, c) => {
    const { plan, update } = programsOf(c, { shape: STORIES, weightBits });
    for (const x of [plan, ...(update ? [update.plan] : [])]) {
      const terms = programLedger(x);
      for (const t of terms) {
        if (t.kind === 'grinding') {
          expect(t.bits).toBe(16);
          continue;
        }
        const bits = programBits(x, t.name);
        expect(bits, `no formula for "${t.name}"`).toBeDefined();
        expect(t.bits, t.name).toBeCloseTo(bits!, 3);
      }
      // Nothing is left out: both groups, and all rounds of the one chain.
      const count = (re: RegExp): number => terms.filter((t) => re.test(t.name)).length;
      expect([count(/^witness opening.*queries/), count(/^state opening.*queries/)]).toEqual([1, 1]);
      for (const re of [/^opening.*queries/, /^opening.*out-of-domain/, /^opening.*batching/, /^opening.*agreement/])
        expect(count(re)).toBe(x.whir.rounds.length);
      for (const re of [
        /^LogUp: sum/,
        /^state point/,
        /^batched sumcheck/,
        /zero constraints/,
        /claims for the openings/,
        /joining numerator/,
      ])
        expect(count(re), String(re)).toBe(1);
      expect(count(/^frozen/)).toBe(x.frozenVars ? 1 : 0);
    }
    const steps = 100,
      micros = update ? 8 : 1,
      ledger = runLedger({ plan, update, steps, micros }),
      proved = ledger.terms.filter((t) => t.kind === 'proved');
    expect(ledger.roundByRound).toBeCloseTo(Math.min(...proved.map((t) => t.bits)), 9);
    expect(ledger.roundByRound).toBeGreaterThanOrEqual(c.proof.bits);
    expect(ledger.grinding).toBe(16);
    // A run is as many proofs as it says, and its union over them is what it says.
    expect(proved.filter((t) => t.name.startsWith('LogUp: sum')).map((t) => t.proofs)).toEqual(update ? [steps * micros, steps] : [steps]);
    expect(ledger.union).toBeCloseTo(-Math.log2(proved.reduce((s, t) => s + t.rounds * t.proofs * 2 ** -t.bits, 0)), 6);
    expect(ledger.union).toBeGreaterThan(c.proof.bits - Math.log2(steps * micros) - 4);
    // Assumptions are apart.
    expect(ledger.terms.filter((t) => t.kind === 'assumption').map((t) => t.bits)).toEqual([128]);
    const merge = mergeLedger(steps * micros, plan.frozenVars);
    expect(merge[0].bits).toBeCloseTo(E - Math.log2(steps * micros), 6);
    expect(merge[1]).toMatchObject({ rounds: plan.frozenVars });
    expect(merge[1].bits).toBeCloseTo(E - 1, 6);
  });

  it('agreement has room above the queries at the largest shapes, and no code of one coefficient has a bound', () => {
    const s = whirShape({ bits: 128, grinding: 16 }, [
      { logColumns: 6, logHeight: 22, logInvRate: 1, trees: [{ parts: [{ used: 64, offset: 0 }] }] },
      { logColumns: 7, logHeight: 18, logInvRate: 4, trees: [{ parts: [{ used: 76, offset: 0 }] }] },
    ]);
    for (const o of [...s.groups, ...s.rounds])
      expect(E - Math.log2(exceptional(o.multiplicity!, o.logInvRate, o.domain)) - 3).toBeGreaterThan(133);
    expect(() => exceptional(30, 2, 2)).toThrow(RangeError);
  });
  it('rounds are those of the protocol', () => {
    const s = whirShape({ bits: 128, grinding: 16 }, [
      { logColumns: 6, logHeight: 16, logInvRate: 2, trees: [{ parts: [{ used: 64, offset: 0 }] }] },
      { logColumns: 5, logHeight: 12, logInvRate: 5, trees: [{ parts: [{ used: 20, offset: 0 }] }] },
    ]);
    const rounds = (re: RegExp): number[] => whirLedger(s, ['w', 's'], 'o').flatMap((t) => (re.test(t.name) ? [t.rounds] : []));
    expect(rounds(/sumcheck over the list/)).toEqual([6, 5, ...s.rounds.map((r) => r.columns)]);
    expect(rounds(/end: sumcheck/)).toEqual([s.final]);
    expect(new Set(rounds(/agreement|queries|sample|batching/))).toEqual(new Set([1]));
  });
  it.each([
    [128, 10_000],
    [100, 8_500],
  ])('a step of %i bits takes at most %i permutations to verify, for 1 layer and for 30', (bits, most) => {
    for (const layers of [1, 30]) {
      const run = config({ train: { batch: 8, microBatch: 8, sequence: 64 }, proof: { bits } }),
        { plan } = programsOf(run, { shape: { ...STORIES, layers }, weightBits });
      expect(countPlan(plan).permutations, `${layers} layers`).toBeLessThanOrEqual(most);
      expect(Math.min(...programLedger(plan).flatMap((t) => (t.kind === 'proved' ? [t.bits] : [])))).toBeGreaterThanOrEqual(bits);
    }
  });
  it('no run may have fewer than 100 bits', () => {
    expect(() => config({ proof: { bits: 99 } })).toThrow();
    expect(() => config({ proof: { bits: 129 } })).toThrow();
    expect(() => config({ proof: { rate: 0 } })).toThrow();
  });
});
