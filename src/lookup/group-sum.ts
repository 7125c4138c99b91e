/** One group's part of a layer's sumcheck: the arrays of its pairs, wherever they lie, folded variable by variable. */
import * as E from '../field/ext3.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import { type PointTables, type Slice, eqSum, prefixWeights } from './eq.js';
import { type Layer, type Work, nearLayer } from './layers.js';
import { type PairArrays, grain, leafPairs } from './leaves.js';
import { type Group, folded, skipUnit } from './pieces.js';
import type { Quad } from './singles.js';

/** What all groups of one layer's sumcheck share. */
export interface LayerWork extends Work {
  readonly lambda: Ext;
  readonly invLambda: Ext;
  /** Address of lambda. */
  readonly lam: number;
}

/** Cells of an array: rows of `len` cells, and the distances of cells and rows. */
interface Grid {
  readonly rows: number;
  readonly len: number;
  readonly cs: number;
  readonly rs: number;
}

/** A fold of arrays that are not near: it waits until they are fetched for the next round. */
interface Fold extends Grid {
  readonly x: Ext;
}

/**
 * Where the arrays are: near, packed one after the other in a far block, or made again from the keys or from the layer.
 */
type Storage =
  | { readonly kind: 'near'; readonly at: PairArrays }
  | { readonly kind: 'far'; readonly block: FarBlock; readonly fold?: Fold }
  | { readonly kind: 'remade'; readonly fold?: Fold };

/** Arrays one after the other: of all four values, or of the two denominators. */
function arrays(k: Kernels, count: 2 | 4, cells: number): PairArrays {
  const p = k.alloc(24 * count * cells),
    at = (i: number): number => p + 24 * i * cells;
  return count === 2 ? { n0: 0, n1: 0, d0: at(0), d1: at(1) } : { n0: at(0), n1: at(1), d0: at(2), d1: at(3) };
}

/** Where arrays that lie one after the other begin. */
const start = (q: PairArrays): number => q.n0 || q.d0;

/** How a group begins: its first axis, variables that are left and that its axis has lost, near bytes of the arrays. */
interface Beginning {
  readonly axis: number;
  readonly grid: Grid;
  readonly left: number;
  readonly done: number;
  readonly bytes: number;
}

export abstract class GroupSum {
  protected abstract readonly count: 2 | 4;
  protected grid: Grid;
  protected axis: number;
  /** Variables that are left. */
  left: number;
  /** Near bytes of all arrays. */
  bytes: number;
  /** Pairs at the beginning. */
  protected readonly pairs: number;
  /** Variables of the axis that are bound. */
  #done: number;
  /** Distance of members within an array. */
  #cells: number;
  #storage: Storage = { kind: 'remade' };

  /** `prefix`: variables of the tree beyond those of the group. */
  constructor(
    protected readonly w: LayerWork,
    protected readonly g: Group,
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

  /** The arrays from the keys or from the layer. */
  protected abstract make(): PairArrays;
  /** Binds a variable in near arrays; `x` is the address of the challenge. */
  protected abstract foldArrays(q: PairArrays, f: Grid, x: number): void;
  /** g(0) and the coefficient of X^2: weights of columns at `eqcol`, of rows at `roww`, their sum `total`. */
  protected abstract sums(q: PairArrays, eqcol: number, roww: number, total: Ext, column: readonly Ext[]): [Ext, Ext];
  /** The values of the last pair of a member, `o` bytes into the arrays. */
  protected abstract value(q: PairArrays, o: number): Quad;
  /** The current axis is bound: the next one follows. */
  protected axisDone(): void {}
  /** A variable has been bound at x in rows of `len` cells. */
  protected bound(_x: Ext, _len: number): void {}

  get near(): boolean {
    return this.#storage.kind === 'near';
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

  /** This group's part of the message of variable v. What it allocates is the caller's to release. */
  message(tables: PointTables, v: number): [Ext, Ext] {
    const { k } = this.w,
      { point } = tables,
      column = this.#slice(this.axis, v),
      eqcol = tables.table(column, Math.ceil(this.grid.len / 2)),
      storage = this.#storage,
      q = storage.kind === 'near' ? storage.at : this.#fetch(storage),
      prefixes = prefixWeights(
        point.slice(0, this.prefix),
        this.g.members.map((x) => x.position),
      );
    let roww = k.exts(prefixes),
      rows = this.g.members.length,
      total = prefixes.reduce<Ext>((x, y) => E.add(x, y), E.ZERO);
    for (let axis = 1; axis < this.axis; axis++) {
      const n = this.g.dims[axis],
        slice = this.#slice(axis, v),
        t = tables.table(slice, n),
        dst = k.alloc(24 * rows * n),
        src = roww;
      total = E.mul(total, eqSum(point.slice(...slice), n));
      k.parallel('outer', rows, grain(n), (lo, hi) => [dst, src, t, n, lo, hi]);
      roww = dst;
      rows *= n;
    }
    const out = this.sums(q, eqcol, roww, total, point.slice(...column));
    if (storage.kind !== 'near' && storage.fold) this.#store(q);
    return out;
  }
  /** Sums of what a kernel leaves per thread. */
  protected threadSums(kernel: string, args: (lo: number, hi: number, t: number) => number[]): [Ext, Ext] {
    const { k } = this.w,
      out = k.zeroed(64 * k.threads);
    let s0: Ext = E.ZERO,
      s2: Ext = E.ZERO;
    k.parallel(kernel, this.grid.rows, grain(this.grid.len), (lo, hi, t) => [out + 64 * t, ...args(lo, hi, t)]);
    for (let t = 0; t < k.threads; t++) {
      s0 = E.add(s0, k.readExt(out + 64 * t));
      s2 = E.add(s2, k.readExt(out + 64 * t + 24));
    }
    return [s0, s2];
  }

  /** Binds the variable; `at`: address of the challenge x. */
  bind(x: Ext, at: number): void {
    const f = this.grid,
      half = Math.ceil(f.len / 2),
      s = this.#storage;
    if (s.kind === 'near') {
      this.foldArrays(s.at, f, at);
      this.grid = { ...f, len: half };
    } else {
      this.#storage = { ...s, fold: { ...f, x } };
      this.grid = { rows: f.rows, len: half, cs: 1, rs: half };
      this.#cells = (f.rows * half) / this.g.members.length;
      this.bytes = 24 * this.count * f.rows * half;
    }
    this.bound(x, f.len);
    this.left--;
    this.#done++;
  }

  /** Arrays that are not near, with the fold that waits for them, packed to `to` or to fresh memory. */
  #fetch(s: Exclude<Storage, { kind: 'near' }>, to?: PairArrays): PairArrays {
    const { k } = this.w,
      f = s.fold;
    let q: PairArrays;
    if (s.kind === 'far') {
      q = arrays(k, this.count, s.block.bytes / (24 * this.count));
      k.far.load(s.block, 0, start(q), s.block.bytes);
    } else q = this.make();
    if (!f) return q;
    this.foldArrays(q, f, k.exts([f.x]));
    const half = Math.ceil(f.len / 2),
      out = to ?? arrays(k, this.count, f.rows * half);
    for (const x of this.count === 2 ? (['d0', 'd1'] as const) : (['n0', 'n1', 'd0', 'd1'] as const))
      k.parallel('packExt', f.rows, grain(half), (lo, hi) => [out[x], q[x], half, f.cs, f.rs, lo, hi]);
    return out;
  }
  /** Packed arrays go far. */
  #store(q: PairArrays): void {
    const { far } = this.w.k;
    this.close();
    const block = far.alloc(24 * this.count * this.#cells * this.g.members.length);
    this.#storage = { kind: 'far', block };
    far.store(block, 0, start(q), block.bytes);
  }
  /** Brings the arrays near, in the caller's scope. */
  settle(): void {
    const { k } = this.w,
      s = this.#storage;
    if (s.kind === 'near') return;
    let at: PairArrays;
    if (s.fold) {
      const to = arrays(k, this.count, this.#cells * this.g.members.length);
      k.scope(() => this.#fetch(s, to));
      at = to;
    } else at = this.#fetch(s);
    this.close();
    this.#storage = { kind: 'near', at };
  }

  /** Values of the pair to which each member has been folded, by position; far memory goes back. */
  values(): (readonly [number, Quad])[] {
    const s = this.#storage,
      out = this.w.k.scope(() => {
        const q = s.kind === 'near' ? s.at : this.#fetch(s);
        return this.g.members.map(({ position }, i) => [position, this.value(q, 24 * i * this.#cells)] as const);
      });
    this.close();
    return out;
  }
  /** Gives far memory back. */
  close(): void {
    if (this.#storage.kind === 'far') this.w.k.far.free(this.#storage.block);
    this.#storage = { kind: 'remade' };
  }
}

/** Pairs of a layer: F = n0 d1 + n1 d0 + lambda d0 d1 over four arrays. */
class FractionSum extends GroupSum {
  protected readonly count = 4;
  readonly #split: boolean;

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
    this.#split = split;
  }
  protected make(): PairArrays {
    const { w, g, height, layer } = this,
      { k } = w;
    if (!this.#split) {
      const { n, d } = nearLayer(w, g, height, layer);
      return { n0: n, n1: n + 24, d0: d, d1: d + 24 };
    }
    const q = arrays(k, 4, this.pairs);
    k.scope(() => {
      const s = nearLayer(w, g, height, layer);
      k.parallel('gkrSplit', s.rows, grain(s.len), (lo, hi) => [q.n0, q.n1, q.d0, q.d1, s.n, s.d, s.len, lo, hi]);
    });
    return q;
  }
  protected foldArrays(q: PairArrays, f: Grid, x: number): void {
    const { k, scratch } = this.w,
      at = [q.n0, q.n1, q.d0, q.d1, f.len, f.cs, f.rs, x];
    k.parallel('gkrFold', f.rows, grain(f.len), (lo, hi, t) => [...at, scratch + 512 * t, lo, hi]);
  }
  protected sums(q: PairArrays, eqcol: number, roww: number): [Ext, Ext] {
    const { len, cs, rs } = this.grid,
      { lam, scratch } = this.w,
      at = [q.n0, q.n1, q.d0, q.d1, len, cs, rs, eqcol, roww, lam];
    return this.threadSums('gkrRound', (lo, hi, t) => [...at, scratch + 512 * t, lo, hi]);
  }
  protected value(q: PairArrays, o: number): Quad {
    const { k } = this.w;
    return { n0: k.readExt(q.n0 + o), n1: k.readExt(q.n1 + o), d0: k.readExt(q.d0 + o), d1: k.readExt(q.d1 + o) };
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
  protected readonly count = 2;
  /** nu of all cells but the last, and of the last one. */
  #inner: Ext = E.ONE;
  #last: Ext = E.ONE;

  constructor(w: LayerWork, g: Group, prefix: number, leaves: Layer) {
    const raw = skipUnit(g, leaves, 0),
      len = raw.len / 2,
      grid = { rows: raw.rows, len, cs: 1, rs: len };
    super(w, g, prefix, { axis: raw.axis, grid, left: g.vars - 1, done: folded(g, 1), bytes: 48 * raw.rows * len });
  }
  protected make(): PairArrays {
    const { k, inputs, lambda, lam } = this.w;
    return leafPairs(k, this.g, inputs, lambda, lam, this.pairs);
  }
  protected foldArrays(q: PairArrays, f: Grid, x: number): void {
    const { k, lam, scratch } = this.w,
      at = [q.d0, q.d1, f.len, f.cs, f.rs, lam, x];
    k.parallel('gkrFoldPair', f.rows, grain(f.len), (lo, hi, t) => [...at, scratch + 512 * t, lo, hi]);
  }
  /** nu of the last pair: its upper cell may be missing. */
  #lastPair(len: number): { low: Ext; up: Ext } {
    return len % 2 ? { low: this.#last, up: E.ZERO } : { low: this.#inner, up: this.#last };
  }
  protected override axisDone(): void {
    // Along the next axis the value is constant.
    this.#inner = this.#last;
  }
  protected override bound(x: Ext, len: number): void {
    const { low, up } = this.#lastPair(len);
    this.#last = E.add(low, E.mul(x, E.sub(up, low)));
  }
  protected sums(q: PairArrays, eqcol: number, roww: number, total: Ext, column: readonly Ext[]): [Ext, Ext] {
    const { k, lambda, invLambda, lam } = this.w,
      { len, cs, rs } = this.grid,
      half = Math.ceil(len / 2),
      cells = [q.d0, q.d1, len, cs, rs, eqcol, roww, lam],
      [p0, p2] = this.threadSums('gkrProduct', (lo, hi) => [...cells, lo, hi]);
    // The squares of nu: inner pairs have a constant one, the last pair its own.
    const at = k.readExt(eqcol + 24 * (half - 1)),
      sum = eqSum(column, half),
      { low, up } = this.#lastPair(len),
      square = (x: Ext): Ext => E.mul(x, x),
      s0 = E.mul(total, E.add(E.mul(square(this.#inner), E.sub(sum, at)), E.mul(square(low), at))),
      s2 = E.mul(total, E.mul(square(E.sub(up, low)), at));
    return [E.sub(E.mul(invLambda, E.sub(p0, s0)), E.mul(lambda, E.mul(total, sum))), E.mul(invLambda, E.sub(p2, s2))];
  }
  protected value(q: PairArrays, o: number): Quad {
    const { k, invLambda } = this.w,
      nu = this.#last,
      d = (e: number): Ext => E.mul(invLambda, E.sub(k.readExt(e + o), nu));
    return { n0: nu, n1: nu, d0: d(q.d0), d1: d(q.d1) };
  }
}

/** The part of a group whose layer at that height is `layer`. */
export function groupSum(w: LayerWork, g: Group, prefix: number, height: number, layer: Layer): GroupSum {
  const pairs = skipUnit(g, layer, folded(g, height)).len % 2 === 0;
  return height === 0 && !g.table && pairs ? new LeafSum(w, g, prefix, layer) : new FractionSum(w, g, prefix, height, layer);
}
