import { beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../errors.js';
import type { Kernels } from '../../kernels/runtime.js';
import { singleKernels } from '../../kernels/single.js';
import { Permutation, drawn, roundValue } from './feistel.js';
import {
  ALL_PRIVATE,
  ALL_PUBLIC,
  beaconWords,
  blindAt,
  epochKey,
  isPublic,
  keyCommitment,
  orderSeed,
  passKey,
  publicKey,
  stateSaltAt,
} from './keys.js';
import { MOST_ROWS, ROUNDS, orderDistance, orderShape, quotientBound, radices, rounds, walkSlots } from './radices.js';
import { Order, type OrderConfig, epochBatches } from './steps.js';
import { innerWalks, passesTouched, stratify } from './strata.js';

const KEY = publicKey('certune'),
  CONTEXT = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n],
  SEED = orderSeed(CONTEXT, beaconWords('a beacon'));
let k: Kernels;
beforeAll(() => {
  k = singleKernels();
});
const config = (c: Partial<OrderConfig> = {}): OrderConfig => ({
  rows: 7,
  epochExamples: 7,
  batch: 3,
  shortBatch: 'keep',
  replacement: false,
  modes: ALL_PUBLIC,
  keys: { public: KEY },
  seed: SEED,
  ...c,
});
const problems = (f: () => unknown): string => {
  try {
    f();
  } catch (e) {
    expect(e).toBeInstanceOf(InputError);
    return (e as InputError).problems.join('; ');
  }
  throw new Error('accepted');
};

describe('shape of an order', () => {
  it('has radices that hold every row, few values over, a bounded quotient', () => {
    for (let n = 1; n <= 20_000; n++) {
      const { a, b, excess } = radices(n);
      expect(a >= 2 && a <= b && b <= (n < 4096 ? 4 : 16) * a && a * b - n === excess && excess >= 0).toBe(true);
      expect(walkSlots(excess, 'order')).toBeGreaterThanOrEqual(excess);
    }
    for (const m of [2, 3, 1000, 2 ** 16, 65537]) {
      const q = quotientBound(m);
      // The largest sum of a round has a quotient within the bound, and the bound fits 62 bits.
      expect(((1n << 62n) - 1n + BigInt(m - 1)) / BigInt(m)).toBeLessThanOrEqual(q);
      expect(q).toBeLessThan(1n << 62n);
    }
    expect(() => radices(0)).toThrow(InputError);
    expect(() => radices(MOST_ROWS + 1)).toThrow(InputError);
    expect(problems(() => walkSlots(13, 'stratum x'))).toContain('stratum x');
  });
  it('takes the radices of least excess, then least difference, by trying all', () => {
    for (let n = 1; n <= 150; n++) {
      const all: [number, number, number][] = [];
      for (let a = 2; a <= n + 2; a++) for (let b = a; b <= 4 * a; b++) if (a * b >= n) all.push([a * b - n, b - a, a]);
      all.sort((x, y) => x[0] - y[0] || x[1] - y[1]);
      const r = radices(n);
      expect([r.excess, r.b - r.a, r.a], `${n}`).toEqual(all[0]);
    }
  });
  it('has the fewest rounds that bring the distance to 2^-48, and says where none does', () => {
    for (const n of [64, 100, 1000, 1e4, 1e5, 1e6, 1e7, MOST_ROWS]) {
      const { a, b } = radices(n),
        r = rounds(a, b);
      expect(ROUNDS).toContain(r);
      expect(orderDistance(a, b)).toBeLessThanOrEqual(-48 + 1e-9);
      const fewer = ROUNDS.filter((x) => x < r).pop();
      if (fewer !== undefined) expect((fewer / 2 - 1) * Math.log2(a)).toBeLessThan(48);
    }
    expect(orderDistance(2, 3)).toBeGreaterThan(-48);
  });
});

describe('permutation', () => {
  it('is one, for every number of rows up to 2,000, with every walk', () => {
    let longest = 0;
    for (let n = 1; n <= 2000; n++) {
      const shape = orderShape(n),
        p = new Permutation(shape, epochKey(KEY, SEED, n), k),
        seen = new Uint8Array(n),
        over = new Uint8Array(shape.a * shape.b);
      for (let x = 0; x < n; x++) {
        const y = p.at(x),
          w = p.walk(x);
        if (seen[y] || y >= n) throw new Error(`${n} rows: ${y} twice`);
        seen[y] = 1;
        longest = Math.max(longest, w.length);
        for (const v of w) {
          // All walks of an epoch together pass each value from n on at most once: that is why so few slots are enough.
          if (v < n || over[v]) throw new Error(`${n} rows: walk over ${v} twice`);
          over[v] = 1;
        }
      }
    }
    expect(longest).toBeGreaterThan(1);
  });
  it('is the formula, with and without kernels', () => {
    for (const n of [7, 101, 1009]) {
      const shape = orderShape(n),
        key = epochKey(KEY, SEED, 3),
        fast = new Permutation(shape, key, k),
        slow = new Permutation(shape, key);
      for (let x = 0; x < Math.min(n, 40); x++) {
        let [L, R] = [BigInt(Math.floor(x / shape.b)), BigInt(x % shape.b)];
        for (let t = 0; t < shape.rounds; t++)
          if (t % 2) R = (R + roundValue(key, t, Number(L))) % BigInt(shape.b);
          else L = (L + roundValue(key, t, Number(R))) % BigInt(shape.a);
        expect(slow.once(x)).toBe(Number(L) * shape.b + Number(R));
        expect(fast.once(x)).toBe(slow.once(x));
        expect(fast.at(x)).toBe(slow.at(x));
      }
    }
    expect(() => new Permutation(orderShape(7), KEY).at(7)).toThrow(RangeError);
  });
  it('gives these orders for ever', () => {
    expect(KEY.map(String)).toMatchInlineSnapshot(`
      [
        "3239459068739124769",
        "5244239308363839301",
        "1402234276875210681",
        "7207339024350223634",
      ]
    `);
    expect(keyCommitment(KEY).map(String)).toMatchInlineSnapshot(`
      [
        "40486906208277705",
        "11889140268234390452",
        "18220877839480374030",
        "7678072711507207033",
      ]
    `);
    expect(SEED.map(String)).toMatchInlineSnapshot(`
      [
        "2248180591630427376",
        "8203717378996817720",
        "16463518392631851568",
        "9976592069455773595",
      ]
    `);
    expect(epochKey(KEY, SEED, 1).map(String)).toMatchInlineSnapshot(`
      [
        "10776021338683385615",
        "1781598731790694744",
        "15221219929731070810",
        "7044295813212204383",
      ]
    `);
    expect(passKey(KEY, SEED, 0, 1).map(String)).toMatchInlineSnapshot(`
      [
        "13554110154707084934",
        "16943020005854581395",
        "14040990925065832047",
        "8158009424319971758",
      ]
    `);
    const first = (n: number): number[] => {
      const p = new Permutation(orderShape(n), epochKey(KEY, SEED, 0));
      return Array.from({ length: Math.min(10, n) }, (_, x) => p.at(x));
    };
    expect([7, 101, 1009].map((n) => first(n).join(' '))).toMatchInlineSnapshot(`
      [
        "6 5 2 0 1 3 4",
        "90 17 39 3 88 16 40 95 43 93",
        "948 986 271 333 758 237 716 186 342 184",
      ]
    `);
    expect(Array.from({ length: 10 }, (_, x) => drawn(epochKey(KEY, SEED, 0), 1009, x)).join(' ')).toMatchInlineSnapshot(
      `"838 952 904 662 822 807 149 437 173 465"`,
    );
    // A walk: 101 = 2 x 51 - 1, 1,009 = 10 x 101 - 1.
    const walks = new Permutation(orderShape(1009), epochKey(KEY, SEED, 0), k);
    expect(Array.from({ length: 1009 }, (_, x) => walks.walk(x).length).reduce((s, x) => s + x, 0)).toBeLessThanOrEqual(
      orderShape(1009).excess,
    );
  });
  it('looks random at a million rows: pairs, ascents, fixed points, places', () => {
    const n = 1_000_000,
      shape = orderShape(n);
    for (const e of [0, 1, 2]) {
      const p = new Permutation(shape, epochKey(KEY, SEED, e), k),
        y = Float64Array.from({ length: n }, (_, x) => p.at(x));
      let ascents = 0,
        fixed = 0,
        cross = 0,
        next = 0;
      const cells = new Float64Array(10_000),
        mean = (n - 1) / 2;
      for (let x = 0; x < n; x++) {
        if (y[x] === x) fixed++;
        if (x && y[x] > y[x - 1]) ascents++;
        cross += (x - mean) * (y[x] - mean);
        if (x) next += (y[x - 1] - mean) * (y[x] - mean);
        cells[100 * Math.floor((100 * x) / n) + Math.floor((100 * y[x]) / n)]++;
      }
      const variance = (n * n - 1) / 12;
      // Ascents: mean (n - 1) / 2, variance (n + 1) / 12. Correlations: variance about 1 / n. Six deviations each.
      expect(Math.abs(ascents - (n - 1) / 2)).toBeLessThan(6 * Math.sqrt((n + 1) / 12));
      expect(Math.abs(cross / (n * variance))).toBeLessThan(6 / Math.sqrt(n));
      expect(Math.abs(next / (n * variance))).toBeLessThan(6 / Math.sqrt(n));
      // Fixed points: Poisson of mean 1; 15 or more have probability 3e-13.
      expect(fixed).toBeLessThan(15);
      // Rows of a tenth of a tenth by places: chi-square of 99 x 99 degrees of freedom.
      const chi = cells.reduce((s, c) => s + (c - n / 10_000) ** 2 / (n / 10_000), 0);
      expect(Math.abs(chi - 9801)).toBeLessThan(6 * Math.sqrt(2 * 9801));
    }
  });
  it('puts every row at every place equally often over keys', () => {
    // 3,000 keys over 20 rows: 361 degrees of freedom.
    const n = 20,
      keys = 3000,
      cells = new Float64Array(n * n);
    for (let e = 0; e < keys; e++) {
      const p = new Permutation(orderShape(n), epochKey(KEY, SEED, e), k);
      for (let x = 0; x < n; x++) cells[n * x + p.at(x)]++;
    }
    const chi = cells.reduce((s, c) => s + (c - keys / n) ** 2 / (keys / n), 0);
    expect(Math.abs(chi - 361)).toBeLessThan(6 * Math.sqrt(2 * 361));
  });
});

describe('order of a run', () => {
  it('cuts epochs into batches, a short one kept or dropped, and seeks', () => {
    const keep = new Order(config()),
      drop = new Order(config({ shortBatch: 'drop' }));
    expect([0, 1, 2, 3].map((s) => [keep.batch(s).epoch, keep.batch(s).drawn, keep.batch(s).draws.length])).toEqual([
      [0, 0, 3],
      [0, 1, 3],
      [0, 2, 1],
      [1, 0, 3],
    ]);
    expect([0, 1, 2].map((s) => [drop.batch(s).epoch, drop.batch(s).draws.length])).toEqual([
      [0, 3],
      [0, 3],
      [1, 3],
    ]);
    for (const e of [0, 1, 5]) {
      const rows = [0, 1, 2].flatMap((s) => keep.batch(3 * e + s).draws.map((d) => d.row));
      expect(rows.sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    }
    expect(epochBatches(config({ epochExamples: 5 }))).toBe(2);
    const part = new Order(config({ rows: 101, epochExamples: 10, batch: 10 })).batch(4).draws.map((d) => d.row);
    expect(new Set(part).size).toBe(10);
  });
  it('draws with replacement, uniformly', () => {
    const o = new Order(config({ rows: 50, epochExamples: 50, batch: 50, replacement: true }), k),
      cells = new Float64Array(50);
    for (let s = 0; s < 400; s++) for (const d of o.batch(s).draws) cells[d.row]++;
    expect(cells.reduce((t, c) => t + (c - 400) ** 2 / 400, 0)).toBeLessThan(49 + 6 * Math.sqrt(98));
  });
  it('alternates modes by epoch, each under its own key', () => {
    const modes = { period: 3, mask: 0b101n },
      secret = [9n, 8n, 7n, 6n];
    expect([0, 1, 2, 3, 4].map((e) => isPublic(modes, e))).toEqual([true, false, true, true, false]);
    const both = new Order(config({ rows: 101, epochExamples: 101, batch: 101, modes, keys: { public: KEY, private: secret } })),
      open = new Order(config({ rows: 101, epochExamples: 101, batch: 101 })),
      hidden = new Order(config({ rows: 101, epochExamples: 101, batch: 101, modes: ALL_PRIVATE, keys: { private: secret } }));
    for (let e = 0; e < 4; e++) expect(both.batch(e)).toEqual((isPublic(modes, e) ? open : hidden).batch(e));
    expect(problems(() => new Order(config({ modes })))).toContain('private mode have no key');
  });
  it('is another order for another key, beacon or commitment', () => {
    const rows = (c: Partial<OrderConfig>): string =>
        new Order(config({ rows: 101, epochExamples: 101, batch: 20, ...c }))
          .batch(0)
          .draws.map((d) => d.row)
          .join(),
      all = [
        rows({}),
        rows({ keys: { public: publicKey('other') } }),
        rows({ seed: orderSeed([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n], beaconWords('b beacon')) }),
        rows({ seed: orderSeed([1n, 2n, 3n, 4n, 5n, 6n, 7n, 9n], beaconWords('a beacon')) }),
      ];
    expect(new Set(all).size).toBe(4);
    expect(beaconWords(null)).not.toEqual(beaconWords(''));
  });
  it('blinds no two places alike, of a run or of two under one secret, and none as a state is salted', () => {
    const runs = [CONTEXT, CONTEXT.map((w) => w + 1n)],
      places = [0, 1, 2].flatMap((step) => [0, 1].map((micro) => [step, micro] as const)),
      blinds = runs.flatMap((run) => places.map(([step, micro]) => blindAt(KEY, run, 'counters', step, micro))),
      salts = runs.flatMap((run) => places.flatMap(([step, part]) => [stateSaltAt(KEY, run, step), stateSaltAt(KEY, run, step, part)]));
    expect(new Set(blinds.map(String)).size).toBe(blinds.length);
    expect(blinds.filter((b) => salts.some((x) => String(x) === String(b)))).toEqual([]);
  });
  it('draws strata exactly, and every row of one once before any twice', () => {
    const strata = stratify([
        { name: 'a', rows: 30, perEpoch: 12 },
        { name: 'b', rows: 5, perEpoch: 7 },
        { name: 'c', rows: 9, perEpoch: 9 },
      ]),
      o = new Order(config({ rows: 50, epochExamples: 28, batch: 8, strata }), k),
      used = new Map<number, number>();
    for (let e = 0; e < 15; e++) {
      const draws = [0, 1, 2, 3].flatMap((s) => o.batch(4 * e + s).draws);
      expect(strata.map((s) => draws.filter((d) => d.row >= s.offset && d.row < s.offset + s.rows).length)).toEqual([12, 7, 9]);
      for (const d of draws) used.set(d.row, (used.get(d.row) ?? 0) + 1);
      for (const s of strata) {
        const n = Array.from({ length: s.rows }, (_, i) => used.get(s.offset + i) ?? 0);
        expect(Math.max(...n) - Math.min(...n)).toBeLessThanOrEqual(1);
      }
    }
    // Rows 44 to 49 belong to no stratum.
    expect(Math.max(...used.keys())).toBe(43);
    expect(problems(() => new Order(config({ rows: 50, epochExamples: 27, strata })))).toContain('28');
    expect(problems(() => new Order(config({ rows: 50, epochExamples: 28, strata, modes: { period: 2, mask: 1n } })))).toContain(
      'alternate',
    );
    expect(problems(() => stratify([{ name: 'x', rows: 0, perEpoch: 1 }]))).toContain('no row');
  });
  it('knows how many passes an epoch touches', () => {
    for (let N = 1; N <= 12; N++)
      for (let n = 1; n <= 30; n++) {
        let most = 0;
        for (let e = 0; e < N; e++) most = Math.max(most, Math.floor((e * n + n - 1) / N) - Math.floor((e * n) / N) + 1);
        expect(passesTouched(n, N), `${n} of ${N}`).toBe(most);
        for (const epochs of [1, 2, 5]) {
          let some = 0;
          for (let e = 0; e < epochs; e++) some = Math.max(some, Math.floor((e * n + n - 1) / N) - Math.floor((e * n) / N) + 1);
          expect(passesTouched(n, N, epochs), `${epochs} of ${n} of ${N}`).toBe(some);
        }
      }
    // Counted in closed form: as many epochs and rows as no loop would end for.
    const N = 2 ** 50 - 27;
    expect(passesTouched(2, N, 2 ** 40)).toBe(1);
    expect(passesTouched(2 ** 20, N, 2 ** 29)).toBe(1);
    expect(passesTouched(2 ** 20, N, 2 ** 30)).toBe(2);
    expect(passesTouched(3 * N + 2 ** 20, N, 2 ** 30)).toBe(5);
    expect(innerWalks(stratify([{ name: 'x', rows: 7, perEpoch: 7 }]))).toBe(1);
  });
});
