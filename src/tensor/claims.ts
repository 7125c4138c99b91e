import { eqAt, eqEval, eqTable } from '../poly/eq.js';
import type { Arith, Elem } from '../transcript/arith.js';
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
  let total = ch.constant(0n);
  for (const [name, list] of byTensor) {
    const { tensor, blocks } = layout.tensors.get(name)!,
      sizes = tensor.axes.map((a) => plan.extended.axes[a]);
    for (const b of blocks) {
      let inner: Elem | undefined;
      for (const c of list) {
        const v = pieces.ofBlock(c, sizes, b);
        if (v !== undefined) inner = inner === undefined ? v : ch.add(inner, v);
      }
      if (inner !== undefined) total = ch.mulAdd(pieces.prefix(point.length - b.log, (b.position + shift) / 2 ** b.log), inner, total);
    }
  }
  return total;
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

  /** A claim's weight on a block but for its prefix; undefined where it has none. */
  ofBlock(c: WeightedFactor, sizes: readonly number[], b: Block): Elem | undefined {
    let at = this.point.length - b.log,
      v = c.coefficient;
    for (let d = 0; d < sizes.length; d++) {
      const w = this.#piece(c.factor.slots[d], sizes[d], b.starts[d], b.logs[d], at);
      if (w === undefined) return undefined;
      v = this.ch.mul(v, w);
      at += b.logs[d];
    }
    return v;
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
