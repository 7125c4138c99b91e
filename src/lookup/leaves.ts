/** Leaves of the tree: keys into tables, and tables with their multiplicities, as fractions. */
import type { Device, Vec } from '../device/device.js';
import type { FractionVec, Leaf } from '../device/lookup.js';
import type { FarBlock, FarMemory } from '../kernels/far.js';
import type { Ext } from '../transcript/arith.js';
import { type Group, type LayerShape, product } from './pieces.js';

/** Row indices of a box's cells, 32 bits each: on the device, or a block of far memory of an even number of them. */
export type Keys = Vec | FarBlock;

/** Denominators of a box: g - key, a row of a table, or given; numerators of tables. Vectors of E. */
export type LeafInput =
  | { readonly kind: 'range'; readonly keys: Keys; readonly g: Ext }
  | { readonly kind: 'rows'; readonly keys: Keys; readonly table: Vec }
  | { readonly kind: 'table'; readonly den: Vec; readonly num: Vec };

/** Where a proof's vectors lie, memory for what does not fit there, and what the leaves are made of. */
export interface Work {
  readonly d: Device;
  readonly far: FarMemory;
  readonly inputs: readonly LeafInput[];
}

/** Fractions of a group's layer. */
export interface Fractions extends LayerShape, FractionVec {}

/** Bytes of scaled copies of all tables. */
export function tableBytes(inputs: readonly LeafInput[]): number {
  const tables = new Set(inputs.flatMap((x) => (x.kind === 'rows' ? [x.table] : [])));
  return [...tables].reduce((n, t) => n + 8 * t.words + 64, 0);
}

/** Leaves of lookups from cell `offset` of a box on. Keys that are far are copied in: the caller's to release. */
function leafOf({ d }: Work, input: Exclude<LeafInput, { kind: 'table' }>, offset: number, cells: number): Leaf {
  let keys = { vec: input.keys as Vec, at: offset };
  if ('pages' in input.keys) {
    const at = offset % 2,
      vec = d.vector(Math.ceil((cells + at) / 2));
    d.load(input.keys, 4 * (offset - at), vec);
    keys = { vec, at };
  }
  return input.kind === 'range' ? { keys, g: input.g } : { keys, table: input.table };
}

/** The parts of a group's boxes: so many elements of each from element `at` on. */
function parts(w: Work, g: Group, each: number): { input: LeafInput; offset: number; at: number }[] {
  return g.members.map(({ box, offset }, i) => ({ input: w.inputs[box], offset, at: each * i }));
}
const part = (d: Device, v: Vec, at: number, n: number): Vec => d.slice(v, 3 * at, 3 * n);

/** A group, and where its layer goes. */
export interface Making {
  readonly g: Group;
  readonly to: Fractions;
}

/** The leaves of groups; numerators are written of tables alone. */
export function leafLayers(w: Work, list: readonly Making[]): void {
  if (list.length === 0) return;
  const { d } = w;
  d.scope(() => {
    const leaves: { to: Vec; n: number; leaf: Leaf }[] = [],
      copies: { to: Vec; from: Vec }[] = [];
    for (const { g, to } of list) {
      const n = product(g.dims) / g.members.length;
      for (const { input, offset, at } of parts(w, g, n)) {
        if (input.kind !== 'table') leaves.push({ to: part(d, to.d, at, n), n, leaf: leafOf(w, input, offset, n) });
        else
          copies.push(
            { to: part(d, to.d, at, n), from: part(d, input.den, offset, n) },
            { to: part(d, to.n!, at, n), from: part(d, input.num, offset, n) },
          );
      }
    }
    if (copies.length > 0) d.run('copies', copies.length, { items: copies });
    if (leaves.length > 0) d.run('leaves', leaves.length, { items: leaves });
  });
}

/** First layers above the leaves of groups of lookups, straight from the keys: no layer of leaves is written. */
export function leafSumLayers(w: Work, list: readonly Making[]): void {
  if (list.length === 0) return;
  const { d } = w;
  d.scope(() => {
    const items = list.flatMap(({ g, to }) => {
      const pairs = (to.rows * to.len) / g.members.length;
      return parts(w, g, pairs).flatMap(({ input, offset, at }) =>
        input.kind === 'table'
          ? []
          : [{ n: part(d, to.n!, at, pairs), d: part(d, to.d, at, pairs), pairs, leaf: leafOf(w, input, offset, 2 * pairs) }],
      );
    });
    d.run('leafSums', items.length, { items });
  });
}

/** The arrays 1 + lambda d of groups of lookups, straight from the keys: of even leaves and of odd ones. */
export function leafPairs(w: Work, lambda: Ext, list: readonly { readonly g: Group; readonly even: Vec; readonly odd: Vec }[]): void {
  if (list.length === 0) return;
  const { d } = w;
  d.scope(() => {
    const items = list.flatMap(({ g, even, odd }) => {
      const pairs = even.words / 3 / g.members.length;
      return parts(w, g, pairs).flatMap(({ input, offset, at }) =>
        input.kind === 'table'
          ? []
          : [{ even: part(d, even, at, pairs), odd: part(d, odd, at, pairs), pairs, leaf: leafOf(w, input, offset, 2 * pairs) }],
      );
    });
    d.run('leafPairs', items.length, { lambda, items });
  });
}
