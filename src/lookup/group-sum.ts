/** One group's part of a layer's sumcheck: the arrays of its pairs, wherever they lie, folded variable by variable. */
import type { Device, Vec } from '../device/device.js';
import type { FractionVec, Grid, PairFold, PairVec, RoundItem, TablePart } from '../device/lookup.js';
import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Ext } from '../transcript/arith.js';
import { type PointTables, type Slice, eqSum, prefixWeight, prefixWeights } from './eq.js';
import { type Layer, nearLayers } from './layers.js';
import { type Work, leafPairs } from './leaves.js';
import { type Group, folded, skipUnit } from './pieces.js';
import type { Quad } from './singles.js';

/** What all groups of one layer's sumcheck share. */
export interface LayerWork extends Work {
  readonly lambda: Ext;
  readonly invLambda: Ext;
}

/** A fold of arrays that are not near: it waits until they are fetched for the next round. */
interface Fold {
  readonly grid: Grid;
  readonly r: Ext;
}

/** Arrays near; `space`: the same memory as arrays side by side, once what lies there is not needed any more. */
interface Near {
  readonly kind: 'near';
  readonly at: PairVec;
  readonly space: PairVec;
  /** Where the next fold goes, on a device that does not fold in place. */
  readonly spare?: PairVec;
}

/**
 * Where the arrays are: near, packed one after the other in a far block, or made again from the keys or from the layer.
 */
type Storage =
  | Near
  | { readonly kind: 'far'; readonly block: FarBlock; readonly fold?: Fold }
  | { readonly kind: 'remade'; readonly fold?: Fold };

/** Arrays one after the other: of all four values, or of the two denominators. */
function arrays(d: Device, count: 2 | 4, cells: number): PairVec {
  const all = d.vector(3 * count * cells);
  return cut(d, all, count, cells);
}
/** A vector as so many arrays. */
function cut(d: Device, all: Vec, count: 2 | 4, cells: number): PairVec {
  const at = (i: number): Vec => d.slice(all, 3 * i * cells, 3 * cells);
  return count === 2 ? { d0: at(0), d1: at(1) } : { n0: at(0), n1: at(1), d0: at(2), d1: at(3) };
}
/** All arrays, in their order. */
const vectors = (q: PairVec): Vec[] => [q.n0, q.n1, q.d0, q.d1].flatMap((v) => (v ? [v] : []));

/** How a group begins: its first axis, variables that are left and that its axis has lost, near bytes of the arrays. */
interface Beginning {
  readonly axis: number;
  readonly grid: Grid;
  readonly left: number;
  readonly done: number;
  readonly bytes: number;
}

export abstract class GroupSum {
  abstract readonly count: 2 | 4;
  grid: Grid;
  protected axis: number;
  /** Variables that are left. */
  left: number;
  /** Near bytes of all arrays. */
  bytes: number;
  /** Pairs at the beginning. */
  readonly pairs: number;
  /** Variables of the axis that are bound. */
  #done: number;
  /** Distance of members within an array. */
  #cells: number;
  #storage: Storage = { kind: 'remade' };

  /** `prefix`: variables of the tree beyond those of the group. */
  constructor(
    protected readonly w: LayerWork,
    readonly g: Group,
    readonly prefix: number,
    { axis, grid, left, done, bytes }: Beginning,
  ) {
    this.axis = axis;
    this.grid = grid;
    this.left = left;
    this.bytes = bytes;
    this.#done = done;
    this.pairs = grid.rows * grid.len;
    this.#cells = (grid.rows * grid.rs) / g.members.length;
  }

  /** What a missing upper cell of denominators without numerators holds. */
  abstract readonly missing: Ext;
  /** Of this group in the round of variable v what its kernel leaves out; `weight`: of all rows. */
  abstract rest(column: readonly Ext[], weight: () => Ext): [Ext, Ext];
  /** The values of the last pair of a member, from the words of its first cells. */
  protected abstract value(words: readonly BigUint64Array[]): Quad;
  /** The current axis is bound: the next one follows. */
  protected axisDone(): void {}
  /** A variable has been bound at r in rows of `len` cells. */
  protected bound(_r: Ext, _len: number): void {}

  get near(): boolean {
    return this.#storage.kind === 'near';
  }
  get storage(): Storage {
    return this.#storage;
  }

  /** Goes on to the axis of the next variable. */
  nextAxis(): void {
    while (this.axis > 0 && this.#done >= this.g.axisVars[this.axis]) {
      this.axis--;
      const len = this.g.dims[this.axis],
        { rows, rs } = this.grid;
      this.grid = { rows: rows / len, len, cs: rs, rs: rs * len };
      this.#done = 0;
      this.axisDone();
    }
  }

  /** Variables of the layer's point that belong to an axis, the current one having lost those from v + 1 on. */
  #slice(axis: number, v: number): Slice {
    let at = this.prefix;
    for (let t = 0; t < axis; t++) at += this.g.axisVars[t];
    return [at, at + (axis === this.axis ? v - at : this.g.axisVars[axis])];
  }
  /** Names the tables of eq that the round of variable v needs. */
  want(tables: PointTables, v: number): void {
    tables.want(this.#slice(this.axis, v), Math.ceil(this.grid.len / 2));
    for (let axis = 1; axis < this.axis; axis++) tables.want(this.#slice(axis, v), this.g.dims[axis]);
  }

  /** The tables of a round: of pairs of columns; of the axes before, whose outer product with `first` weighs rows. */
  weights(tables: PointTables, v: number): RowWeights {
    const { point } = tables,
      column = this.#slice(this.axis, v),
      first = prefixWeights(
        point.slice(0, this.prefix),
        this.g.members.map((x) => x.position),
      ),
      axes: TablePart[] = [],
      sums: (() => Ext)[] = [];
    for (let axis = 1; axis < this.axis; axis++) {
      const n = this.g.dims[axis],
        slice = this.#slice(axis, v);
      axes.push(tables.part(slice, n));
      sums.push(() => eqSum(point.slice(...slice), n));
    }
    return {
      columns: tables.table(column, Math.ceil(this.grid.len / 2)),
      column: point.slice(...column),
      first,
      axes,
      rows: this.grid.rows,
      total: () =>
        sums.reduce(
          (x, y) => E.mul(x, y()),
          first.reduce<Ext>((x, y) => E.add(x, y), E.ZERO),
        ),
    };
  }

  /** A near group is where these arrays are. */
  settled(near: Near): void {
    this.close();
    this.#storage = near;
  }
  /** Binds the variable at r; `near`: where the arrays are then, if they are near. */
  bind(r: Ext, near: Near | undefined): void {
    const f = this.grid,
      half = Math.ceil(f.len / 2),
      s = this.#storage;
    if (s.kind === 'near') {
      this.#storage = near!;
      this.grid = this.w.d.inPlace ? { ...f, len: half } : { rows: f.rows, len: half, cs: 1, rs: half };
    } else {
      this.#storage = { ...s, fold: { grid: f, r } };
      this.grid = { rows: f.rows, len: half, cs: 1, rs: half };
      this.bytes = 24 * this.count * f.rows * half;
    }
    this.#cells = (f.rows * this.grid.rs) / this.g.members.length;
    this.bound(r, f.len);
    this.left--;
    this.#done++;
  }
  /** Cells of all arrays of one kind. */
  get cells(): number {
    return this.#cells * this.g.members.length;
  }

  /** Packed arrays go far. */
  store(q: PairVec): void {
    const { d, far } = this.w;
    this.close();
    const block = far.alloc(24 * this.count * this.cells);
    this.#storage = { kind: 'far', block };
    let at = 0;
    for (const v of vectors(q)) {
      d.store(block, at, v);
      at += 8 * v.words;
    }
  }

  /** Where the values of the pairs lie to which the members have been folded, in these arrays. */
  places(q: PairVec): { readonly from: Vec; readonly at: Uint32Array }[] {
    const at = Uint32Array.from({ length: 3 * this.g.members.length }, (_, i) => 3 * this.#cells * Math.floor(i / 3) + (i % 3));
    return vectors(q).map((from) => ({ from, at }));
  }
  /** These pairs by position, from the words at `places`. */
  values(words: readonly BigUint64Array[]): (readonly [number, Quad])[] {
    return this.g.members.map(({ position }, i) => [position, this.value(words.map((w) => w.subarray(3 * i, 3 * i + 3)))] as const);
  }
  /** Gives far memory back. */
  close(): void {
    if (this.#storage.kind === 'far') this.w.far.free(this.#storage.block);
    this.#storage = { kind: 'remade' };
  }
}

/** Weights of a group's pairs in a round. */
interface RowWeights {
  readonly columns: Vec;
  /** The part of the point that columns are weighed at. */ readonly column: readonly Ext[];
  readonly first: readonly Ext[];
  readonly axes: readonly TablePart[];
  readonly rows: number;
  /** The sum of the weights of all rows. */ readonly total: () => Ext;
}

const element = (w: BigUint64Array): Ext => [w[0], w[1], w[2]];

/** Pairs of a layer: F = n0 d1 + n1 d0 + lambda d0 d1 over four arrays. */
class FractionSum extends GroupSum {
  readonly count = 4;
  readonly missing = E.ONE;
  readonly split: boolean;

  constructor(
    w: LayerWork,
    g: Group,
    prefix: number,
    readonly height: number,
    readonly layer: Layer,
  ) {
    const raw = skipUnit(g, layer, folded(g, height)),
      len = Math.ceil(raw.len / 2),
      cells = raw.rows * len,
      // Pairs side by side in the layer itself, which is not needed again; a last cell alone asks for arrays of their
      // own.
      split = raw.len % 2 === 1;
    super(w, g, prefix, {
      axis: raw.axis,
      grid: split ? { rows: raw.rows, len, cs: 1, rs: len } : { rows: raw.rows, len, cs: 2, rs: raw.len },
      left: g.vars - height - 1,
      done: folded(g, height + 1),
      bytes: !split && layer.storage.kind === 'near' ? 0 : 96 * cells,
    });
    this.split = split;
  }
  rest(): [Ext, Ext] {
    return [E.ZERO, E.ZERO];
  }
  protected value([n0, n1, d0, d1]: readonly BigUint64Array[]): Quad {
    return { n0: element(n0), n1: element(n1), d0: element(d0), d1: element(d1) };
  }
}

/**
 * Pairs of leaves of lookups. Their numerators are 1 (0 where the box is missing), so after any folding both numerators
 * of a pair equal one value nu, which is constant along the rows and along the current axis but for its last cell. With
 * e = nu + lambda d,
 *   F = nu (d0 + d1) + lambda d0 d1 = (e0 e1 - nu^2) / lambda,
 * and e folds as nu and d do (missing cells: nu = 0, d = 1, e = lambda): two arrays and one product instead of four and
 * three.
 */
class LeafSum extends GroupSum {
  readonly count = 2;
  readonly missing: Ext;
  /** nu of all cells but the last, and of the last one. */
  #inner: Ext = E.ONE;
  #last: Ext = E.ONE;

  constructor(w: LayerWork, g: Group, prefix: number, leaves: Layer) {
    const raw = skipUnit(g, leaves, 0),
      len = raw.len / 2,
      grid = { rows: raw.rows, len, cs: 1, rs: len };
    super(w, g, prefix, { axis: raw.axis, grid, left: g.vars - 1, done: folded(g, 1), bytes: 48 * raw.rows * len });
    this.missing = w.lambda;
  }
  /** nu of the last pair: its upper cell may be missing. */
  #lastPair(len: number): { low: Ext; up: Ext } {
    return len % 2 ? { low: this.#last, up: E.ZERO } : { low: this.#inner, up: this.#last };
  }
  protected override axisDone(): void {
    // Along the next axis the value is constant.
    this.#inner = this.#last;
  }
  protected override bound(r: Ext, len: number): void {
    const { low, up } = this.#lastPair(len);
    this.#last = E.add(low, E.mul(r, E.sub(up, low)));
  }
  /** The squares of nu: inner pairs have a constant one, the last pair its own. */
  rest(column: readonly Ext[], weight: () => Ext): [Ext, Ext] {
    const { lambda, invLambda } = this.w,
      { len } = this.grid,
      half = Math.ceil(len / 2),
      at = prefixWeight(column, half - 1),
      sum = eqSum(column, half),
      total = weight(),
      { low, up } = this.#lastPair(len),
      square = (x: Ext): Ext => E.mul(x, x),
      s0 = E.mul(total, E.add(E.mul(square(this.#inner), E.sub(sum, at)), E.mul(square(low), at))),
      s2 = E.mul(total, E.mul(square(E.sub(up, low)), at));
    return [E.neg(E.add(E.mul(invLambda, s0), E.mul(lambda, E.mul(total, sum)))), E.neg(E.mul(invLambda, s2))];
  }
  protected value([e0, e1]: readonly BigUint64Array[]): Quad {
    const { invLambda } = this.w,
      nu = this.#last,
      d = (e: BigUint64Array): Ext => E.mul(invLambda, E.sub(element(e), nu));
    return { n0: nu, n1: nu, d0: d(e0), d1: d(e1) };
  }
}

/** The part of a group whose layer at that height is `layer`. */
export function groupSum(w: LayerWork, g: Group, prefix: number, height: number, layer: Layer): GroupSum {
  const pairs = skipUnit(g, layer, folded(g, height)).len % 2 === 0;
  return height === 0 && !g.table && pairs ? new LeafSum(w, g, prefix, layer) : new FractionSum(w, g, prefix, height, layer);
}

/** The arrays of groups from the keys or from their layers, in the caller's scope, and as they can be used later. */
function make(w: LayerWork, list: readonly GroupSum[]): Pick<Near, 'at' | 'space'>[] {
  if (list.length === 0) return [];
  const { d } = w,
    out = new Map<GroupSum, Pick<Near, 'at' | 'space'>>(),
    fresh = (s: GroupSum): PairVec => {
      const at = arrays(d, s.count, s.pairs);
      out.set(s, { at, space: at });
      return at;
    },
    fractions = list.filter((s) => s instanceof FractionSum),
    layers = (of: readonly FractionSum[]): FractionVec[] => nearLayers(w, of);
  const leaves = list.filter((s) => s instanceof LeafSum).map((s) => ({ g: s.g, at: fresh(s) }));
  leafPairs(
    w,
    w.lambda,
    leaves.map(({ g, at }) => ({ g, even: at.d0, odd: at.d1 })),
  );
  const whole = fractions.filter((s) => !s.split);
  layers(whole).forEach(({ n, d: den }, i) => {
    const { pairs } = whole[i],
      odd = (v: Vec): Vec => d.slice(v, 3, v.words - 3),
      half = (v: Vec, at: number): Vec => d.slice(v, 3 * pairs * at, 3 * pairs);
    out.set(whole[i], {
      at: { n0: n!, n1: odd(n!), d0: den, d1: odd(den) },
      space: { n0: half(n!, 0), n1: half(n!, 1), d0: half(den, 0), d1: half(den, 1) },
    });
  });
  const split = fractions.filter((s) => s.split),
    to = split.map(fresh);
  if (split.length > 0)
    d.scope(() => {
      const items = layers(split).map((from, i) => ({ to: to[i], from, ...sizes(split[i]) }));
      d.run('splitPairs', items.length, { items });
    });
  return list.map((s) => out.get(s)!);
}
/** Rows and cells of the layer that a group begins with. */
const sizes = ({ g, height, layer }: FractionSum): { rows: number; len: number } => {
  const { rows, len } = skipUnit(g, { rows: layer.rows, len: layer.len, axis: layer.axis }, folded(g, height));
  return { rows, len };
};

/** Arrays of groups that are not near, with the fold that waits for them, packed to `to` or to fresh memory. */
function fetch(w: LayerWork, list: readonly GroupSum[], to: readonly (PairVec | undefined)[]): Pick<Near, 'at' | 'space'>[] {
  if (list.length === 0) return [];
  const { d } = w,
    remade = list.filter((s) => s.storage.kind === 'remade'),
    made = new Map(make(w, remade).map((q, i) => [remade[i], q])),
    folds: PairFold[] = [];
  const out = list.map((s, i) => {
    const { storage } = s;
    let q = made.get(s);
    if (storage.kind === 'far') {
      const at = arrays(d, s.count, storage.block.bytes / (24 * s.count));
      let from = 0;
      for (const v of vectors(at)) {
        d.load(storage.block, from, v);
        from += 8 * v.words;
      }
      q = { at, space: at };
    }
    if (storage.kind === 'near' || !storage.fold) return q!;
    const { grid, r } = storage.fold,
      packed = to[i] ?? arrays(d, s.count, grid.rows * Math.ceil(grid.len / 2));
    folds.push({ from: q!.at, to: packed, grid, r, missing: s.missing });
    return { at: packed, space: packed };
  });
  if (folds.length > 0) d.run('foldPairs', folds.length, { items: folds });
  return out;
}

/** Brings the arrays of groups near, in the caller's scope. */
export function settle(w: LayerWork, list: readonly GroupSum[]): void {
  const { d } = w,
    waits = (s: GroupSum): boolean => s.storage.kind !== 'near' && s.storage.fold !== undefined,
    folds = list.filter(waits),
    whole = list.filter((s) => !waits(s)),
    to = folds.map((s) => arrays(d, s.count, s.cells));
  if (folds.length > 0) d.scope(() => void fetch(w, folds, to));
  folds.forEach((s, i) => s.settled({ kind: 'near', at: to[i], space: to[i] }));
  if (whole.length === 0) return;
  fetch(
    w,
    whole,
    whole.map(() => undefined),
  ).forEach((q, i) => whole[i].settled({ kind: 'near', ...q }));
}

/** Sums of a round: of fractions two elements, then two of leaves, as far as there are any. */
export const ROUND_WORDS = 12;

/**
 * The sums of groups in the round of variable v, to `to`, of which `read` says what is there; what their kernels leave
 * out. Allocates in the caller's scope.
 */
export function roundSums(w: LayerWork, list: readonly GroupSum[], tables: PointTables, v: number, to: Vec): RoundSums {
  const { d } = w,
    q = new Map<GroupSum, PairVec>(),
    far = list.filter((s) => s.storage.kind !== 'near');
  for (const s of list) if (s.storage.kind === 'near') q.set(s, s.storage.at);
  fetch(
    w,
    far,
    far.map(() => undefined),
  ).forEach(({ at }, i) => q.set(far[i], at));
  const weights = list.map((s) => s.weights(tables, v)),
    rows = weights.map((x) => d.vector(3 * x.rows));
  d.run('rowWeights', list.length, { tables: tables.all, items: weights.map(({ first, axes }, i) => ({ to: rows[i], first, axes })) });
  const items = (count: 2 | 4): RoundItem[] =>
      list.flatMap((s, i) => (s.count === count ? [{ from: q.get(s)!, grid: s.grid, columns: weights[i].columns, rows: rows[i] }] : [])),
    [fractions, leaves] = [items(4), items(2)],
    { lambda } = w;
  if (fractions.length > 0) d.run('pairRound', fractions.length, { to: d.slice(to, 0, 6), lambda, items: fractions });
  if (leaves.length > 0) d.run('productRound', leaves.length, { to: d.slice(to, 6, 6), lambda, items: leaves });
  for (const s of far) if (s.storage.kind !== 'near' && s.storage.fold) s.store(q.get(s)!);
  return {
    fractions: fractions.length > 0,
    leaves: leaves.length > 0,
    rest: list.map((s, i) => s.rest(weights[i].column, weights[i].total)),
  };
}
export interface RoundSums {
  readonly fractions: boolean;
  readonly leaves: boolean;
  readonly rest: readonly (readonly [Ext, Ext])[];
}

/** Binds the variable of a round at r in all groups. */
export function bindAll(w: LayerWork, list: readonly GroupSum[], r: Ext): void {
  const { d } = w,
    items: PairFold[] = [],
    near = list.map((s): Near | undefined => {
      if (s.storage.kind !== 'near') return undefined;
      const { at, space, spare } = s.storage,
        { grid, missing } = s,
        to = d.inPlace ? at : (spare ?? arrays(d, s.count, grid.rows * Math.ceil(grid.len / 2)));
      items.push({ from: at, to, grid, r, missing });
      return d.inPlace ? s.storage : { kind: 'near', at: to, space: to, spare: space };
    });
  if (items.length > 0) d.run('foldPairs', items.length, { items });
  list.forEach((s, i) => s.bind(r, near[i]));
}

/** Pairs to which the members of groups have been folded. Far memory goes back. */
export interface Ended {
  readonly s: GroupSum;
  readonly places: readonly { readonly from: Vec; readonly at: Uint32Array }[];
}
/** Arrays of groups that end, near or fetched into the caller's scope. */
export function ended(w: LayerWork, list: readonly GroupSum[]): Ended[] {
  const far = list.filter((s) => s.storage.kind !== 'near'),
    fetched = fetch(
      w,
      far,
      far.map(() => undefined),
    );
  return list.map((s) => {
    const q = s.storage.kind === 'near' ? s.storage.at : fetched[far.indexOf(s)].at;
    return { s, places: s.places(q) };
  });
}
