import type { Device, Vec } from '../src/device/device.js';
import type { Place, Rounding, Sum, SumTerm } from '../src/device/integer.js';
import { placed, testWords } from '../src/device/self-test.js';

/*
 * The kernels of integer training and of keys over edges, odd sizes and none: each case gives the words that a device
 * makes of it.
 */
type Cases = Record<string, (d: Device) => BigUint64Array>;

/** Signed words at which signs, halves and carries turn. */
const EDGES: readonly bigint[] = [0n, 1n, 2n, 3n, 4n, 7n, 8n, 15n, 16n, 1n << 16n, 1n << 31n, 1n << 32n, 3037000499n ** 2n, 1n << 62n];
const TURNS = [...EDGES, ...EDGES.map((x) => x - 1n), ...EDGES.map((x) => -x), ...EDGES.map((x) => 1n - x), -(1n << 63n), (1n << 63n) - 1n];

/** Edges, then words of all lengths. */
const integers = (n: number, seed: number): BigUint64Array =>
  testWords(n, BigInt(seed)).map((w, i) =>
    BigInt.asUintN(
      64,
      i < TURNS.length ? TURNS[(i + seed) % TURNS.length] : BigInt.asIntN(64, w * 2n + BigInt(i % 2)) >> BigInt((i * 7) % 64),
    ),
  );
/** Words below a bound, by turns. */
const below = (n: number, bound: number, seed: number): BigUint64Array => testWords(n, BigInt(seed)).map((w) => w % BigInt(bound));

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const volume = (sizes: readonly number[]): number => sizes.reduce((n, s) => n * s, 1);

/** A factor over a tensor of its own, whose cells lie apart along these axes. */
const factor = (d: Device, seed: number, sizes: readonly number[], strides: readonly number[], at = 0) => ({
  of: placed(d, integers(at + 1 + sizes.reduce((n, s, i) => n + Math.max(0, s - 1) * strides[i], 0), seed)),
  at,
  strides,
});
const boxes: Record<string, (d: Device) => Sum> = {
  'a constant alone': () => ({ sizes: [3], constant: -5n, terms: [] }),
  'one cell': (d) => ({ sizes: [], constant: 1n, terms: [{ coef: -3n, factors: [factor(d, 1, [], [])], over: [] }] }),
  'no cell': (d) => ({ sizes: [4, 0], constant: 1n, terms: [{ coef: 1n, factors: [factor(d, 1, [4, 0], [1, 1])], over: [] }] }),
  'every edge': (d) => ({ sizes: [99], constant: 7n, terms: [{ coef: 1n, factors: [factor(d, 2, [99], [1])], over: [] }] }),
  'products of edges': (d) => ({
    sizes: [70, 70],
    constant: (1n << 63n) - 1n,
    terms: [{ coef: -1n, factors: [factor(d, 3, [70, 70], [1, 0]), factor(d, 4, [70, 70], [0, 1])], over: [] }],
  }),
  'a matrix product, another term, three factors': (d) => ({
    sizes: [5, 7],
    constant: 0n,
    terms: [
      { coef: 3n, factors: [factor(d, 5, [5, 7, 11], [11, 0, 1]), factor(d, 6, [5, 7, 11], [0, 11, 1], 2)], over: [11] },
      { coef: -(1n << 40n), factors: [factor(d, 7, [5, 7], [1, 5], 3)], over: [] },
      { coef: 1n, factors: [8, 9, 10].map((seed) => factor(d, seed, [5, 7, 2, 3], [3, 1, 4, 2], 1)), over: [2, 3] },
    ],
  }),
  'summed over three axes, one of one cell': (d) => ({
    sizes: [3, 1],
    constant: 2n,
    terms: [{ coef: 5n, factors: [factor(d, 11, [3, 1, 2, 1, 4], [8, 9, 4, 1, 1])], over: [2, 1, 4] }],
  }),
  'chosen by position': (d) => ({
    sizes: [4, 6],
    constant: 9n,
    terms: [
      {
        coef: -2n,
        factors: [{ of: placed(d, integers(60, 12)), at: 1, strides: [0, 1] }],
        over: [],
        chosen: { ids: Int32Array.of(3, -1, 0, 8), strides: [1, 0], apart: [6] },
      },
      {
        coef: 1n,
        factors: [
          { of: placed(d, integers(60, 13)), at: 0, strides: [0, 1, 0] },
          { of: placed(d, integers(70, 14)), at: 5, strides: [10, 0, 2] },
        ],
        over: [3],
        chosen: { ids: Int32Array.of(1, 2, -1, 7, 6, 5, 4, 3, 2, 1, 0, -1), strides: [3, 0, 1], apart: [6, 1] },
      },
    ],
  }),
};
const roundings: readonly Rounding[] = [
  { nearest: true, shift: 0 },
  ...[1, 16, 31, 32, 33, 62, 63].map((shift) => ({ nearest: true, shift })),
  ...[
    [0, 1],
    [0, 31],
    [0, 32],
    [0, 33],
    [5, 12],
    [32, 31],
    [40, 24],
    [63, 1],
  ].map(([shift, bits]) => ({ nearest: false, shift, bits })),
  { nearest: true, shift: 17, bits: 9 },
  { nearest: true, shift: 0, bits: 40 },
];

const dense = (d: Device, sum: Sum, o: { rounding?: Rounding; base?: SumTerm } = {}): BigUint64Array => {
  const n = volume(sum.sizes),
    to = d.vector(n);
  d.run('sums', n, { ...sum, ...o, to });
  return d.get(to);
};
const place = (d: Device, to: Vec, at: number, strides: readonly number[]): Place => ({
  to,
  at,
  strides,
  lo: -(1n << 63n),
  hi: (1n << 63n) - 1n,
  bad: d.zeroed(2),
});

const cases: Cases = {};
for (const [name, sum] of Object.entries(boxes)) cases[`sums ${name}`] = (d) => d.scope(() => dense(d, sum(d)));
for (const rounding of roundings)
  cases[`sums rounded ${JSON.stringify(rounding)}`] = (d) => d.scope(() => dense(d, boxes['every edge'](d), { rounding }));
cases['sums with a base, to a place'] = (d) =>
  d.scope(() => {
    const sum = boxes['a matrix product, another term, three factors'](d),
      base = { coef: 1n, factors: [factor(d, 15, [5, 7], [7, 1])], over: [] },
      to = placed(d, integers(99, 16));
    d.run('sums', 35, { ...sum, rounding: { nearest: true, shift: 9 }, base, place: place(d, to, 4, [2, 13]) });
    return d.get(to);
  });
cases['a base chosen by position'] = (d) =>
  d.scope(() => {
    const sum = boxes['chosen by position'](d);
    return dense(d, { ...sum, terms: sum.terms.slice(0, 1) }, { rounding: { nearest: true, shift: 3 }, base: sum.terms[1] });
  });
for (const [sizes, strides] of [
  [[], []],
  [[5], [3]],
  [
    [2, 3, 4],
    [1, 8, 2],
  ],
  [
    [3, 0],
    [1, 1],
  ],
])
  cases[`scatter ${sizes.join(' x ')}`] = (d) =>
    d.scope(() => {
      const to = placed(d, integers(40, 17)),
        n = volume(sizes);
      d.run('scatter', n, { from: placed(d, integers(n, 18)), sizes, place: place(d, to, 3, strides) });
      return d.get(to);
    });
for (const n of [0, 1, 400]) {
  cases[`roots ${n}`] = (d) =>
    d.scope(() => {
      const to = placed(d, integers(n, 19));
      d.run('roots', n, { to });
      return d.get(to);
    });
  cases[`roots to the nearest ${n}`] = (d) =>
    d.scope(() => {
      // Beside the edges all small words, which have every remainder, and what lies around r (r + 1).
      const x = integers(n, 20).map((w, i) =>
          i < 60 ? w : i < 200 ? BigInt(i - 60) : (1n << BigInt(i % 31)) * ((1n << BigInt(i % 31)) + 1n) - BigInt(i % 3),
        ),
        to = placed(d, x);
      d.run('roots', n, { to, of: placed(d, x) });
      return d.get(to);
    });
  cases[`larger ${n}`] = (d) =>
    d.scope(() => {
      const to = placed(d, integers(n, 21));
      d.run('larger', n, { to, other: placed(d, integers(n, 22)) });
      return d.get(to);
    });
}
/** Every edge by every edge. */
cases['quotients'] = (d) =>
  d.scope(() => {
    const n = TURNS.length,
      to = placed(
        d,
        BigUint64Array.from(range(n * n), (i) => BigInt.asUintN(64, TURNS[i % n])),
      );
    d.run('quotients', n * n, {
      to,
      by: placed(
        d,
        BigUint64Array.from(range(n * n), (i) => BigInt.asUintN(64, TURNS[Math.floor(i / n)])),
      ),
    });
    return d.get(to);
  });
for (const first of [0n, -17n, (1n << 63n) - 3n])
  cases[`entries from ${first} on`] = (d) =>
    d.scope(() => {
      const near = BigUint64Array.from(range(60), (i) => BigInt.asUintN(64, first + BigInt(i) - 10n)),
        from = placed(d, BigUint64Array.from([...near, ...integers(100, 23)])),
        to = d.vector(160);
      d.run('entries', 160, { to, from, column: placed(d, integers(33, 24)), first });
      return d.get(to);
    });
for (const [n, length, causal, first] of [
  [1, 1, 0, 0],
  [6, 8, 6, 2],
  [0, 4, 0, 0],
  [70, 9, 7, 1],
])
  cases[`leastSums ${n} of ${length}, ${causal}`] = (d) =>
    d.scope(() => {
      const to = d.vector(n),
        // A falling column of exponentials, as tables have it.
        column = placed(
          d,
          BigUint64Array.from(range(40), (i) => BigInt(Math.floor(2 ** (20 - i / 2)))),
        ),
        scores = placed(
          d,
          below(n * length, 60, 25).map((w) => BigInt.asUintN(64, w - 30n)),
        );
      d.run('leastSums', n, { to, scores, length, causal, first, column, target: 1n << 20n });
      return d.get(to);
    });
/** Keys of boxes of an odd and an even number of cells, and of none; those without a row are left to keysWithoutRow. */
cases['keys and counts'] = (d) =>
  d.scope(() => {
    const list = [
        { sizes: [7], first: -3n, rows: 40n },
        { sizes: [4, 5], first: 0n, rows: 64n },
        { sizes: [0], first: 0n, rows: 1n },
        { sizes: [1], first: (1n << 62n) - 1n, rows: 1n << 31n },
      ],
      items = list.map(({ sizes, first, rows }, i) => ({
        sizes,
        first,
        rows,
        constant: first,
        terms: [
          {
            coef: 1n,
            factors: [
              {
                of: placed(d, below(volume(sizes), Number(rows > 64n ? 64n : rows), 26 + i)),
                at: 0,
                strides: sizes.length > 1 ? [5, 1] : [1],
              },
            ],
            over: [],
          },
        ],
        to: d.zeroed(Math.ceil(volume(sizes) / 2)),
      })),
      counts = d.zeroed(100);
    d.run('keys', items.length, { items, bad: d.zeroed(3) });
    d.run('counts', 3, {
      items: [0, 1, 3].map((i) => ({ to: counts, at: [0, 41, 0, 7][i], keys: items[i].to, n: volume(list[i].sizes), bad: 199 })),
    });
    return BigUint64Array.from([...items.map((x) => d.get(x.to)), d.get(counts)].flatMap((w) => [...w]));
  });

/** Keys that a device finds without a row, counted: outside by one, far outside, negative. */
export function keysWithoutRow(d: Device): number {
  return d.scope(() => {
    const values = BigUint64Array.from([0n, 9n, 10n, -1n, -(1n << 63n), (1n << 63n) - 1n, 1n << 32n], (x) => BigInt.asUintN(64, x)),
      to = d.zeroed(4),
      counts = d.zeroed(10),
      terms = [{ coef: 1n, factors: [{ of: placed(d, values), at: 0, strides: [1] }], over: [] }];
    d.run('keys', 1, { items: [{ sizes: [7], constant: 0n, terms, to, first: 0n, rows: 10n }], bad: d.zeroed(3) });
    d.run('counts', 1, { items: [{ to: counts, at: 0, keys: to, n: 7, bad: 15 }] });
    return Number(d.get(counts)[7] >> 32n);
  });
}
export const integerCases: Readonly<Cases> = cases;
