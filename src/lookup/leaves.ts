/** Leaves of the tree: keys into tables, and tables with their multiplicities, as fractions. */
import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import { type Group, type LayerShape, product } from './pieces.js';

/** Row indices (u32) of a box's cells: an address, or a block of far memory. */
export type Keys = number | FarBlock;

/** Denominators of a box: g - key, a row of a table that has `rows` of them, or given; numerators of tables. */
export type LeafInput =
  | { readonly kind: 'range'; readonly keys: Keys; readonly g: Ext }
  | { readonly kind: 'rows'; readonly keys: Keys; readonly table: number; readonly rows: number }
  | { readonly kind: 'table'; readonly den: number; readonly num: number };

/** Fractions of a group's layer in linear memory; n = 0: all numerators are one. */
export interface Fractions extends LayerShape {
  readonly n: number;
  readonly d: number;
}

/** Cells per thread below which a call costs more than it saves. */
const GRAIN = 8192;
/** Rows of that length per thread, likewise. */
export const grain = (len: number): number => Math.max(1, Math.ceil(GRAIN / len));

/** Arrays of the four values of pairs; of the leaves of lookups only d0 and d1 are used, see group-sum.ts. */
export interface PairArrays {
  readonly n0: number;
  readonly n1: number;
  readonly d0: number;
  readonly d1: number;
}

/** Bytes of scaled copies of all tables. */
export function tableBytes(inputs: readonly LeafInput[]): number {
  const rows = new Map(inputs.flatMap((x) => (x.kind === 'rows' ? [[x.table, x.rows] as const] : [])));
  return [...rows.values()].reduce((n, r) => n + 24 * r + 64, 0);
}

/** The leaves of a group; `to.n` is 0 but for tables. */
export function leafLayer(k: Kernels, g: Group, inputs: readonly LeafInput[], to: Fractions): void {
  const cells = product(g.dims) / g.members.length;
  g.members.forEach(({ box, offset }, at) => {
    const input = inputs[box],
      o = 24 * cells * at;
    if (input.kind === 'table') {
      k.u8.copyWithin(to.d + o, input.den + 24 * offset, input.den + 24 * (offset + cells));
      k.u8.copyWithin(to.n + o, input.num + 24 * offset, input.num + 24 * (offset + cells));
      return;
    }
    k.scope(() => {
      const keys = keysOf(k, input.keys, offset, cells);
      if (input.kind === 'range') {
        const p = k.exts([input.g]);
        k.parallel('leafRange', cells, GRAIN, (lo, hi) => [to.d + o, keys, p, lo, hi]);
      } else k.parallel('leafTable', cells, GRAIN, (lo, hi) => [to.d + o, keys, input.table, lo, hi]);
    });
  });
}

/** First layer above the leaves of a group of lookups, straight from the keys: no layer of leaves is written. */
export function leafPairLayer(k: Kernels, g: Group, inputs: readonly LeafInput[], to: Fractions): void {
  const each = (to.rows * to.len) / g.members.length;
  g.members.forEach(({ box, offset }, at) => {
    const input = inputs[box],
      o = 24 * each * at;
    if (input.kind === 'table') return;
    k.scope(() => {
      const keys = keysOf(k, input.keys, offset, 2 * each);
      if (input.kind === 'range') {
        const p = k.exts([input.g]);
        k.parallel('gkrLeafRange', each, GRAIN, (lo, hi) => [to.n + o, to.d + o, keys, p, lo, hi]);
      } else k.parallel('gkrLeafTable', each, GRAIN, (lo, hi) => [to.n + o, to.d + o, keys, input.table, lo, hi]);
    });
  });
}

/** The arrays e0, e1 of a group of lookups, straight from the keys; `lam` is the address of lambda. */
export function leafPairs(k: Kernels, g: Group, inputs: readonly LeafInput[], lambda: Ext, lam: number, cells: number): PairArrays {
  const d0 = k.alloc(24 * cells),
    d1 = k.alloc(24 * cells),
    each = cells / g.members.length;
  k.scope(() => {
    const scaled = new Map<number, number>();
    for (const { box } of g.members) {
      const input = inputs[box];
      if (input.kind !== 'rows' || scaled.has(input.table)) continue;
      const t = k.alloc(24 * input.rows);
      k.parallel('onePlus', input.rows, GRAIN, (lo, hi) => [t, input.table, lam, lo, hi]);
      scaled.set(input.table, t);
    }
    g.members.forEach(({ box, offset }, at) => {
      const input = inputs[box],
        o = 24 * each * at;
      if (input.kind === 'table') return;
      k.scope(() => {
        const keys = keysOf(k, input.keys, offset, 2 * each);
        if (input.kind === 'range') {
          const base = k.exts([E.add(E.ONE, E.mul(lambda, input.g))]);
          k.parallel('leafPairsRange', each, GRAIN, (lo, hi) => [d0 + o, d1 + o, keys, base, lam, lo, hi]);
        } else {
          const t = scaled.get(input.table)!;
          k.parallel('leafPairsTable', each, GRAIN, (lo, hi) => [d0 + o, d1 + o, keys, t, lo, hi]);
        }
      });
    });
  });
  return { n0: 0, n1: 0, d0, d1 };
}

/** Address of the keys of cells [offset, offset + cells) of a box: copied in if they are far. */
function keysOf(k: Kernels, keys: Keys, offset: number, cells: number): number {
  if (typeof keys === 'number') return keys + 4 * offset;
  const p = k.alloc(4 * cells);
  k.far.load(keys, 4 * offset, p, 4 * cells);
  return p;
}
