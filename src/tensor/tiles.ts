import type { Device, Vec } from '../device/device.js';
import type { AxisWeights, ProductBlock } from '../device/opening.js';
import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Tiled } from '../sumcheck/product.js';
import type { Ext } from '../transcript/arith.js';
import type { Block } from './layout.js';
import type { Factor, Plan, Slot } from './plan.js';
import { copyBlock, zeroWords } from './stack.js';
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
      zeroWords(k, dst, 2 ** log);
      for (const p of find(from, log)) {
        const { block, to } = inTile(p, from, log);
        copyBlock(k, dst + 8 * to, address(p.tensor), p.sizes, block);
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
 * claim is a product over the axes. Tables of eq stay on the device from here on, until the caller's scope ends.
 */
export function weightTiles(
  d: Device,
  plan: Plan,
  parts: readonly StackPart[],
  length: number,
  claims: ReadonlyMap<TensorClass, readonly Claim[]>,
  rho: readonly Ext[],
  points: ReadonlyMap<string, Ext[]>,
  powers: readonly Powers[] = [],
): Tiled & { make: NonNullable<Tiled['make']> } {
  const byTensor = new Map<string, Claim[]>();
  for (const { cls } of parts)
    for (const c of claims.get(cls) ?? []) byTensor.set(c.factor.tensor.name, [...(byTensor.get(c.factor.tensor.name) ?? []), c]);
  const list = placed(plan, parts, true).filter((p) => byTensor.has(p.tensor)),
    find = byTile(list),
    weights = new Weights(rho, points);
  for (const p of list) for (const c of byTensor.get(p.tensor)!) weights.want(c, p.sizes);
  const tables = weights.made(d);
  return {
    length,
    make(dst, from, log) {
      const n = 2 ** log,
        blocks = find(from, log).flatMap((p) => {
          const { block, to } = inTile(p, from, log);
          return byTensor.get(p.tensor)!.flatMap((c) => weights.block(to, p.sizes, block, c));
        });
      d.run('zero', 3 * n, { to: dst });
      if (blocks.length > 0) d.run('addProducts', n, { to: dst, tables, blocks });
      for (const w of powers) addPowers(d, dst, from, from + n, w);
    },
  };
}

/** Adds powers to the cells [from, end) at dst that they share. */
function addPowers(d: Device, dst: Vec, from: number, end: number, w: Powers): void {
  const lo = Math.max(from, w.at),
    hi = Math.min(end, w.at + w.length);
  if (lo >= hi) return;
  const first = E.mul(w.coefficient, E.pow(w.z, BigInt(lo - w.at)));
  d.run('addPowers', hi - lo, { to: d.slice(dst, 3 * (lo - from), 3 * (hi - lo)), z: w.z, first });
}

/** Weights along an axis of `size` cells: eq at the point, entry i at cell stride i + offset. */
interface Table {
  readonly at: number;
  readonly point: readonly Ext[];
  readonly slot: Along;
  readonly size: number;
}
type Along = Exclude<Slot, { kind: 'index' }>;

/** Whether the entries of a table are the cells of its axis. */
const isWhole = (s: Along, size: number): boolean => s.stride === 1 && s.offset === 0 && s.size === size;

/** Weights of claims along the axes of their tensors, each table made once: all lie in one vector. */
class Weights {
  readonly #tables = new Map<string, Table>();
  #length = 0;
  constructor(
    readonly rho: readonly Ext[],
    readonly points: ReadonlyMap<string, Ext[]>,
  ) {}

  /** Names the tables of a claim on a tensor of these sizes. */
  want(c: Claim, sizes: readonly number[]): void {
    c.factor.slots.forEach((s, d) => {
      if (s.kind !== 'index') this.#along(s, sizes[d]);
    });
  }
  #along(s: Along, size: number): Table {
    const key = `${s.kind === 'rho' ? `${s.from}-${s.to}` : s.axis}:${s.size}:${s.stride}:${s.offset}:${size}`;
    let t = this.#tables.get(key);
    if (!t) {
      const point = s.kind === 'rho' ? this.rho.slice(s.from, s.to) : this.points.get(s.axis)!;
      t = { at: this.#length, point, slot: s, size };
      this.#tables.set(key, t);
      // A kernel wants one place more than entries.
      this.#length += size + 1;
    }
    return t;
  }

  /** Makes all tables that were named. */
  made(d: Device): Vec {
    const all = d.zeroed(3 * this.#length);
    for (const { at, point, slot, size } of this.#tables.values()) {
      const to = d.slice(all, 3 * at, 3 * (size + 1));
      if (isWhole(slot, size)) d.run('eqTable', size, { to, point });
      else
        d.scope(() => {
          const from = d.vector(3 * (slot.size + 1));
          d.run('eqTable', slot.size, { to: from, point });
          d.run('spread', slot.size, { to, from, stride: slot.stride, offset: slot.offset });
        });
    }
    return all;
  }

  /** The weights of a claim on a block at cell `at`: none where an index of the claim is not in it. */
  block(at: number, sizes: readonly number[], b: Block, c: Claim): ProductBlock[] {
    const axes: AxisWeights[] = [];
    for (const [d, s] of c.factor.slots.entries()) {
      const log = b.logs[d],
        start = b.starts[d];
      if (s.kind !== 'index') axes.push({ log, table: this.#along(s, sizes[d]).at + start });
      else if (s.index >= start && s.index < start + 2 ** log) axes.push({ log, only: s.index - start });
      else return [];
    }
    return [{ at, coefficient: c.coefficient, axes }];
  }
}
