/**
 * Layers of a tree of fractions, group by group: height 0 holds the leaves, every layer above the sums of its pairs.
 * Layers from KEPT up are kept from building to their sumcheck, near while memory lasts, else far; those below are made
 * again from the keys when it is their turn. Near is the device's memory.
 */
import { elements, together } from '../device/batches.js';
import type { Device, Vec } from '../device/device.js';
import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Ext } from '../transcript/arith.js';
import { type Fractions, type Making, type Work, leafLayers, leafSumLayers } from './leaves.js';
import { type Group, type LayerShape, folded, groupBoxes, leafShape, product, skipUnit } from './pieces.js';
import type { LogUpShape } from './shape.js';
import type { Root } from './singles.js';

/**
 * Where the fractions of a layer are until their sumcheck: near, far (numerators, then denominators), or made again
 * from the keys.
 */
export type Storage =
  | { readonly kind: 'near'; readonly n: Vec; readonly d: Vec }
  | { readonly kind: 'far'; readonly block: FarBlock }
  | { readonly kind: 'remade' };

export interface Layer extends LayerShape {
  readonly storage: Storage;
}

/** Layers of this height and above are kept. */
export const KEPT = 2;
/**
 * Near bytes per cell that work on one piece takes at most: leaves, two layers, split arrays, packed arrays, weights of
 * rows.
 */
export const SCRATCH = 192;
/** Most cells of a piece. */
const PIECE = 2 ** 21;

/** Cells of a piece in that room. */
export const pieceLimit = (room: number): number => Math.max(64, Math.min(PIECE, Math.floor(room / (4 * SCRATCH))));

/** Sizes of the layers of a group, heights 1 and up. */
function layerShapes(g: Group): LayerShape[] {
  const out: LayerShape[] = [];
  let cur = skipUnit(g, leafShape(g), 0);
  for (let h = 1; h <= g.vars; h++) {
    cur = { rows: cur.rows, len: Math.ceil(cur.len / 2), axis: cur.axis };
    out.push(cur);
    cur = skipUnit(g, cur, folded(g, h));
  }
  return out;
}

/** The first layer comes straight from the keys. */
const isDirect = (g: Group): boolean => !g.table && g.vars > 0 && skipUnit(g, leafShape(g), 0).len % 2 === 0;

/**
 * Bytes of all layers by height; the height from which on they are kept near: from the root down while half of the room
 * lasts.
 */
function keptLayers(shapes: readonly (readonly LayerShape[])[], room: number): { bytesAt: number[]; nearFrom: number } {
  const bytesAt: number[] = [0];
  for (const s of shapes) for (const [i, l] of s.entries()) bytesAt[i + 1] = (bytesAt[i + 1] ?? 0) + 48 * l.rows * l.len;
  let nearFrom = bytesAt.length;
  for (let left = room / 2; nearFrom > KEPT; nearFrom--) {
    left -= bytesAt[nearFrom - 1];
    if (left < 0) break;
  }
  return { bytesAt, nearFrom };
}

/** Near and far bytes of proveLogUp at its peak in that room; `tables`: bytes of scaled copies of all tables. */
export function logUpMemory(shape: LogUpShape, room: number, tables: number): { near: number; far: number } {
  const limit = pieceLimit(room),
    groups = groupBoxes(shape, limit),
    { bytesAt, nearFrom } = keptLayers(groups.map(layerShapes), room),
    total = (from: number, to: number): number => bytesAt.slice(from, to).reduce((x, y) => x + y, 0),
    cells = groups.reduce((n, g) => n + product(g.dims), 0),
    scratch = Math.max(0, ...groups.map((g) => (isDirect(g) ? 24 : 48) * product(g.dims)));
  const near = total(nearFrom, bytesAt.length),
    keptFar = total(KEPT, nearFrom);
  let most = near + scratch,
    far = keptFar;
  // The leaves (two arrays of half the cells) and the layer above them: whole if they fit, else half of them after the
  // first fold.
  for (const [height, bytes] of [
    [1, bytesAt[1] ?? 0],
    [0, 24 * cells + tables],
    [nearFrom > KEPT ? KEPT : -1, bytesAt[KEPT] ?? 0],
  ]) {
    if (height < 0) continue;
    const kept = height < KEPT ? 0 : near;
    if (kept + bytes + SCRATCH * limit + tables <= room) {
      most = Math.max(most, kept + bytes);
      continue;
    }
    let live = bytes / 2;
    while (kept + live + SCRATCH * limit + tables > room && live > 1) {
      far = Math.max(far, live + (height < KEPT ? 0 : keptFar));
      live /= 2;
    }
    most = Math.max(most, kept + live + SCRATCH * limit);
  }
  return { near: Math.min(most, room), far };
}

/**
 * Bytes of proveLogUp on a device that holds all groups at a time, at its peak: layers, arrays of pairs and their first
 * fold. Tables of eq and weights of rows are left out, and the inputs.
 */
export function logUpDeviceBytes(shape: LogUpShape): number {
  let kept = 0,
    build = 0;
  const work: number[] = [];
  for (const g of groupBoxes(shape, PIECE)) {
    const leaves = { ...leafShape(g) },
      layers = [leaves, ...layerShapes(g)],
      cells = layers.map((l) => l.rows * l.len),
      below = (isDirect(g) ? 0 : g.table ? 48 : 24) * cells[0];
    build += 48 * (cells[1] ?? 0) + below;
    cells.forEach((n, h) => {
      if (h >= KEPT) kept += 48 * n;
      if (h >= g.vars) return;
      const raw = skipUnit(g, layers[h], folded(g, h)),
        pairs = raw.rows * Math.ceil(raw.len / 2),
        fold = raw.rows * Math.ceil(Math.ceil(raw.len / 2) / 2),
        split = raw.len % 2 === 1,
        four = h > 0 || g.table || split;
      // A layer that is made again and the arrays that are cut of it; pairs of leaves have two arrays.
      const arrays = !four ? 48 * pairs : split ? 96 * pairs : h < KEPT ? 48 * n : 0;
      work[h] = (work[h] ?? 0) + arrays + 24 * (four ? 4 : 2) * fold;
    });
  }
  return Math.max(kept + build, ...work.map((bytes, h) => bytes + (h >= KEPT ? kept : 0)));
}

/** The layers of sums of pairs of these layers. */
function pairSums({ d }: Work, list: readonly { readonly to: Fractions; readonly from: Fractions }[]): void {
  if (list.length === 0) return;
  const items = list.map(({ to, from }) => ({ n: to.n!, d: to.d, from: { n: from.n, d: from.d }, rows: from.rows, len: from.len }));
  d.run('pairSums', items.length, { items });
}

/** Space for the fractions of a layer; none for numerators that are all one. */
const space = (d: Device, l: LayerShape, numerators: boolean): Fractions => {
  const words = 3 * l.rows * l.len;
  return { ...l, d: d.vector(words), n: numerators ? d.vector(words) : undefined };
};

/** Makes layers of height 0 or 1 from the keys. */
function make(w: Work, list: readonly (Making & { readonly height: number })[]): void {
  const at = (f: (x: Making & { height: number }) => boolean): Making[] => list.filter(f),
    above = at((x) => x.height > 0 && !isDirect(x.g));
  leafLayers(
    w,
    at((x) => x.height === 0),
  );
  leafSumLayers(
    w,
    at((x) => x.height > 0 && isDirect(x.g)),
  );
  if (above.length > 0)
    w.d.scope(() => {
      const leaves = above.map(({ g }) => ({ g, to: skipUnit(g, space(w.d, leafShape(g), g.table), 0) }));
      leafLayers(w, leaves);
      pairSums(
        w,
        above.map(({ to }, i) => ({ to, from: leaves[i].to })),
      );
    });
}

/** A layer of a group. */
export interface Wanted {
  readonly g: Group;
  readonly height: number;
  readonly layer: Layer;
}

/** Layers near, made or copied there if they are not; what that allocates is the caller's to release. */
export function nearLayers(w: Work, list: readonly Wanted[]): Fractions[] {
  const made: (Making & { height: number })[] = [];
  const out = list.map(({ g, height, layer: { rows, len, axis, storage } }) => {
    const raw = skipUnit(g, { rows, len, axis }, folded(g, height));
    if (storage.kind === 'near') return { ...raw, n: storage.n, d: storage.d };
    const { n, d } = space(w.d, raw, height > 0 || g.table);
    if (storage.kind === 'far') {
      w.d.load(storage.block, 0, n!);
      w.d.load(storage.block, 8 * n!.words, d);
    } else made.push({ g, height, to: { rows, len, axis, n, d } });
    return { ...raw, n, d };
  });
  if (made.length > 0) make(w, made);
  return out;
}

/** The layers of all groups, and the fractions to which each box (or part of one) adds up. */
export class Tree {
  /** By group, heights 1 and up. */
  readonly #layers: Layer[][] = [];
  /** Far memory in use. */
  readonly #far = new Set<FarBlock>();
  readonly roots: Root[] = [];

  constructor(
    readonly work: Work,
    readonly groups: readonly Group[],
  ) {}

  /**
   * Builds all layers. Those kept near belong to the caller's scope; those kept far go back by `free`, at the latest by
   * `close`.
   */
  build(): void {
    const { d } = this.work,
      shapes = this.groups.map(layerShapes),
      { nearFrom } = keptLayers(shapes, d.room);
    for (const some of together(d, [...this.groups.keys()])) {
      const layers = some.map((i) => shapes[i].map((l, at): Layer => ({ ...l, storage: this.#place(l, at + 1, nearFrom) })));
      this.#layers.push(...layers);
      d.scope(() => this.#fill(some.map((i, at) => ({ g: this.groups[i], layers: layers[at] }))));
    }
  }

  #place(l: LayerShape, height: number, nearFrom: number): Storage {
    const { d, far } = this.work,
      words = 3 * l.rows * l.len;
    if (height < KEPT) return { kind: 'remade' };
    if (height >= nearFrom || 64 * words <= far.page) return { kind: 'near', n: d.vector(words), d: d.vector(words) };
    const block = far.alloc(16 * words);
    this.#far.add(block);
    return { kind: 'far', block };
  }

  #fill(list: readonly { readonly g: Group; readonly layers: readonly Layer[] }[]): void {
    const { work } = this,
      { d } = work;
    /** Where a layer is built: in place, or in scratch memory. */
    const site = (l: Layer): Fractions => {
      const { rows, len, axis, storage } = l;
      return storage.kind === 'near' ? { rows, len, axis, n: storage.n, d: storage.d } : space(d, { rows, len, axis }, true);
    };
    const tops = list.map(
      ({ g, layers }): Fractions =>
        g.vars === 0 ? space(d, { ...leafShape(g), rows: 1, len: g.members.length }, g.table) : site(layers[0]),
    );
    make(
      work,
      list.map(({ g }, i) => ({ g, height: Math.min(g.vars, 1), to: tops[i] })),
    );
    for (let h = 2; h <= Math.max(...list.map(({ g }) => g.vars)); h++) {
      const sums: { to: Fractions; from: Fractions }[] = [];
      list.forEach(({ g, layers }, i) => {
        if (g.vars < h) return;
        const to = site(layers[h - 1]);
        sums.push({ to, from: skipUnit(g, tops[i], folded(g, h - 1)) });
        tops[i] = to;
      });
      pairSums(work, sums);
      list.forEach(({ layers }, i) => {
        const storage = layers[h - 1]?.storage;
        if (storage?.kind !== 'far') return;
        d.store(storage.block, 0, tops[i].n!);
        d.store(storage.block, 8 * tops[i].n!.words, tops[i].d);
      });
    }
    this.#readRoots(list, tops);
  }

  #readRoots(list: readonly { readonly g: Group }[], tops: readonly Fractions[]): void {
    const words = ({ g }: { readonly g: Group }): Uint32Array => Uint32Array.from({ length: 3 * g.members.length }, (_, i) => i),
      got = this.work.d.pick(list.flatMap((x, i) => [tops[i].d, tops[i].n].flatMap((from) => (from ? [{ from, at: words(x) }] : []))));
    let at = 0;
    const next = (): readonly Ext[] => elements(got[at++]);
    list.forEach(({ g }, i) => {
      const d = next(),
        n = tops[i].n ? next() : undefined;
      g.members.forEach(({ position }, m) => this.roots.push({ vars: g.vars, position, value: { n: n ? n[m] : E.ONE, d: d[m] } }));
    });
  }

  /** The layer of a group at a height below its root. */
  layer(group: number, height: number): Layer {
    return height === 0 ? { ...leafShape(this.groups[group]), storage: { kind: 'remade' } } : this.#layers[group][height - 1];
  }

  /** Far memory of a height goes back: its sumcheck is done. */
  free(height: number): void {
    for (const layers of this.#layers) {
      const storage = layers[height - 1]?.storage;
      if (storage?.kind === 'far') this.#free(storage.block);
    }
  }
  close(): void {
    for (const block of this.#far) this.#free(block);
  }
  #free(block: FarBlock): void {
    this.#far.delete(block);
    this.work.far.free(block);
  }
}
