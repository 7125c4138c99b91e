import { log2Floor } from '../field/log2.js';
import { varsOf } from '../lookup/shape.js';
import type { Program, TensorClass, TensorSpec } from './types.js';

/** One aligned block of a tensor: per axis the piece [start, start + 2^log); at `position` of its class's stack. */
export interface Block {
  readonly starts: readonly number[];
  readonly logs: readonly number[];
  readonly position: number;
  readonly log: number;
}

export interface TensorLayout {
  readonly tensor: TensorSpec;
  readonly blocks: readonly Block[];
}

/** Stack of one class: blocks of all tensors, cells used (before padding to whole columns). */
export interface StackLayout {
  readonly cls: TensorClass;
  readonly tensors: ReadonlyMap<string, TensorLayout>;
  readonly cells: number;
}

/** Binary pieces of n, descending: 172 -> 128, 32, 8, 4. */
export function pieces(n: number): { start: number; log: number }[] {
  const out: { start: number; log: number }[] = [];
  let start = 0;
  for (let k = log2Floor(n); k >= 0; k--) {
    const s = 2 ** k;
    if (n - start >= s) {
      out.push({ start, log: k });
      start += s;
    }
  }
  return out;
}

function blocksOf(sizes: Readonly<Record<string, number>>, t: TensorSpec): Omit<Block, 'position'>[] {
  let out: { starts: number[]; logs: number[]; log: number }[] = [{ starts: [], logs: [], log: 0 }];
  for (const a of t.axes) {
    const ps = pieces(sizes[a]);
    out = out.flatMap((b) => ps.map((p) => ({ starts: [...b.starts, p.start], logs: [...b.logs, p.log], log: b.log + p.log })));
  }
  return out;
}

/**
 * Lays out one class. A group is one region whose length is its cell count, itself cut into aligned binary pieces for
 * its alias; inside, its members' blocks pack by descending size. Regions and loose blocks are placed by descending
 * size of their largest piece, so everything is aligned.
 */
export function layoutClass(program: Program, cls: TensorClass): StackLayout {
  const sizes = program.axes;
  const mine = program.tensors.filter((t) => t.cls === cls);
  const groups = new Map<string, TensorSpec[]>();
  for (const t of mine) if (t.group !== undefined && t.aliasOf === undefined) groups.set(t.group, [...(groups.get(t.group) ?? []), t]);
  type Item = { log: number; length: number; order: number; place: (position: number) => void };
  const items: Item[] = [];
  const out = new Map<string, { tensor: TensorSpec; blocks: Block[] }>();
  for (const t of mine) out.set(t.name, { tensor: t, blocks: [] });
  let order = 0;
  for (const t of mine) {
    if (t.aliasOf !== undefined || t.group !== undefined) continue;
    for (const b of blocksOf(sizes, t))
      items.push({ log: b.log, length: 2 ** b.log, order: order++, place: (position) => out.get(t.name)!.blocks.push({ ...b, position }) });
  }
  // Everything goes to the first multiple of its largest piece, those with larger pieces first; smaller ones fill the
  // holes that alignment leaves.
  for (const [name, members] of groups) {
    const blocks = members.flatMap((t) => blocksOf(sizes, t).map((b) => ({ t, b }))).sort((x, y) => y.b.log - x.b.log),
      length = blocks.reduce((s, x) => s + 2 ** x.b.log, 0);
    const alias = mine.find((t) => t.aliasOf === name);
    if (alias && (alias.axes.length !== 1 || sizes[alias.axes[0]] !== length))
      throw new Error(`alias ${alias.name} of group ${name} must have one axis of size ${length}`);
    items.push({
      log: log2Floor(length),
      length,
      order: order++,
      place: (position) => {
        let at = position;
        for (const { t, b } of blocks) {
          out.get(t.name)!.blocks.push({ ...b, position: at });
          at += 2 ** b.log;
        }
        if (alias)
          for (const p of pieces(length))
            out.get(alias.name)!.blocks.push({ starts: [p.start], logs: [p.log], log: p.log, position: position + p.start });
      },
    });
  }
  items.sort((x, y) => y.log - x.log || x.order - y.order);
  const holes: { at: number; length: number }[] = [];
  let cells = 0;
  for (const it of items) {
    const step = 2 ** it.log,
      up = (x: number): number => Math.ceil(x / step) * step,
      hole = holes.findIndex((x) => x.length >= up(x.at) - x.at + it.length);
    let start = up(cells);
    if (hole >= 0) {
      const [{ at, length }] = holes.splice(hole, 1),
        end = at + length;
      start = up(at);
      if (start > at) holes.push({ at, length: start - at });
      if (end > start + it.length) holes.push({ at: start + it.length, length: end - start - it.length });
    } else {
      if (start > cells) holes.push({ at: cells, length: start - cells });
      cells = start + it.length;
    }
    it.place(start);
  }
  return { cls, tensors: out, cells };
}

/**
 * Whether two classes put the same cells at the same places: only then does equality of their commitments mean equality
 * of tensors, in order.
 */
export function sameLayout(a: StackLayout, b: StackLayout): boolean {
  const shape = (l: StackLayout): string => JSON.stringify([l.cells, ...[...l.tensors.values()].map((t) => t.blocks)]);
  return shape(a) === shape(b);
}

/**
 * log2 of the most columns of a stack: few, for their rows are opened; more for a large one, whose tree would outgrow
 * memory.
 */
const mostColumns = (cells: number): number => (cells > 2 ** 26 ? 7 : 6);

/** Height and columns of a stack of `cells` cells, at most 2^most columns. */
export function stackShape(cells: number, most = mostColumns(cells)): { logColumns: number; logHeight: number; used: number } {
  const vars = Math.max(3, varsOf(cells)),
    logColumns = Math.min(most, vars - 3),
    logHeight = vars - logColumns;
  return { logColumns, logHeight, used: Math.ceil(cells / 2 ** logHeight) };
}
