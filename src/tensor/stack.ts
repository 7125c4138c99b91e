import * as E from '../field/ext3.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { Block, TensorLayout } from './layout.js';
import type { Plan } from './plan.js';
import type { TensorClass } from './types.js';

function blockDesc(k: Kernels, sizes: readonly number[], b: Block): number {
  const unit = new Array<number>(sizes.length).fill(1);
  for (let d = sizes.length - 2; d >= 0; d--) unit[d] = unit[d + 1] * sizes[d + 1];
  const desc = k.alloc(8 + 8 * Math.max(1, sizes.length));
  k.i32.set([sizes.length, b.starts.reduce((s, x, d) => s + x * unit[d], 0), ...b.logs.flatMap((l, d) => [l, unit[d]])], desc / 4);
  return desc;
}

/** Copies the cells of a block of a tensor of these sizes, words at src, to dst. */
export function copyBlock(k: Kernels, dst: number, src: number, sizes: readonly number[], b: Block): void {
  k.scope(() => {
    const desc = blockDesc(k, sizes, b);
    k.parallel('blockCopy', 2 ** b.log, 4096, (lo, hi) => [dst, src, 8, desc, lo, hi]);
  });
}

/** n zero words at dst. */
export const zeroWords = (k: Kernels, dst: number, n: number): void => k.parallel('fillI64', n, 65536, (lo, hi) => [dst, 0n, lo, hi]);

/** Copies the tensors of a class into its stack (aliases share their members' cells). */
export function fillStack(k: Kernels, plan: Plan, cls: TensorClass, stack: number, address: (name: string) => number): void {
  for (const { tensor, blocks } of ownTensors(plan, cls)) {
    const sizes = tensor.axes.map((a) => plan.extended.axes[a]),
      src = address(tensor.name);
    for (const b of blocks) copyBlock(k, stack + 8 * b.position, src, sizes, b);
  }
}

/**
 * The same of words outside the kernels' memory, without a copy of theirs: `stack` has zeros where nothing is written.
 */
export function fillWords(plan: Plan, cls: TensorClass, stack: BigInt64Array, words: (name: string) => BigInt64Array): void {
  for (const { tensor, blocks } of ownTensors(plan, cls)) {
    const sizes = tensor.axes.map((a) => plan.extended.axes[a]),
      from = words(tensor.name);
    for (const b of blocks) copyWords(stack, from, sizes, b);
  }
}

/** Tensors of a class with their blocks, but those that share the cells of others. */
function ownTensors(plan: Plan, cls: TensorClass): TensorLayout[] {
  const all = [...plan.layouts.get(cls)!.tensors.values()];
  return all.filter(({ tensor: t }) => t.aliasOf === undefined || !all.some((o) => o.tensor.group === t.aliasOf));
}

/** A block's cells to its place in a stack: runs of cells that lie one behind the other in both. */
function copyWords(stack: BigInt64Array, from: BigInt64Array, sizes: readonly number[], { starts, logs, position }: Block): void {
  let axis = sizes.length,
    run = 1;
  do {
    axis--;
    run *= 2 ** logs[axis];
  } while (axis > 0 && 2 ** logs[axis] === sizes[axis]);
  let to = position;
  const copy = (d: number, at: number): void => {
    const here = at * sizes[d] + starts[d];
    if (d === axis) {
      const first = here * sizes.slice(d + 1).reduce((x, y) => x * y, 1);
      stack.set(from.subarray(first, first + run), to);
      to += run;
      return;
    }
    for (let i = 0; i < 2 ** logs[d]; i++) copy(d + 1, here + i);
  };
  copy(0, 0);
}

/** n zeros of E; the pages are touched by all threads. */
export function zeroExts(k: Kernels, n: number): number {
  const w = k.alloc(24 * n);
  k.parallel('zeroExt', n, 65536, (lo, hi) => [w, lo, hi]);
  return w;
}

/**
 * sum_i z^i f(i) over `cells` signed words, near at f or written by f in tiles of at most 2^maxLog: powers of one
 * block, then Horner over blocks.
 */
export const powerSum = (
  k: Kernels,
  f: number | ((dst: number, from: number, log: number) => void),
  cells: number,
  z: Ext,
  maxLog = 16,
): Ext => k.scope(() => sumPowers(k, f, cells, z, maxLog));

function sumPowers(k: Kernels, f: Parameters<typeof powerSum>[1], cells: number, z: Ext, maxLog: number): Ext {
  const log = Math.min(16, maxLog),
    block = typeof f === 'number' ? Math.min(cells, 65536) : 2 ** log,
    tile = typeof f === 'number' ? 0 : k.alloc(8 * block),
    w = zeroExts(k, block),
    out = k.alloc(64 * k.threads);
  k.exports['addPowersExt'](w, k.exts([z]), k.exts([E.ONE]), block);
  const jump = E.pow(z, BigInt(block));
  let sum: Ext = E.ZERO;
  for (let at = Math.ceil(cells / block) * block - block; at >= 0; at -= block) {
    const n = Math.min(block, cells - at);
    const src = typeof f === 'number' ? f + 8 * at : tile;
    if (typeof f !== 'number') f(tile, at, log);
    k.u8.fill(0, out, out + 64 * k.threads);
    k.parallel('scHalves', n, 4096, (lo, hi, th) => [out + 64 * th, src, 1, w, block, 0, lo, hi]);
    sum = E.mul(sum, jump);
    for (let th = 0; th < k.threads; th++) sum = E.add(sum, k.readExt(out + 64 * th));
  }
  return sum;
}
