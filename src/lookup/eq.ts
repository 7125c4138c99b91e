/** The polynomial eq at points by value, for the prover: sums, weights of positions, tables on a device. */
import type { Device, Vec } from '../device/device.js';
import type { EqTable, TablePart } from '../device/lookup.js';
import * as E from '../field/ext3.js';
import type { Ext } from '../transcript/arith.js';

/** Sum of eq(point, i) for i < n. */
export function eqSum(point: readonly Ext[], n: number): Ext {
  let sum: Ext = E.ZERO,
    prefix: Ext = E.ONE;
  if (n >= 2 ** point.length) return E.ONE;
  for (let t = 0; t < point.length; t++) {
    const hi = E.mul(prefix, point[t]),
      lo = E.sub(prefix, hi);
    if (Math.floor(n / 2 ** (point.length - 1 - t)) % 2) {
      sum = E.add(sum, lo);
      prefix = hi;
    } else prefix = lo;
  }
  return sum;
}

/** eq(point, index). */
export function prefixWeight(point: readonly Ext[], index: number): Ext {
  let acc: Ext = E.ONE;
  point.forEach((x, k) => {
    acc = E.mul(acc, Math.floor(index / 2 ** (point.length - 1 - k)) % 2 ? x : E.sub(E.ONE, x));
  });
  return acc;
}

/** eq(point, index) at several indices; the tree of prefixes is shared. */
export function prefixWeights(point: readonly Ext[], indices: readonly number[]): Ext[] {
  const known = new Map<string, Ext>([['0/0', E.ONE]]);
  const at = (bits: number, value: number): Ext => {
    const key = `${bits}/${value}`;
    let v = known.get(key);
    if (v === undefined) {
      const up = at(bits - 1, Math.floor(value / 2)),
        x = point[bits - 1];
      v = E.mul(up, value % 2 ? x : E.sub(E.ONE, x));
      known.set(key, v);
    }
    return v;
  };
  return indices.map((i) => at(point.length, i));
}

/** Variables [from, to) of a point. */
export type Slice = readonly [from: number, to: number];

/** Tables of eq at slices of a point, in one vector: named first, then made together within the caller's scope. */
export class PointTables {
  /** Bytes of the tables named. */
  bytes = 0;
  /** The vector of all tables, once they are made. */
  #made?: Vec;
  #length = 0;
  readonly #tables = new Map<string, EqTable>();

  constructor(
    readonly device: Device,
    readonly point: readonly Ext[],
  ) {}
  want(slice: Slice, n: number): void {
    const key = `${slice.join('-')}-${n}`;
    if (this.#tables.has(key)) return;
    this.#tables.set(key, { at: this.#length, n, point: this.point.slice(...slice) });
    // A kernel wants one place more than entries.
    this.#length += n + 1;
    this.bytes += 24 * (n + 1 + slice[1] - slice[0]) + 256;
  }
  build(): void {
    const to = this.device.vector(3 * this.#length);
    this.device.run('eqTables', this.#tables.size, { to, tables: [...this.#tables.values()] });
    this.#made = to;
  }
  get all(): Vec {
    return this.#made!;
  }
  part(slice: Slice, n: number): TablePart {
    return this.#tables.get(`${slice.join('-')}-${n}`)!;
  }
  table(slice: Slice, n: number): Vec {
    return this.device.slice(this.all, 3 * this.part(slice, n).at, 3 * n);
  }
}
