import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import { eqTableKernel } from '../lookup/eq.js';
import type { Tiled } from '../sumcheck/product.js';
import type { Ext } from '../transcript/arith.js';
import type { Block } from './layout.js';
import type { Factor, Plan, Slot } from './plan.js';
import { blockDesc } from './stack.js';
import type { TensorClass } from './types.js';

/** A class and where its stack begins, in cells: a multiple of any tile's length. */
export interface StackPart {
  readonly cls: TensorClass;
  readonly at: number;
}

interface Placed {
  readonly tensor: string;
  readonly sizes: readonly number[];
  readonly block: Block;
  readonly position: number;
}

/** Blocks of the parts. With `aliases` blocks of a group and of its alias share cells. */
function placed(plan: Plan, parts: readonly StackPart[], aliases: boolean): Placed[] {
  const out: Placed[] = [];
  for (const { cls, at } of parts) {
    const tensors = [...plan.layouts.get(cls)!.tensors.values()];
    for (const { tensor, blocks } of tensors) {
      if (!aliases && tensor.aliasOf !== undefined && tensors.some((t) => t.tensor.group === tensor.aliasOf)) continue;
      const sizes = tensor.axes.map((a) => plan.extended.axes[a]);
      for (const block of blocks) out.push({ tensor: tensor.name, sizes, block, position: at + block.position });
    }
  }
  return out;
}

/** For tiles of 2^log cells: the blocks that share cells with each, found by the number of the tile. */
function byTile(list: readonly Placed[]): (from: number, log: number) => readonly Placed[] {
  const known = new Map<number, Map<number, Placed[]>>();
  return (from, log) => {
    let tiles = known.get(log);
    if (!tiles) {
      tiles = new Map();
      for (const p of list) {
        const last = Math.floor((p.position + 2 ** p.block.log - 1) / 2 ** log);
        for (let t = Math.floor(p.position / 2 ** log); t <= last; t++) {
          const at = tiles.get(t);
          if (at) at.push(p);
          else tiles.set(t, [p]);
        }
      }
      known.set(log, tiles);
    }
    return tiles.get(Math.floor(from / 2 ** log)) ?? [];
  };
}

/** The part of a block that lies in a tile: both are aligned, so one contains the other. */
function inTile(p: Placed, from: number, log: number): { block: Block; to: number } {
  if (p.block.log <= log) return { block: p.block, to: p.position - from };
  const starts = [...p.block.starts],
    logs = [...p.block.logs];
  let rest = log,
    offset = from - p.position;
  for (let d = logs.length - 1; d >= 0; d--) {
    const size = 2 ** logs[d],
      here = Math.min(logs[d], rest);
    starts[d] += offset % size;
    offset = Math.floor(offset / size);
    rest -= here;
    logs[d] = here;
  }
  return { block: { starts, logs, log, position: from }, to: 0 };
}

/** The stack of some classes, tile by tile from their tensors. */
export function stackTiles(
  k: Kernels,
  plan: Plan,
  parts: readonly StackPart[],
  length: number,
  address: (name: string) => number,
): Tiled & { fill: NonNullable<Tiled['fill']> } {
  const find = byTile(placed(plan, parts, false));
  return {
    length,
    fill(dst, from, log) {
      k.parallel('fillI64', 2 ** log, 65536, (lo, hi) => [dst, 0n, lo, hi]);
      for (const p of find(from, log)) {
        const { block, to } = inTile(p, from, log),
          src = address(p.tensor);
        k.scope(() => {
          const desc = blockDesc(k, p.sizes, block);
          k.parallel('blockCopy', 2 ** block.log, 4096, (lo, hi) => [dst + 8 * to, src, 8, desc, lo, hi]);
        });
      }
    },
  };
}

export interface Claim {
  readonly factor: Factor;
  readonly coefficient: Ext;
}

/** Powers of an element, times a coefficient, over cells [at, at + length). */
export interface Powers {
  readonly at: number;
  readonly length: number;
  readonly z: Ext;
  readonly coefficient: Ext;
}

/**
 * The weights of all claims on some classes, indexed like their stack, tile by tile: within a block the weight of a
 * claim is a product over the axes. Tables of eq stay in memory from here on, until the caller releases it.
 */
export function weightTiles(
  k: Kernels,
  plan: Plan,
  parts: readonly StackPart[],
  length: number,
  claims: ReadonlyMap<TensorClass, readonly Claim[]>,
  rho: readonly Ext[],
  points: ReadonlyMap<string, Ext[]>,
  powers: readonly Powers[] = [],
): Tiled & { fill: NonNullable<Tiled['fill']> } {
  const byTensor = new Map<string, Claim[]>();
  for (const { cls } of parts)
    for (const c of claims.get(cls) ?? []) byTensor.set(c.factor.tensor.name, [...(byTensor.get(c.factor.tensor.name) ?? []), c]);
  const list = placed(plan, parts, true).filter((p) => byTensor.has(p.tensor)),
    find = byTile(list),
    weights = new Weights(k, rho, points);
  for (const p of list) for (const c of byTensor.get(p.tensor)!) weights.prepare(c, p.sizes);
  return {
    length,
    fill(dst, from, log) {
      k.parallel('zeroExt', 2 ** log, 65536, (lo, hi) => [dst, lo, hi]);
      for (const p of find(from, log)) {
        const { block, to } = inTile(p, from, log);
        for (const c of byTensor.get(p.tensor)!) weights.add(dst + 24 * to, p.sizes, block, c);
      }
      for (const w of powers) addPowers(k, dst, from, from + 2 ** log, w);
    },
  };
}

/** Adds powers to the cells [from, end) at dst that they share. */
function addPowers(k: Kernels, dst: number, from: number, end: number, w: Powers): void {
  const lo = Math.max(from, w.at),
    hi = Math.min(end, w.at + w.length);
  if (lo >= hi) return;
  k.scope(() => {
    const first = E.mul(w.coefficient, E.pow(w.z, BigInt(lo - w.at)));
    k.exports['addPowersExt'](dst + 24 * (lo - from), k.exts([w.z]), k.exts([first]), hi - lo);
  });
}

/** Weights of claims along the axes of their tensors, each table made once. */
class Weights {
  readonly #tables = new Map<string, number>();
  readonly #one: number;
  constructor(
    readonly k: Kernels,
    readonly rho: readonly Ext[],
    readonly points: ReadonlyMap<string, Ext[]>,
  ) {
    this.#one = k.exts([E.ONE]);
  }

  /**
   * Makes the tables of a claim on a tensor of these sizes. All are made before anything is added, as they outlive it.
   */
  prepare(c: Claim, sizes: readonly number[]): void {
    c.factor.slots.forEach((s, d) => {
      if (s.kind !== 'index') this.#along(s, sizes[d]);
    });
  }

  /** Weights along one axis of a tensor. */
  #along(s: Exclude<Slot, { kind: 'index' }>, size: number): number {
    const { k } = this,
      key = `${s.kind === 'rho' ? `${s.from}-${s.to}` : s.axis}:${s.size}:${s.stride}:${s.offset}:${size}`,
      old = this.#tables.get(key);
    if (old !== undefined) return old;
    const point = s.kind === 'rho' ? this.rho.slice(s.from, s.to) : this.points.get(s.axis)!;
    let v: number;
    if (s.stride === 1 && s.offset === 0 && s.size === size) v = eqTableKernel(k, point, s.size);
    else {
      v = k.zeroed(24 * (size + 1));
      k.scope(() => {
        const tab = eqTableKernel(k, point, s.size);
        for (let i = 0; i < s.size; i++) k.writeExt(v + 24 * (s.stride * i + s.offset), k.readExt(tab + 24 * i));
      });
    }
    this.#tables.set(key, v);
    return v;
  }

  /** Adds the weights of a claim on a block at dst: the outer product over the axes of its pieces of their weights. */
  add(dst: number, sizes: readonly number[], b: Block, c: Claim): void {
    const { k } = this,
      { slots } = c.factor;
    if (slots.some((s, d) => s.kind === 'index' && (s.index < b.starts[d] || s.index >= b.starts[d] + 2 ** b.logs[d]))) return;
    const one = this.#one;
    k.scope(() => {
      const vector = (d: number): number => {
        const s = slots[d];
        if (s.kind !== 'index') return this.#along(s, sizes[d]) + 24 * b.starts[d];
        if (b.logs[d] === 0) return one;
        const v = k.zeroed(24 * 2 ** b.logs[d]);
        k.writeExt(v + 24 * (s.index - b.starts[d]), E.ONE);
        return v;
      };
      let rows = k.exts([c.coefficient]),
        count = 1;
      const D = sizes.length;
      for (let d = 0; d + 1 < D; d++) {
        const len = 2 ** b.logs[d],
          v = vector(d);
        if (len === 1 && v === one) continue;
        const out = k.alloc(24 * count * len),
          src = rows;
        k.parallel('outer', count, Math.max(1, Math.ceil(1024 / len)), (lo, hi) => [out, src, v, len, lo, hi]);
        rows = out;
        count *= len;
      }
      const last = D ? vector(D - 1) : one,
        len = D ? 2 ** b.logs[D - 1] : 1;
      // One long row is split over threads by treating its cells as rows of one.
      if (count === 1 && len > 4096) k.parallel('addOuterCells', len, 2048, (lo, hi) => [dst, rows, last, lo, hi]);
      else k.parallel('addOuter', count, Math.max(1, Math.ceil(2048 / len)), (lo, hi) => [dst, rows, last, len, lo, hi]);
    });
  }
}
