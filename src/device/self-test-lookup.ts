import type { Ext } from '../field/ext3.js';
import type { Calls, Device, Vec } from './device.js';
import type { FractionVec, Grid, Leaf, LookupCalls, PairVec, RoundItem } from './lookup.js';

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

/** Test vectors of several kinds, and where what kernels write is kept by name. */
class Bench {
  readonly out: Record<string, BigUint64Array> = {};
  constructor(
    readonly d: Device,
    readonly from: TestSource,
  ) {}
  elements(n: number): Vec {
    return this.from.words(3 * n);
  }
  keys(n: number, rows: number): Vec {
    const v = this.d.vector(n / 2),
      list = Uint32Array.from({ length: n }, (_, i) => (i * 37 + 5) % rows);
    this.d.put(v, new Uint8Array(list.buffer));
    return v;
  }
  pairs(cells: number, four: boolean): PairVec {
    const v = (): Vec => this.elements(cells);
    return four ? { n0: v(), n1: v(), d0: v(), d1: v() } : { d0: v(), d1: v() };
  }
  fractions(cells: number, numerators: boolean): FractionVec {
    return { n: numerators ? this.elements(cells) : undefined, d: this.elements(cells) };
  }
  after<K extends keyof LookupCalls>(kernel: K, args: (w: Written) => Calls[K]): void {
    this.d.scope(() => {
      const w = new Written(this.d);
      this.d.run(kernel, 1, args(w));
      this.out[kernel] = w.words();
    });
  }
}

/** What the kernels of LogUp-GKR write, by name, each over items of several shapes. */
export function lookedUp(d: Device, from: TestSource): Record<string, BigUint64Array> {
  const b = new Bench(d, from);
  tables(b);
  leaves(b);
  layers(b);
  rounds(b);
  return b.out;
}

function tables(b: Bench): void {
  const { d } = b,
    { words, exts } = b.from,
    [g] = exts(1),
    list = [
      [0, 1],
      [1, 2],
      [5, 19],
      [7, 128],
    ].map(([variables, n], i) => ({ at: 200 * i, n, point: exts(variables) })),
    all = d.vector(3 * 800);
  d.run('eqTables', list.length, { to: all, tables: list });
  // What lies behind a table is undefined.
  b.out['eqTables'] = BigUint64Array.from(list.flatMap(({ at, n }) => [...d.get(d.slice(all, 3 * at, 3 * n))]));
  b.after('rowWeights', (w) => ({
    tables: b.elements(40),
    items: [
      { to: w.vec(2), first: exts(2), axes: [] },
      { to: w.vec(3 * 5 * 7), first: exts(3), axes: [5, 7].map((n, i) => ({ at: 9 * i, n })) },
      { to: w.vec(20), first: exts(1), axes: [{ at: 20, n: 20 }] },
    ],
  }));
  b.after('tableRows', (w) => ({
    items: [0, 1, 2].map((columns) => ({
      to: w.vec(67),
      n: 67,
      g,
      first: BigInt(-30 * columns),
      columns: exts(columns).map((x) => ({ of: words(67), b: x })),
    })),
  }));
  b.after('negatives', (w) => ({ items: [0, 1, 5].map((n) => ({ to: w.vec(n), n, counts: { vec: b.keys(8, 9), at: n % 2 } })) }));
  b.after('copies', (w) => ({ items: [0, 1, 40].map((n) => ({ to: w.vec(n), from: b.elements(n) })) }));
}

function leaves(b: Bench): void {
  const [g, lambda] = b.from.exts(2),
    rows = b.elements(50),
    list = [0, 1, 33].flatMap((n): { n: number; leaf: Leaf }[] => [
      { n, leaf: { keys: { vec: b.keys(2 * n + 2, 2 ** 20), at: 0 }, g } },
      { n, leaf: { keys: { vec: b.keys(2 * n + 2, 50), at: 1 }, table: rows } },
    ]);
  b.after('leaves', (w) => ({ items: list.map((x) => ({ ...x, to: w.vec(x.n) })) }));
  b.after('leafSums', (w) => ({ items: list.map(({ n, leaf }) => ({ n: w.vec(n), d: w.vec(n), pairs: n, leaf })) }));
  b.after('leafPairs', (w) => ({ lambda, items: list.map(({ n, leaf }) => ({ even: w.vec(n), odd: w.vec(n), pairs: n, leaf })) }));
}

function layers(b: Bench): void {
  const shapes = LAYERS.flatMap(([rows, len]) => [true, false].map((numerators) => ({ rows, len, numerators })));
  b.after('pairSums', (w) => ({
    items: shapes.map(({ rows, len, numerators }) => {
      const n = rows * Math.ceil(len / 2);
      return { n: w.vec(n), d: w.vec(n), from: b.fractions(rows * len, numerators), rows, len };
    }),
  }));
  b.after('splitPairs', (w) => ({
    items: shapes.map(({ rows, len, numerators }) => ({
      to: w.pairs(rows * Math.ceil(len / 2), true),
      from: b.fractions(rows * len, numerators),
      rows,
      len,
    })),
  }));
}

function rounds(b: Bench): void {
  const [lambda, r] = b.from.exts(2),
    /** Arrays by themselves, and pairs side by side in one. */
    grids = LAYERS.flatMap(([rows, len]): Grid[] => [
      { rows, len, cs: 1, rs: len },
      { rows, len, cs: 2, rs: 2 * len },
    ]);
  const round = (four: boolean): RoundItem[] =>
    grids.map((grid) => ({
      from: b.pairs(grid.rows * grid.rs, four),
      grid,
      columns: b.elements(Math.ceil(grid.len / 2)),
      rows: b.elements(grid.rows),
    }));
  b.after('pairRound', (w) => ({ to: w.vec(2), lambda, items: round(true) }));
  b.after('productRound', (w) => ({ to: w.vec(2), lambda, items: round(false) }));
  b.after('foldPairs', (w) => ({
    items: grids.flatMap((grid) =>
      [true, false].map((four) => ({
        from: b.pairs(grid.rows * grid.rs, four),
        to: w.pairs(grid.rows * Math.ceil(grid.len / 2), four),
        grid,
        r,
        missing: lambda,
      })),
    ),
  }));
}
