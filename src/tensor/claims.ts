import { eqAt, eqEval, eqLess, eqTable } from '../poly/eq.js';
import { type Arith, type Elem, dot } from '../transcript/arith.js';
import type { Block } from './layout.js';
import type { Factor, Plan, Slot } from './plan.js';
import type { TensorClass } from './types.js';

/** A claim on a committed class: coefficient times a functional of one tensor. */
export interface WeightedFactor {
  readonly factor: Factor;
  readonly coefficient: Elem;
}

/** The points at which functionals are taken. */
export interface Points {
  readonly rho: readonly Elem[];
  readonly axes: ReadonlyMap<string, readonly Elem[]>;
}

const pointOf = (s: Exclude<Slot, { kind: 'index' }>, p: Points): readonly Elem[] =>
  s.kind === 'rho' ? p.rho.slice(s.from, s.to) : p.axes.get(s.axis)!;
/** Entries up to which an access is summed entry by entry: closed forms are dearer. */
const SMALL = 4;
const slotKey = (s: Exclude<Slot, { kind: 'index' }>): string => (s.kind === 'rho' ? `r${s.from}-${s.to}` : `a${s.axis}`);

/**
 * Extension of the combined weights of some claims at `point` of a class's stack, whose blocks lie `shift` cells
 * further on: sum over blocks of eq(prefix, block) times the sum over claims of coefficient times, per axis, the inner
 * product of the axis weights with eq(chunk of the point, .) over the block's piece of the axis.
 */
export function evalWeights(
  ch: Arith,
  plan: Plan,
  cls: TensorClass,
  claims: readonly WeightedFactor[],
  points: Points,
  point: readonly Elem[],
  shift = 0,
): Elem {
  const layout = plan.layouts.get(cls)!,
    pieces = new Pieces(ch, points, point),
    byTensor = new Map<string, WeightedFactor[]>();
  for (const c of claims) byTensor.set(c.factor.tensor.name, [...(byTensor.get(c.factor.tensor.name) ?? []), c]);
  const zero = ch.constant(0n),
    prefixes: Elem[] = [],
    inner: Elem[] = [];
  for (const [name, list] of byTensor) {
    const { tensor, blocks } = layout.tensors.get(name)!,
      sizes = tensor.axes.map((a) => plan.extended.axes[a]);
    for (const b of blocks) {
      // The coefficient last: claims with the same accesses have one product.
      const coefficients: Elem[] = [],
        weights: Elem[] = [];
      for (const c of list) {
        const v = pieces.ofBlock(c.factor.slots, sizes, b);
        if (v === undefined) continue;
        coefficients.push(c.coefficient);
        weights.push(v);
      }
      if (!weights.length) continue;
      prefixes.push(pieces.prefix(point.length - b.log, (b.position + shift) / 2 ** b.log));
      inner.push(dot(ch, coefficients, weights, zero));
    }
  }
  return dot(ch, prefixes, inner, zero);
}

/** Weights of blocks and of pieces of axes at one point of a stack, each computed once. */
class Pieces {
  readonly #known = new Map<string, Elem>();
  readonly #tables = new Map<string, Elem[]>();
  readonly #prefixes = new Map<string, Elem>();
  constructor(
    readonly ch: Arith,
    readonly points: Points,
    readonly point: readonly Elem[],
  ) {}

  #memo<T>(known: Map<string, T>, key: string, make: () => T): T {
    let v = known.get(key);
    if (v === undefined) {
      v = make();
      known.set(key, v);
    }
    return v;
  }

  /** eq(the first `bits` coordinates of the point, bits of `value`), sharing common prefixes. */
  prefix(bits: number, value: number): Elem {
    if (bits === 0) return this.ch.constant(1n);
    const old = this.#prefixes.get(`${bits}/${value}`);
    if (old !== undefined) return old;
    const up = this.prefix(bits - 1, Math.floor(value / 2)),
      hi = this.ch.mul(up, this.point[bits - 1]),
      lo = this.ch.sub(up, hi),
      even = value - (value % 2);
    this.#prefixes.set(`${bits}/${even + 1}`, hi);
    this.#prefixes.set(`${bits}/${even}`, lo);
    return value === even ? lo : hi;
  }

  /** Weight on a block of accesses, but for the block's prefix; undefined where it has none. */
  ofBlock(slots: readonly Slot[], sizes: readonly number[], b: Block): Elem | undefined {
    let at = this.point.length - b.log,
      v = this.ch.constant(1n);
    for (let d = 0; d < sizes.length; d++) {
      const w = this.#piece(slots[d], sizes[d], b.starts[d], b.logs[d], at);
      if (w === undefined) return undefined;
      v = this.ch.mul(v, w);
      at += b.logs[d];
    }
    return v;
  }

  /**
   * The same for an access without gaps whose offset is a multiple of 2^(its variables), in closed form. Piece and
   * access are both aligned: one of them lies in the other, or they have nothing in common.
   */
  #aligned(s: { readonly size: number; readonly offset: number }, z: readonly Elem[], start: number, chunk: readonly Elem[]): Elem {
    const { ch } = this,
      [m, log] = [z.length, chunk.length],
      from = start - s.offset;
    if (from >= s.size || from + 2 ** log <= 0) return ch.constant(0n);
    // A piece around the access, then one inside of it.
    if (log >= m) return ch.mul(eqAt(ch, chunk.slice(0, log - m), -from / 2 ** m), eqLess(ch, z, chunk.slice(log - m), s.size));
    return ch.mul(eqAt(ch, z.slice(0, m - log), from / 2 ** log), eqLess(ch, z.slice(m - log), chunk, s.size - from));
  }

  /** Inner product over 2^log entries from `start` on of an axis's weights with eq(coordinates from `at` on, .). */
  #piece(s: Slot, axisSize: number, start: number, log: number, at: number): Elem | undefined {
    const { ch } = this,
      chunk = this.point.slice(at, at + log);
    if (s.kind === 'index')
      return s.index >= start && s.index < start + 2 ** log
        ? this.#memo(this.#known, `i${s.index - start}/${at}/${log}`, () => eqAt(ch, chunk, s.index - start))
        : undefined;
    const z = pointOf(s, this.points),
      key = slotKey(s);
    if (s.stride === 1 && s.offset === 0 && s.size === axisSize) {
      // The access covers its axis: eq at the high bits of the piece, times eq of the low bits.
      const hi = z.slice(0, z.length - log),
        low = this.#memo(this.#known, `${key}~${at}/${log}`, () => eqEval(ch, z.slice(z.length - log), chunk));
      if (!hi.length) return low;
      return ch.mul(
        this.#memo(this.#known, `${key}^${start}/${log}`, () => eqAt(ch, hi, start / 2 ** log)),
        low,
      );
    }
    if (s.stride === 1 && s.size > SMALL && s.offset % 2 ** z.length === 0)
      return this.#memo(this.#known, `${key}<${s.size}+${s.offset}/${start}/${log}/${at}`, () => this.#aligned(s, z, start, chunk));
    // The size belongs to the key: axes of different sizes may share one slice of rho.
    const sized = `${key}<${s.size}`;
    return this.#memo(this.#known, `${sized}*${s.stride}+${s.offset}/${start}/${log}/${at}`, () => {
      const table = this.#memo(this.#tables, sized, () => eqTable(ch, z, s.size)),
        low = this.#memo(this.#tables, `c${at}/${log}`, () => eqTable(ch, chunk));
      let sum = ch.constant(0n);
      for (let i = 0; i < s.size; i++) {
        const c = s.stride * i + s.offset - start;
        if (c >= 0 && c < 2 ** log) sum = ch.mulAdd(table[i], low[c], sum);
      }
      return sum;
    });
  }
}
