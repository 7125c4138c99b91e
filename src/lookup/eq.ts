/** The polynomial eq at points by value, for the prover: sums, weights of positions, tables in kernel memory. */
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
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

/** eq(point, i) for i < n in kernel memory. */
export function eqTableKernel(k: Kernels, point: readonly Ext[], n: number): number {
  const dst = k.alloc(24 * (Math.max(n, 1) + 1)),
    pts = k.exts(point),
    s = k.alloc(64);
  k.exports['eqTrunc'](dst, pts, point.length, n, s);
  return dst;
}

/** Variables [from, to) of a point. */
export type Slice = readonly [from: number, to: number];

/** Tables of eq at slices of a point: named first, then computed once each within the caller's scope. */
export class PointTables {
  /** Bytes of the tables named. */
  bytes = 0;
  readonly #wanted = new Map<string, { slice: Slice; n: number }>();
  readonly #at = new Map<string, number>();

  constructor(
    readonly k: Kernels,
    readonly point: readonly Ext[],
  ) {}
  want(slice: Slice, n: number): void {
    const key = `${slice.join('-')}-${n}`;
    if (this.#wanted.has(key)) return;
    this.#wanted.set(key, { slice, n });
    this.bytes += 24 * (n + 1 + slice[1] - slice[0]) + 256;
  }
  build(): void {
    for (const [key, { slice, n }] of this.#wanted) this.#at.set(key, eqTableKernel(this.k, this.point.slice(...slice), n));
  }
  table(slice: Slice, n: number): number {
    return this.#at.get(`${slice.join('-')}-${n}`)!;
  }
}
