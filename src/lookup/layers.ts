/**
 * Layers of a tree of fractions, group by group: height 0 holds the leaves, every layer above the sums of its pairs.
 * Layers from KEPT up are kept from building to their sumcheck, near while memory lasts, else far; those below are made
 * again from the keys when it is their turn.
 */
import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import { type Fractions, type LeafInput, grain, leafLayer, leafPairLayer } from './leaves.js';
import { type Group, type LayerShape, folded, groupBoxes, leafShape, product, skipUnit } from './pieces.js';
import type { LogUpShape } from './shape.js';
import type { Root } from './singles.js';

/**
 * Where the fractions of a layer are until their sumcheck: near, far (numerators, then denominators), or made again
 * from the keys.
 */
export type Storage =
  | { readonly kind: 'near'; readonly n: number; readonly d: number }
  | { readonly kind: 'far'; readonly block: FarBlock }
  | { readonly kind: 'remade' };

export interface Layer extends LayerShape {
  readonly storage: Storage;
}

/** Kernels, scratch memory and what the leaves are made of. */
export interface Work {
  readonly k: Kernels;
  /** 512 bytes a thread. */
  readonly scratch: number;
  readonly inputs: readonly LeafInput[];
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

/** The layer of sums of pairs. */
function pairSums(w: Work, to: Fractions, from: Fractions): void {
  w.k.parallel('gkrLayer', from.rows, grain(from.len), (lo, hi, t) => [to.n, to.d, from.n, from.d, from.len, w.scratch + 512 * t, lo, hi]);
}

/** Space for the fractions of a layer; none for numerators that are all one. */
const space = (k: Kernels, l: LayerShape, numerators: boolean): Fractions => {
  const bytes = 24 * l.rows * l.len;
  return { ...l, d: k.alloc(bytes), n: numerators ? k.alloc(bytes) : 0 };
};

/** Makes a layer of height 0 or 1 from the keys. */
function make(w: Work, g: Group, height: number, to: Fractions): void {
  if (height === 0) leafLayer(w.k, g, w.inputs, to);
  else if (isDirect(g)) leafPairLayer(w.k, g, w.inputs, to);
  else
    w.k.scope(() => {
      const leaves = skipUnit(g, space(w.k, leafShape(g), g.table), 0);
      leafLayer(w.k, g, w.inputs, leaves);
      pairSums(w, to, leaves);
    });
}

/**
 * A layer of a group in linear memory, made or copied there if it is not; what that allocates is the caller's to
 * release.
 */
export function nearLayer(w: Work, g: Group, height: number, l: Layer): Fractions {
  const { storage } = l,
    raw = skipUnit(g, { rows: l.rows, len: l.len, axis: l.axis }, folded(g, height));
  if (storage.kind === 'near') return { ...raw, n: storage.n, d: storage.d };
  const bytes = 24 * raw.rows * raw.len,
    { n, d } = space(w.k, raw, height > 0 || g.table);
  if (storage.kind === 'far') {
    w.k.far.load(storage.block, 0, n, bytes);
    w.k.far.load(storage.block, bytes, d, bytes);
  } else make(w, g, height, { rows: l.rows, len: l.len, axis: l.axis, n, d });
  return { ...raw, n, d };
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
    const { k } = this.work,
      shapes = this.groups.map(layerShapes),
      { nearFrom } = keptLayers(shapes, k.room);
    this.groups.forEach((g, i) => {
      const layers = shapes[i].map((l, at): Layer => ({ ...l, storage: this.#place(l, at + 1, nearFrom) }));
      this.#layers.push(layers);
      k.scope(() => this.#fill(g, layers));
    });
  }

  #place(l: LayerShape, height: number, nearFrom: number): Storage {
    const { k } = this.work,
      bytes = 24 * l.rows * l.len;
    if (height < KEPT) return { kind: 'remade' };
    if (height >= nearFrom || 8 * bytes <= k.far.page) return { kind: 'near', n: k.alloc(bytes), d: k.alloc(bytes) };
    const block = k.far.alloc(2 * bytes);
    this.#far.add(block);
    return { kind: 'far', block };
  }

  #fill(g: Group, layers: readonly Layer[]): void {
    const { work } = this,
      { k } = work;
    /** Where a layer is built: in place, or in scratch memory, numerators and denominators in one piece. */
    const site = (l: Layer): Fractions => {
      const { rows, len, axis, storage } = l,
        bytes = 24 * rows * len;
      if (storage.kind === 'near') return { rows, len, axis, n: storage.n, d: storage.d };
      const n = k.alloc(2 * bytes);
      return { rows, len, axis, n, d: n + bytes };
    };
    let top: Fractions;
    if (g.vars === 0) {
      top = space(k, { ...leafShape(g), rows: 1, len: g.members.length }, g.table);
      leafLayer(k, g, work.inputs, top);
    } else {
      top = site(layers[0]);
      make(work, g, 1, top);
      for (let h = 2; h <= g.vars; h++) {
        const { storage } = layers[h - 1],
          to = site(layers[h - 1]);
        pairSums(work, to, skipUnit(g, top, folded(g, h - 1)));
        if (storage.kind === 'far') k.far.store(storage.block, 0, to.n, storage.block.bytes);
        top = to;
      }
    }
    g.members.forEach(({ position }, at) =>
      this.roots.push({ vars: g.vars, position, value: { n: top.n ? k.readExt(top.n + 24 * at) : E.ONE, d: k.readExt(top.d + 24 * at) } }),
    );
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
    this.work.k.far.free(block);
  }
}
