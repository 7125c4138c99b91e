import type { Program, TensorClass, TensorSpec } from './types.js';

/** One aligned block of a tensor: per axis the piece [start, start + 2^log); at `position` of its class's stack. */
export interface Block { readonly starts: readonly number[]; readonly logs: readonly number[]; readonly position: number; readonly log: number }

export interface TensorLayout { readonly tensor: TensorSpec; readonly blocks: readonly Block[] }

/** Stack of one class: blocks of all tensors, cells used (before padding to whole columns). */
export interface StackLayout { readonly cls: TensorClass; readonly tensors: ReadonlyMap<string, TensorLayout>; readonly cells: number }

/** Binary pieces of n, descending: 172 -> 128, 32, 8, 4. */
export function pieces(n: number): { start: number; log: number }[] {
  const out: { start: number; log: number }[] = [];
  let start = 0;
  for (let k = Math.floor(Math.log2(n)); k >= 0; k--) {
    const s = 2 ** k;
    if (n - start >= s) { out.push({ start, log: k }); start += s; }
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
 * Lays out one class. A group is one region whose length is its cell count, itself cut into aligned binary pieces for its alias;
 * inside, its members' blocks pack by descending size. Regions and loose blocks are placed by descending size, so everything is aligned.
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
    for (const b of blocksOf(sizes, t)) items.push({ log: b.log, length: 2 ** b.log, order: order++, place: (position) => out.get(t.name)!.blocks.push({ ...b, position }) });
  }
  let cells = 0;
  // Groups first, each aligned to its largest piece; loose blocks fill in descending order after them.
  const regions = [...groups].map(([name, members]) => {
    const blocks = members.flatMap((t) => blocksOf(sizes, t).map((b) => ({ t, b }))).sort((x, y) => y.b.log - x.b.log);
    const length = blocks.reduce((s, x) => s + 2 ** x.b.log, 0);
    return { name, blocks, length };
  }).sort((x, y) => y.length - x.length);
  for (const r of regions) {
    const top = 2 ** Math.floor(Math.log2(r.length));
    const start = Math.ceil(cells / top) * top;
    let at = start;
    for (const { t, b } of r.blocks) { out.get(t.name)!.blocks.push({ ...b, position: at }); at += 2 ** b.log; }
    const alias = mine.find((t) => t.aliasOf === r.name);
    if (alias) {
      if (alias.axes.length !== 1 || sizes[alias.axes[0]] !== r.length) throw new Error(`alias ${alias.name} of group ${r.name} must have one axis of size ${r.length}`);
      for (const p of pieces(r.length)) out.get(alias.name)!.blocks.push({ starts: [p.start], logs: [p.log], log: p.log, position: start + p.start });
    }
    cells = at;
  }
  items.sort((x, y) => y.log - x.log || x.order - y.order);
  if (items.length && regions.length) {
    // Loose blocks larger than what the groups leave aligned go to the next multiple.
    const holes: { at: number; length: number }[] = [];
    for (const it of items) {
      const h = holes.findIndex((x) => x.length >= it.length && x.at % it.length === 0);
      if (h >= 0) { it.place(holes[h].at); holes[h] = { at: holes[h].at + it.length, length: holes[h].length - it.length }; continue; }
      const start = Math.ceil(cells / it.length) * it.length;
      if (start > cells) holes.push({ at: cells, length: start - cells });
      it.place(start);
      cells = start + it.length;
    }
  } else for (const it of items) { it.place(cells); cells += it.length; }
  return { cls, tensors: out, cells };
}
