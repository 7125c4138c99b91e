import type { Calls, Device, Vec } from '../src/device/device.js';
import type { OpeningCalls, ProductBlock } from '../src/device/opening.js';
import { placed, testExts, testWords } from '../src/device/self-test.js';
import type { Kernels } from '../src/kernels/runtime.js';
import { ProductSumcheck } from '../src/sumcheck/product.js';

/*
 * The kernels of an opening over edges, odd sizes and none: each case gives the words that a device makes of it. The
 * field's edges are in testWords.
 */
type Cases = Record<string, (d: Device) => BigUint64Array>;

const words = (d: Device, n: number, seed: number): Vec => placed(d, testWords(n, BigInt(seed)));
const [r, z] = testExts(4, 5n).slice(1);
const edges = testExts(10, 6n);

/** A kernel that writes to a vector of these words. */
const into = <K extends keyof OpeningCalls>(
  kernel: K,
  n: number,
  start: (d: Device) => Vec,
  args: (d: Device) => Omit<Calls[K], 'to'>,
): ((d: Device) => BigUint64Array) => {
  return (d) =>
    d.scope(() => {
      const to = start(d);
      d.run(kernel, n, { ...args(d), to } as Calls[K]);
      return d.get(to);
    });
};

const cases: Cases = {};
for (const n of [0, 1, 65, 1000]) {
  cases[`zero ${n}`] = into(
    'zero',
    n,
    (d) => words(d, n, 1),
    () => ({}),
  );
  cases[`copy ${n}`] = into(
    'copy',
    n,
    (d) => d.vector(n),
    (d) => ({ from: words(d, n, 2) }),
  );
  cases[`addScaled ${n}`] = into(
    'addScaled',
    n,
    (d) => words(d, 3 * n, 3),
    (d) => ({ from: words(d, 3 * n, 4), by: edges[n % 10] }),
  );
  cases[`addPowers ${n}`] = into(
    'addPowers',
    n,
    (d) => words(d, 3 * n, 5),
    () => ({ z, first: edges[(n + 1) % 10] }),
  );
  cases[`horner ${n}`] = into(
    'horner',
    n,
    (d) => d.vector(3),
    (d) => ({ from: words(d, 3 * n, 6), z: edges[(n + 4) % 10] }),
  );
}
cases['horner over groups'] = into(
  'horner',
  2500,
  (d) => d.vector(3),
  (d) => ({ from: words(d, 7500, 6), z }),
);
/** Entries and half: a half that is whole, short, of one entry, none. */
for (const [entries, half] of [
  [2, 1],
  [1, 1],
  [130, 65],
  [100, 64],
  [64, 64],
  [3, 4],
  [0, 1],
  [5000, 2600],
])
  for (const base of [false, true]) {
    const n = Math.min(entries, half),
      name = `${entries} of ${2 * half}${base ? ', base' : ''}`;
    cases[`fold ${name}`] = into(
      'fold',
      n,
      (d) => d.vector(3 * n),
      (d) => ({ from: words(d, (base ? 1 : 3) * entries, 7), base, half, r }),
    );
    cases[`productSums ${name}`] = into(
      'productSums',
      n,
      (d) => d.vector(6),
      (d) => ({
        f: words(d, (base ? 1 : 3) * entries, 8),
        base,
        w: words(d, 3 * entries, 9),
        half,
      }),
    );
  }
cases['fold in place'] = (d) =>
  d.scope(() => {
    const from = words(d, 3 * 999, 10);
    d.run('fold', 512, { to: d.slice(from, 0, 3 * 512), from, base: false, half: 512, r });
    return d.get(from);
  });
/** Domain, elements, claims: with points that repeat, few that are powers on the CPU, many that are one transform. */
for (const [domain, n, claims] of [
  [0, 1, 2],
  [1, 2, 1],
  [4, 9, 30],
  [9, 3, 2],
  [10, 700, 40],
])
  cases[`addClaims ${claims} of 2^${domain}`] = into(
    'addClaims',
    n,
    (d) => words(d, 3 * n, 11),
    () => ({
      domain,
      claims: testExts(claims, 12n).map((coefficient, i) => ({
        log: (i * 37) % Math.min(2 ** domain, 17) === 16 ? 2 ** domain - 1 : (i * 37) % Math.min(2 ** domain, 17),
        coefficient,
      })),
    }),
  );
for (const [variables, n] of [
  [0, 1],
  [1, 2],
  [5, 19],
  [9, 512],
])
  cases[`eqTable ${n} of 2^${variables}`] = (d) =>
    d.scope(() => {
      const to = d.vector(3 * (n + 1));
      d.run('eqTable', n, { to, point: edges.slice(0, variables) });
      return d.get(d.slice(to, 0, 3 * n));
    });
for (const [n, stride, offset] of [
  [0, 1, 0],
  [1, 1, 2],
  [70, 2, 1],
])
  cases[`spread ${n} by ${stride}`] = into(
    'spread',
    n,
    (d) => d.zeroed(3 * (stride * n + offset + 1)),
    (d) => ({ from: words(d, 3 * n, 13), stride, offset }),
  );
const block = (at: number, i: number, ...axes: ProductBlock['axes'][number][]): ProductBlock => ({ at, coefficient: edges[i], axes });
/** Blocks: of one cell, of a number, alone and of all axes, on the same cells, one within another, out of order. */
const products: Record<string, readonly ProductBlock[]> = {
  'one cell without axes': [block(5, 1)],
  'one cell of a table': [block(0, 3, { log: 0, table: 7 }, { log: 0, only: 0 })],
  'one long axis': [block(0, 4, { log: 6, table: 1 })],
  several: [
    block(128, 1, { log: 2, table: 0 }, { log: 3, only: 5 }, { log: 1, table: 30 }),
    block(0, 4, { log: 3, table: 9 }, { log: 4, table: 2 }),
    block(0, 5, { log: 5, table: 9 }, { log: 2, table: 60 }),
    block(64, 7, { log: 0, table: 9 }, { log: 3, only: 0 }),
    block(0, 8, { log: 4, table: 0 }),
    block(200, 2),
  ],
};
for (const [name, blocks] of Object.entries(products))
  cases[`addProducts ${name}`] = into(
    'addProducts',
    201,
    (d) => words(d, 3 * 201, 14),
    (d) => ({ tables: words(d, 3 * 70, 15), blocks }),
  );

/** Messages and last vectors of a product sumcheck over n entries, made on a device, near or from tiles. */
export function productMessages(k: Kernels, d: Device, n: number, vars: number): BigUint64Array {
  const f = testWords(n, 16n).map((w) => BigInt.asUintN(64, BigInt.asIntN(64, w) >> 30n)),
    w = testWords(3 * n, 17n);
  return k.scope(() =>
    d.scope(() => {
      const tiles = (all: BigUint64Array, size: number) => (dst: number, from: number, log: number) => {
        k.u64.fill(0n, dst / 8, dst / 8 + size * 2 ** log);
        k.u64.set(all.subarray(size * from, size * (from + 2 ** log)), dst / 8);
      };
      const near = k.alloc(8 * n);
      k.u64.set(f, near / 8);
      const sum = new ProductSumcheck(k, { length: n, ptr: near }, { length: n, fill: tiles(w, 3) }, vars, d),
        out: bigint[] = [];
      while (sum.vars > 0) {
        out.push(...sum.message().flat());
        sum.bind(edges[sum.vars % 10]);
      }
      const left = sum.near();
      return BigUint64Array.from([...out, ...d.get(left.f), ...d.get(left.w)]);
    }),
  );
}
export const openingCases: Readonly<Cases> = cases;
