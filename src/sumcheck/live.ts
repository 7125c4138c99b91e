/** Arrays and products within the batched sumcheck: every array is folded once for all products that it occurs in. */
import { elements, together } from '../device/batches.js';
import type { Device, Picked, Vec } from '../device/device.js';
import type { ArrayFold, TermFactor, TermItem } from '../device/sumcheck.js';
import * as E from '../field/ext3.js';
import { mod } from '../field/goldilocks.js';
import type { FarBlock, FarMemory } from '../kernels/far.js';
import type { Ext } from '../transcript/arith.js';
import type { SumFactor, SumTerm } from './terms.js';
import { MOST_DEGREE, type SumcheckAxis } from './verify.js';

export const last = <T>(a: readonly T[]): T => a[a.length - 1];
const product = (x: readonly number[]): number => x.reduce((a, b) => a * b, 1);
const rowMajor = (dims: readonly number[]): number[] => dims.map((_, d) => product(dims.slice(d + 1)));

/** Where an array is: integers as given, elements made on demand, folded near (on the device) or far. */
type Storage =
  | { readonly kind: 'words'; readonly vec: Vec }
  | { readonly kind: 'made'; readonly make: () => Vec }
  /** `spare`: where the next fold goes, on a device that does not fold in place. */
  | { readonly kind: 'near'; readonly vec: Vec; readonly spare?: Vec | undefined }
  | { readonly kind: 'far'; readonly block: FarBlock };

/** What all arrays and products of one sumcheck share: the device, memory beside it, sizes of axes. */
export class Boxes {
  readonly size: ReadonlyMap<string, number>;
  /** Near bytes that products need for arrays which are not near. */
  reserve = 2 ** 16;

  constructor(
    readonly d: Device,
    readonly far: FarMemory,
    axes: readonly SumcheckAxis[],
  ) {
    this.size = new Map(axes.map((a) => [a.axis, a.size]));
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
  storage: Storage;

  constructor(
    readonly boxes: Boxes,
    readonly from: SumFactor,
  ) {
    this.axes = from.axes;
    this.strides = from.words ? from.words.strides : rowMajor(boxes.sizes(from.axes));
    this.len = this.#lastSize();
    this.storage = from.words ? { kind: 'words', vec: from.words.vec } : { kind: 'made', make: from.make! };
  }
  #lastSize(): number {
    return this.axes.length ? this.boxes.size.get(last(this.axes))! : 1;
  }
  /** Signed words instead of elements of E. */
  get base(): boolean {
    return this.storage.kind === 'words';
  }
  /** The array near; what it allocates is the caller's to release. */
  near(): Vec {
    const s = this.storage,
      { d } = this.boxes;
    if (s.kind === 'made') return s.make();
    if (s.kind !== 'far') return s.vec;
    const v = d.vector(s.block.bytes / 8);
    d.load(s.block, 0, v);
    return v;
  }
  /** Its value, from its first words, once all its axes are bound. */
  value(words: BigUint64Array): Ext {
    return this.base ? [mod(BigInt.asIntN(64, words[0])), 0n, 0n] : elements(words)[0];
  }
  /** The fold of the last axis to `to`. */
  fold(from: Vec, to: Vec, r: Ext): ArrayFold {
    return {
      from,
      to,
      base: this.base,
      dims: this.boxes.sizes(this.axes.slice(0, -1)),
      len: this.len,
      along: last(this.strides),
      outer: this.strides.slice(0, -1),
      r,
    };
  }
  /** Cells of the packed fold. */
  get folded(): number {
    return product(this.boxes.sizes(this.axes.slice(0, -1))) * Math.ceil(this.len / 2);
  }
  /** A variable is bound, and the array lies there: where it was, or packed. */
  bound(storage: Storage, packed: boolean): void {
    this.storage = storage;
    this.len = Math.ceil(this.len / 2);
    if (packed) this.strides = rowMajor([...this.boxes.sizes(this.axes.slice(0, -1)), this.len]);
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
    if (this.storage.kind === 'far') this.boxes.far.free(this.storage.block);
  }
}

/**
 * Binds the least significant variable of the last axis of arrays at r. The first fold halves what the source takes: it
 * goes to fresh memory, near while that lasts, then far.
 */
export function foldAll(boxes: Boxes, arrays: readonly LiveArray[], r: Ext): void {
  const { d } = boxes,
    items: ArrayFold[] = [],
    near = arrays.map((a): Storage | undefined => {
      const s = a.storage;
      if (s.kind !== 'near') return undefined;
      const to = d.inPlace ? s.vec : (s.spare ?? d.vector(3 * a.folded));
      items.push(a.fold(s.vec, to, r));
      return d.inPlace ? s : { kind: 'near', vec: to, spare: s.vec };
    });
  if (items.length > 0) d.run('foldArrays', items.length, { items });
  near.forEach((s, i) => {
    if (s) arrays[i].bound(s, !d.inPlace);
  });
  const others = arrays.filter((_, i) => near[i] === undefined);
  for (const some of together(d, others)) foldAway(boxes, some, r);
}

/** The folds of arrays that are not near, into fresh memory. */
function foldAway(boxes: Boxes, arrays: readonly LiveArray[], r: Ext): void {
  const { d, far, reserve } = boxes,
    old = arrays.map(({ storage }) => (storage.kind === 'far' ? storage.block : undefined)),
    near = arrays.map((a, i) => {
      const bytes = 24 * a.folded;
      return bytes + reserve + (old[i]?.bytes ?? 0) <= d.room || 4 * bytes <= far.page ? d.vector(bytes / 8) : undefined;
    });
  d.scope(() => {
    const items = arrays.map((a, i) => {
      const from = a.near();
      return a.fold(from, near[i] ?? d.vector(3 * a.folded), r);
    });
    d.run('foldArrays', items.length, { items });
    arrays.forEach((a, i) => {
      const vec = near[i];
      if (vec) a.bound({ kind: 'near', vec }, true);
      else {
        const block = far.alloc(24 * a.folded);
        d.store(block, 0, items[i].to);
        a.bound({ kind: 'far', block }, true);
      }
    });
  });
  for (const block of old) if (block) far.free(block);
}

/** Values of arrays all of whose axes are bound. */
export function valuesOf(d: Device, arrays: readonly LiveArray[]): Ext[] {
  return together(d, arrays).flatMap((some) =>
    d.scope(() => {
      const parts = some.map((a): Picked => ({ from: a.near(), at: a.base ? Uint32Array.of(0) : Uint32Array.of(0, 1, 2) }));
      return d.pick(parts).map((words, i) => some[i].value(words));
    }),
  );
}

/** A term: coef times the sum over its box of the product of its arrays. */
export class LiveTerm {
  axes: readonly string[];
  coef: Ext;
  /** Of the box, without the coefficient. */
  sum: Ext = E.ZERO;
  /** Values of the round polynomial for the first variable, which the sum over the whole box needs too. */
  first?: readonly Ext[] | undefined;

  constructor(
    readonly boxes: Boxes,
    term: SumTerm,
    readonly arrays: readonly LiveArray[],
  ) {
    this.axes = term.axes;
    this.coef = term.coef;
  }
  /** Leaves an axis that is bound. */
  nextAxis(): void {
    this.first = undefined;
    this.axes = this.axes.slice(0, -1);
  }
  /** Factors that depend on the current axis. */
  get inner(): LiveArray[] {
    const axis = last(this.axes),
      inner = this.arrays.filter((f) => last(f.axes) === axis);
    if (inner.length === 0 || inner.length > MOST_DEGREE) throw new Error(`a product has ${inner.length} factors with axis ${axis}`);
    return inner.sort((x, y) => (x.base ? 1 : 0) - (y.base ? 1 : 0));
  }

  /** The box, for its kernel. Brings arrays near, in the caller's scope. */
  item(at: number, known: boolean): TermItem {
    const outer = this.axes.slice(0, -1),
      near = new Map<LiveArray, Vec>(),
      { inner } = this,
      held = this.arrays.filter((f) => !inner.includes(f));
    for (const f of this.arrays) if (!near.has(f)) near.set(f, f.near());
    const factor = (f: LiveArray, along: number): TermFactor => ({
      from: near.get(f)!,
      base: f.base,
      along,
      outer: outer.map((a) => (f.axes.includes(a) ? f.strides[f.axes.indexOf(a)] : 0)),
    });
    return {
      dims: this.boxes.sizes(outer),
      len: inner[0].len,
      inner: inner.map((f) => factor(f, last(f.strides))),
      held: held.map((f) => factor(f, 0)),
      one: !known,
      at,
    };
  }
}

/**
 * Values of the round polynomials of terms at 0 .. number of inner arrays with the current axis. The value at 1 follows
 * from the sum, if that is `known`.
 */
function evaluate({ d }: Boxes, terms: readonly LiveTerm[], known: boolean): Ext[][] {
  if (terms.length === 0) return [];
  return d.scope(() => {
    const starts: number[] = [];
    let length = 0;
    for (const t of terms) {
      starts.push(length);
      length += t.inner.length + 1;
    }
    const to = d.vector(3 * length);
    for (const some of together(d, [...terms.keys()]))
      d.scope(() => {
        const items = some.map((i) => terms[i].item(starts[i], known));
        d.run('terms', items.length, { to, items });
      });
    const all = elements(d.get(to));
    return terms.map((t, i) => {
      const e = all.slice(starts[i], starts[i + 1] ?? length);
      if (known) e[1] = E.sub(t.sum, e[0]);
      return e;
    });
  });
}

/** The sums of terms over their boxes. */
export function begin(boxes: Boxes, terms: readonly LiveTerm[]): void {
  const whole = terms.filter((t) => t.axes.length > 0),
    single = terms.filter((t) => t.axes.length === 0);
  // The evaluations at 0 and 1 of the last variable, which a box of one column lacks.
  evaluate(boxes, whole, false).forEach((e, i) => {
    whole[i].first = e;
    whole[i].sum = E.add(e[0], e[1]);
  });
  const values = valuesOf(
    boxes.d,
    single.flatMap((t) => t.arrays),
  );
  let at = 0;
  for (const t of single) t.sum = t.arrays.reduce<Ext>((v) => E.mul(v, values[at++]), E.ONE);
}

/** The round polynomials of terms, by their values. */
export function polynomials(boxes: Boxes, terms: readonly LiveTerm[]): (readonly Ext[])[] {
  const asked = terms.filter((t) => !t.first),
    made = new Map(evaluate(boxes, asked, true).map((e, i) => [asked[i], e]));
  return terms.map((t) => {
    const e = t.first ?? made.get(t)!;
    t.first = undefined;
    return e;
  });
}
