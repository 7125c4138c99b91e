/** Arrays and products within the batched sumcheck: every array is folded once for all products that it occurs in. */
import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { FarBlock } from '../kernels/far.js';
import type { Kernels } from '../kernels/runtime.js';
import type { Ext } from '../transcript/arith.js';
import type { SumFactor, SumTerm } from './terms.js';
import { MOST_DEGREE, type SumcheckAxis } from './verify.js';

/** Words of a kernel's description of a box, factors of one product, bytes of a thread's scratch and of its sums. */
const DESC = 256,
  MOST = 16,
  SCRATCH = 5120,
  OUT = 256;

export const last = <T>(a: readonly T[]): T => a[a.length - 1];
const rowMajor = (dims: readonly number[]): number[] => dims.map((_, d) => dims.slice(d + 1).reduce((x, y) => x * y, 1));

/** Where an array is: integers as given, elements made on demand, folded near or far. */
type Storage =
  | { readonly kind: 'words'; readonly ptr: number }
  | { readonly kind: 'made'; readonly make: () => number }
  | { readonly kind: 'near'; readonly ptr: number }
  | { readonly kind: 'far'; readonly block: FarBlock };

/** What all arrays and products of one sumcheck share: sizes of axes, and kernel memory for calls. */
export class Boxes {
  readonly size: ReadonlyMap<string, number>;
  /** SCRATCH and OUT bytes a thread; a description. */
  readonly scratch: number;
  readonly out: number;
  readonly desc: number;
  /** Near bytes that products need for arrays which are not near. */
  reserve = 2 ** 16;

  constructor(
    readonly k: Kernels,
    axes: readonly SumcheckAxis[],
  ) {
    this.size = new Map(axes.map((a) => [a.axis, a.size]));
    this.scratch = k.alloc(SCRATCH * k.threads);
    this.out = k.alloc(OUT * k.threads);
    this.desc = k.alloc(4 * DESC);
  }
  sizes(axes: readonly string[]): number[] {
    return axes.map((a) => this.size.get(a)!);
  }
}

/** An array, folded as far as the axes behind its own have been bound. */
export class LiveArray {
  axes: readonly string[];
  /** Distances along the axes in cells: elements, or words before the first fold of words. */
  strides: readonly number[];
  /** Cells along the last axis. */
  len: number;
  #storage: Storage;

  constructor(
    readonly boxes: Boxes,
    readonly from: SumFactor,
  ) {
    this.axes = from.axes;
    this.strides = from.words ? from.words.strides : rowMajor(boxes.sizes(from.axes));
    this.len = this.#lastSize();
    this.#storage = from.words ? { kind: 'words', ptr: from.words.ptr } : { kind: 'made', make: from.make! };
  }
  #lastSize(): number {
    return this.axes.length ? this.boxes.size.get(last(this.axes))! : 1;
  }
  /** Signed words instead of elements of E. */
  get words(): boolean {
    return this.#storage.kind === 'words';
  }
  /** Bytes of a cell. */
  get cell(): 8 | 24 {
    return this.words ? 8 : 24;
  }
  /** Address of the array; what it allocates is the caller's to release. */
  address(): number {
    const s = this.#storage,
      { k } = this.boxes;
    if (s.kind === 'made') return s.make();
    if (s.kind !== 'far') return s.ptr;
    const p = k.alloc(s.block.bytes);
    k.far.load(s.block, 0, p, s.block.bytes);
    return p;
  }
  /** Its value, once all its axes are bound. */
  value(): Ext {
    const { k } = this.boxes;
    return k.scope(() => {
      const p = this.address();
      return this.words ? [mod(k.i64[p / 8]), 0n, 0n] : k.readExt(p);
    });
  }

  /**
   * Binds the least significant variable of the last axis; `x` is the address of the challenge. The first fold halves
   * what the source takes.
   */
  fold(x: number): void {
    const { k, scratch } = this.boxes,
      outer = this.axes.slice(0, -1),
      dims = this.boxes.sizes(outer),
      rows = dims.reduce((a, b) => a * b, 1),
      s = this.#storage;
    if (s.kind === 'near') {
      const apart = outer.length ? last(this.strides.slice(0, -1)) : this.len,
        row = [s.ptr, this.len, last(this.strides), apart, x];
      k.parallel('termFold', rows, Math.max(1, Math.floor(1024 / this.len)), (lo, hi, t) => [...row, scratch + SCRATCH * t, lo, hi]);
    } else this.#foldTo(dims, rows, x);
    this.len = Math.ceil(this.len / 2);
  }
  /** The fold of an array that is not near, into fresh memory: near while it lasts, then far. */
  #foldTo(dims: readonly number[], rows: number, x: number): void {
    const { k, desc, scratch, reserve } = this.boxes,
      half = Math.ceil(this.len / 2),
      bytes = 24 * rows * half,
      old = this.#storage.kind === 'far' ? this.#storage.block : undefined,
      stay = bytes + reserve + (old?.bytes ?? 0) <= k.room || 4 * bytes <= k.far.page,
      near = stay ? k.alloc(bytes) : undefined;
    this.#storage = k.scope((): Storage => {
      const src = this.address(),
        dst = near ?? k.alloc(bytes),
        by = this.strides.map((n) => this.cell * n);
      k.u32.set([dims.length, this.len, this.words ? 0 : 1, last(by), ...dims, ...by.slice(0, -1)], desc / 4);
      k.parallel('sumFold', rows * half, 1024, (lo, hi, t) => [dst, src, desc, x, scratch + SCRATCH * t, lo, hi]);
      if (near !== undefined) return { kind: 'near', ptr: near };
      const block = k.far.alloc(bytes);
      k.far.store(block, 0, dst, bytes);
      return { kind: 'far', block };
    });
    if (old) k.far.free(old);
    this.strides = rowMajor([...dims, half]);
  }

  /** Leaves an axis that is bound. */
  nextAxis(): void {
    if (this.len !== 1) throw new Error('axis order');
    this.axes = this.axes.slice(0, -1);
    this.strides = this.strides.slice(0, -1);
    this.len = this.#lastSize();
  }
  /** Gives far memory back. */
  close(): void {
    if (this.#storage.kind === 'far') this.boxes.k.far.free(this.#storage.block);
  }
}

/** A term: coef times the sum over its box of the product of its arrays. */
export class LiveTerm {
  axes: readonly string[];
  coef: Ext;
  /** Of the box, without the coefficient. */
  sum: Ext;
  /** Values of the round polynomial for the first variable, which the sum over the whole box needs too. */
  #first?: Ext[];

  constructor(
    readonly boxes: Boxes,
    term: SumTerm,
    readonly arrays: readonly LiveArray[],
  ) {
    this.axes = term.axes;
    this.coef = term.coef;
    if (this.axes.length) {
      // The evaluations at 0 and 1 of the last variable, which a box of one column lacks.
      this.#first = this.#evaluate(false);
      this.sum = E.add(this.#first[0], this.#first[1]);
    } else this.sum = arrays.reduce<Ext>((v, f) => E.mul(v, f.value()), E.ONE);
  }

  /** Values of the round polynomial at 0 .. number of arrays with the current axis. */
  polynomial(): Ext[] {
    const out = this.#first ?? this.#evaluate(true);
    this.#first = undefined;
    return out;
  }
  /** Leaves an axis that is bound. */
  nextAxis(): void {
    this.#first = undefined;
    this.axes = this.axes.slice(0, -1);
  }

  /** The value at 1 follows from the sum, if that is known. */
  #evaluate(known: boolean): Ext[] {
    const { k, out, desc, scratch } = this.boxes,
      axis = last(this.axes),
      inner = this.arrays.filter((f) => last(f.axes) === axis).sort((x, y) => y.cell - x.cell);
    if (inner.length === 0 || inner.length > MOST_DEGREE) throw new Error(`a product has ${inner.length} factors with axis ${axis}`);
    const { len } = inner[0],
      rows = this.boxes.sizes(this.axes.slice(0, -1)).reduce((x, y) => x * y, 1);
    k.scope(() => {
      k.u32.set(this.#describe(inner, known), desc / 4);
      k.u8.fill(0, out, out + OUT * k.threads);
      k.parallel('sumRound', Math.ceil(len / 2) * rows, 512, (lo, hi, t) => [out + OUT * t, desc, scratch + SCRATCH * t, lo, hi]);
    });
    const e = Array.from({ length: inner.length + 1 }, (_, x) => {
      let v: Ext = E.ZERO;
      for (let t = 0; t < k.threads; t++) v = E.add(v, k.readExt(out + OUT * t + 24 * x));
      return v;
    });
    if (known) e[1] = E.sub(this.sum, e[0]);
    return e;
  }
  /** The box as the kernel reads it. Brings arrays near, in the caller's scope. */
  #describe(inner: readonly LiveArray[], known: boolean): number[] {
    const outer = this.axes.slice(0, -1),
      dims = this.boxes.sizes(outer),
      held = this.arrays.filter((f) => !inner.includes(f)),
      at = new Map<LiveArray, number>();
    for (const f of this.arrays) if (!at.has(f)) at.set(f, f.address());
    const row = (f: LiveArray, along: number): number[] => [
      at.get(f)!,
      f.words ? 0 : 1,
      f.cell * along,
      ...outer.map((a) => (f.axes.includes(a) ? f.cell * f.strides[f.axes.indexOf(a)] : 0)),
    ];
    const box = [
      outer.length,
      inner[0].len,
      inner.length,
      held.length,
      known ? 0 : 1,
      ...dims,
      ...inner.flatMap((f) => row(f, last(f.strides))),
      ...held.flatMap((f) => row(f, 0)),
    ];
    if (this.arrays.length > MOST || box.length > DESC)
      throw new Error(`a product of ${this.arrays.length} arrays over ${dims.length + 1} axes`);
    return box;
  }
}
