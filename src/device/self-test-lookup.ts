import type { Ext } from '../field/ext3.js';
import type { Calls, Device, Vec } from './device.js';
import type { Grid, Leaf, LookupCalls, PairVec } from './lookup.js';

/** Where a test's words come from: vectors of them, elements of them. */
export interface TestSource {
  readonly words: (n: number) => Vec;
  readonly exts: (n: number) => Ext[];
}

/** Vectors of zeros for what a call writes, and what lies there afterwards. */
export class Written {
  readonly #vecs: Vec[] = [];
  constructor(readonly d: Device) {}
  vec(elements: number): Vec {
    const v = this.d.zeroed(3 * elements);
    this.#vecs.push(v);
    return v;
  }
  pairs(cells: number, four: boolean): PairVec {
    const v = (): Vec => this.vec(cells);
    return four ? { n0: v(), n1: v(), d0: v(), d1: v() } : { d0: v(), d1: v() };
  }
  words(): BigUint64Array {
    return BigUint64Array.from(this.#vecs.flatMap((v) => [...this.d.get(v)]));
  }
}

/** Rows and cells of layers: of one cell, odd, even, of two rows and of many. */
const LAYERS: readonly (readonly [rows: number, len: number])[] = [
  [1, 1],
  [3, 5],
  [2, 64],
  [70, 2],
];

/** What the kernels of LogUp-GKR write, by name, each over items of several shapes. */
export function lookedUp(d: Device, { words, exts }: TestSource): Record<string, BigUint64Array> {
  const out: Record<string, BigUint64Array> = {};
  const after = <K extends keyof LookupCalls>(kernel: K, args: (w: Written) => Calls[K]): void =>
    d.scope(() => {
      const w = new Written(d);
      d.run(kernel, 1, args(w));
      out[kernel] = w.words();
    });
  const elements = (n: number): Vec => words(3 * n),
    keys = (n: number, rows: number): Vec => {
      const v = d.vector(n / 2),
        list = Uint32Array.from({ length: n }, (_, i) => (i * 37 + 5) % rows);
      d.put(v, new Uint8Array(list.buffer));
      return v;
    },
    [g, lambda, r] = exts(3),
    rows = elements(50),
    ranged = (n: number): Leaf => ({ keys: { vec: keys(n, 2 ** 20), at: 0 }, g }),
    tabled = (n: number): Leaf => ({ keys: { vec: keys(n, 50), at: 1 }, table: rows }),
    leaves = [0, 1, 33].flatMap((n) => [
      { n, leaf: ranged(2 * n + 2) },
      { n, leaf: tabled(2 * n + 2) },
    ]),
    pairsOf = (cells: number, four: boolean): PairVec =>
      four
        ? { n0: elements(cells), n1: elements(cells), d0: elements(cells), d1: elements(cells) }
        : { d0: elements(cells), d1: elements(cells) };
  /** Arrays by themselves, and pairs side by side in one. */
  const grids = LAYERS.flatMap(([n, len]): Grid[] => [
    { rows: n, len, cs: 1, rs: len },
    { rows: n, len, cs: 2, rs: 2 * len },
  ]);
  const round = (four: boolean) =>
    grids.map((grid) => ({
      from: pairsOf(grid.rows * grid.rs, four),
      grid,
      columns: elements(Math.ceil(grid.len / 2)),
      rows: elements(grid.rows),
    }));
  const tables = [
      [0, 1],
      [1, 2],
      [5, 19],
      [7, 128],
    ].map(([variables, n], i) => ({ at: 200 * i, n, point: exts(variables) })),
    all = d.vector(3 * 800);
  d.run('eqTables', tables.length, { to: all, tables });
  // What lies behind a table is undefined.
  out['eqTables'] = BigUint64Array.from(tables.flatMap(({ at, n }) => [...d.get(d.slice(all, 3 * at, 3 * n))]));
  after('rowWeights', (w) => ({
    tables: elements(40),
    items: [
      { to: w.vec(2), first: exts(2), axes: [] },
      { to: w.vec(3 * 5 * 7), first: exts(3), axes: [5, 7].map((n, i) => ({ at: 9 * i, n })) },
      { to: w.vec(20), first: exts(1), axes: [{ at: 20, n: 20 }] },
    ],
  }));
  after('copies', (w) => ({ items: [0, 1, 40].map((n) => ({ to: w.vec(n), from: elements(n) })) }));
  after('leaves', (w) => ({ items: leaves.map((x) => ({ ...x, to: w.vec(x.n) })) }));
  after('leafSums', (w) => ({ items: leaves.map(({ n, leaf }) => ({ n: w.vec(n), d: w.vec(n), pairs: n, leaf })) }));
  after('leafPairs', (w) => ({ lambda, items: leaves.map(({ n, leaf }) => ({ even: w.vec(n), odd: w.vec(n), pairs: n, leaf })) }));
  after('pairSums', (w) => ({
    items: LAYERS.flatMap(([n, len]) =>
      [true, false].map((numerators) => ({
        n: w.vec(n * Math.ceil(len / 2)),
        d: w.vec(n * Math.ceil(len / 2)),
        from: { n: numerators ? elements(n * len) : undefined, d: elements(n * len) },
        rows: n,
        len,
      })),
    ),
  }));
  after('splitPairs', (w) => ({
    items: LAYERS.flatMap(([n, len]) =>
      [true, false].map((numerators) => ({
        to: w.pairs(n * Math.ceil(len / 2), true),
        from: { n: numerators ? elements(n * len) : undefined, d: elements(n * len) },
        rows: n,
        len,
      })),
    ),
  }));
  after('pairRound', (w) => ({ to: w.vec(2), lambda, items: round(true) }));
  after('productRound', (w) => ({ to: w.vec(2), lambda, items: round(false) }));
  after('foldPairs', (w) => ({
    items: grids.flatMap((grid) =>
      [true, false].map((four) => ({
        from: pairsOf(grid.rows * grid.rs, four),
        to: w.pairs(grid.rows * Math.ceil(grid.len / 2), four),
        grid,
        r,
        missing: lambda,
      })),
    ),
  }));
  after('tableRows', (w) => ({
    items: [0, 1, 2].map((columns) => ({
      to: w.vec(67),
      n: 67,
      g,
      first: BigInt(-30 * columns),
      columns: exts(columns).map((b) => ({ of: words(67), b })),
    })),
  }));
  after('negatives', (w) => ({ items: [0, 1, 5].map((n) => ({ to: w.vec(n), n, counts: { vec: keys(8, 9), at: n % 2 } })) }));
  return out;
}
